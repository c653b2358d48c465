#include "agents/dc09/cid.h"

#include <stdio.h>
#include <string.h>

struct cid {
	const uint8_t *at, *end;
};

/* Blanks, then up to `most` hexadecimal digits. */
static struct torap_bytes take_number(struct cid *in, size_t most)
{
	while (in->at < in->end && *in->at == ' ')
		in->at++;
	const uint8_t *from = in->at;
	while (in->at < in->end && torap_hex_value(*in->at) >= 0 && (size_t)(in->at - from) < most)
		in->at++;
	return torap_bytes(from, (size_t)(in->at - from));
}

/* 4xx name a user, but for the doors and the equipment among them; a bypass of a group, a walk test and a latch key do, too. */
static bool zone_is_user(const uint8_t event[static 3])
{
	static const char doors[] = "423 426 427 428 432 433 434 ", users[] = "574 607 642 ";
	for (const char *at = event[0] == '4' ? doors : users; *at; at += 4)
		if (!memcmp(at, event, 3))
			return event[0] != '4';
	return event[0] == '4';
}

static void decode_event(struct dc09_content *c, struct torap_bytes block)
{
	struct dc09_event *e = dc09_content_event(c);
	if (!e)
		return;
	struct cid in = { block.data, block.data + block.size };
	struct torap_bytes code = take_number(&in, 4);
	if (code.size < 4) {
		snprintf(e->code, sizeof e->code, "%s", DC09_CODE_UNREADABLE);
		dc09_content_field(c, "block", block, true);
		return;
	}
	snprintf(e->code, sizeof e->code, "%c%c%c q%c", code.data[1], code.data[2], code.data[3],
		code.data[0]);
	e->area = take_number(&in, 2);
	struct torap_bytes zone = take_number(&in, 8);
	if (zone_is_user(code.data + 1))
		e->user = zone;
	else
		e->zone = zone;
	dc09_content_field(c, "rest", torap_bytes(in.at, (size_t)(in.end - in.at)), true);
}

void dc09_cid_decode(struct dc09_content *c, struct torap_bytes blocks)
{
	const uint8_t *at = blocks.data, *end = at + blocks.size;
	while (at < end) {
		const uint8_t *bar = memchr(at, '|', (size_t)(end - at));
		const uint8_t *stop = bar ? bar : end;
		struct torap_bytes block = torap_bytes(at, (size_t)(stop - at));
		bool event = block.size && ((*at >= '0' && *at <= '9') || *at == ' ');
		if (event || (block.size && !c->events_count))
			decode_event(c, block);
		else if (block.size && *at == 'A')
			dc09_event_text(&c->events[c->events_count - 1], torap_bytes(at + 1, block.size - 1));
		else
			dc09_content_field(c, "block", block, true);
		at = bar ? bar + 1 : end;
	}
}
