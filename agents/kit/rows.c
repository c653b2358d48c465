#include "agents/kit/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

int kit_rows_add(struct kit_rows *r, struct torap_bytes body, bool *complete, struct torap_error *err)
{
	if (r->messages_count == KIT_ROWS_MESSAGES_MAX)
		return torap_errorf(err, -EBADMSG, "more than %d messages of rows", KIT_ROWS_MESSAGES_MAX);
	Torap__AgentRows *rows = torap__agent_rows__unpack(NULL, body.size, body.data);
	if (!rows)
		return torap_errorf(err, -EBADMSG, "rows that cannot be decoded");
	const char *fault = r->count + rows->n_rows > KIT_ROWS_MAX ? "too many rows" : NULL;
	for (size_t i = 0; i < rows->n_rows && !fault; i++)
		if (!*rows->rows[i]->address || strlen(rows->rows[i]->address) > TORAP_ADDRESS_MAX)
			fault = "a row whose address is empty or too long";
	if (fault) {
		torap__agent_rows__free_unpacked(rows, NULL);
		return torap_errorf(err, -EBADMSG, "%s", fault);
	}
	r->messages[r->messages_count++] = rows;
	r->count += rows->n_rows;
	*complete = !rows->more;
	return 0;
}

struct kit_row *kit_rows_list(const struct kit_rows *r)
{
	struct kit_row *list = calloc(r->count + 1, sizeof *list);
	if (!list)
		return NULL;
	size_t count = 0;
	for (size_t m = 0; m < r->messages_count; m++) {
		for (size_t i = 0; i < r->messages[m]->n_rows; i++) {
			const Torap__AgentRows__Row *row = r->messages[m]->rows[i];
			list[count++] = (struct kit_row){ .address = row->address,
				.supervision_s = row->supervision_s,
				.code_page = row->code_page,
				.key_name = row->key_name,
				.url = row->url,
				.sub_url = row->sub_url,
				.profile = row->profile,
				.mode = row->mode,
				.term_us = row->term_us,
				.site = row->site,
				.switch_name = row->switch_name,
				.recorder = row->recorder,
				.recording = row->recording,
				.street = row->street,
				.region = row->region,
				.device = row->device,
				.since_us = row->since_us,
				.aimed_us = row->aimed_us,
				.facility = (uint16_t)row->facility,
				.private_owner = row->private_owner };
		}
	}
	return list;
}

void kit_rows_clear(struct kit_rows *r)
{
	for (size_t m = 0; m < r->messages_count; m++)
		torap__agent_rows__free_unpacked(r->messages[m], NULL);
	r->messages_count = 0;
	r->count = 0;
}
