#include "agents/dc09/decode.h"

#include <string.h>

#include "agents/dc09/cid.h"
#include "agents/dc09/moment.h"
#include "agents/dc09/sia.h"
#include "agents/dc09/xdata.h"

const char *dc09_vocabulary_name(enum dc09_vocabulary v)
{
	static const char *const names[] = {
		[DC09_SIA] = "sia-dcs", [DC09_CID] = "adm-cid", [DC09_NULL] = "null", [DC09_OTHER] = "other"
	};
	return v <= DC09_OTHER ? names[v] : NULL;
}

static bool all_blank(const uint8_t *at, const uint8_t *end)
{
	while (at < end && (*at == ' ' || !*at))
		at++;
	return at == end;
}

/* A block ends at the ] after which another block, the timestamp, or nothing but blanks stands: a ] inside a text is none. */
static const uint8_t *block_end(const uint8_t *at, const uint8_t *end)
{
	while (at < end && (at = memchr(at, ']', (size_t)(end - at)))) {
		if (all_blank(at + 1, end) || at[1] == '[' || at[1] == '_')
			return at;
		at++;
	}
	return NULL;
}

static void decode_stamp(struct dc09_content *c, const uint8_t *at, const uint8_t *end)
{
	while (end > at && (end[-1] == ' ' || !end[-1]))
		end--;
	if (at == end || *at != '_')
		return;
	c->stamp_text = torap_bytes(at + 1, (size_t)(end - at - 1));
	c->has_stamp = dc09_moment_parse(&c->stamp, c->stamp_text);
}

/* The first part of the data is the account, with # or without, or empty.  Gives what follows its bar. */
static struct torap_bytes take_account(struct dc09_content *c)
{
	struct torap_bytes data = c->data;
	const uint8_t *bar = data.size ? memchr(data.data, '|', data.size) : NULL;
	size_t size = bar ? (size_t)(bar - data.data) : data.size;
	bool sharp = size && data.data[0] == '#';
	if (!bar && !sharp)
		return data; /* `[NRP]`: the event alone */
	c->account = torap_bytes(data.data + sharp, size - sharp);
	c->has_account = c->account.size != 0;
	return bar ? torap_bytes(bar + 1, data.size - size - 1) : torap_bytes(data.data + size, 0);
}

void dc09_content_decode(struct dc09_content *out, enum dc09_vocabulary vocabulary, struct torap_bytes rest)
{
	memset(out, 0, sizeof *out);
	if (!rest.data)
		rest = torap_bytes("", 0); /* a frame without any [ */
	const uint8_t *at = rest.data, *end = rest.data + rest.size;
	const uint8_t *close = rest.size ? block_end(at, end) : NULL;
	out->terminated = close != NULL;
	out->data = torap_bytes(at, (size_t)((close ? close : end) - at));
	if (close) {
		at = close + 1;
		const uint8_t *extended = at;
		while (at < end && *at == '[') {
			const uint8_t *stop = block_end(at + 1, end);
			if (!stop)
				break;
			dc09_xdata_decode(out, torap_bytes(at + 1, (size_t)(stop - at - 1)));
			at = stop + 1;
		}
		out->extended = torap_bytes(extended, (size_t)(at - extended));
		decode_stamp(out, at, end);
	}
	dc09_xdata_place(out);

	struct torap_bytes blocks = take_account(out);
	switch (vocabulary) {
	case DC09_SIA:
		dc09_sia_decode(out, blocks);
		break;
	case DC09_CID:
		dc09_cid_decode(out, blocks);
		break;
	case DC09_NULL: /* Some panels put content into it; a sign of life it is all the same. */
	case DC09_OTHER:
		dc09_content_field(out, "data", blocks, true);
		break;
	}
}
