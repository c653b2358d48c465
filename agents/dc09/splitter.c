#include "agents/dc09/splitter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEX_HEADER = 8,    /* CRC and length in characters */
	BINARY_HEADER = 7, /* LF, two raw bytes, length */
	LOOK_BACK = 9,     /* LF and a header in characters: kept in front of a quote that is still to come */
};

void dc09_splitter_finish(struct dc09_splitter *s)
{
	free(s->data);
	*s = (struct dc09_splitter){ .noise = s->noise };
}

/* Gives back what the last answer looked into. */
static void settle(struct dc09_splitter *s)
{
	if (!s->consumed)
		return;
	s->size -= s->consumed;
	memmove(s->data, s->data + s->consumed, s->size);
	s->consumed = 0;
	if (!s->size) {
		free(s->data);
		s->data = NULL;
		s->room = 0;
	}
}

int dc09_splitter_feed(struct dc09_splitter *s, struct torap_bytes bytes)
{
	settle(s);
	if (!bytes.size)
		return 0;
	if (s->size + bytes.size > s->room) {
		size_t room = s->size + bytes.size < 256 ? 256 : s->size + bytes.size;
		uint8_t *data = realloc(s->data, room);
		if (!data)
			return -ENOMEM;
		s->data = data;
		s->room = room;
	}
	memcpy(s->data + s->size, bytes.data, bytes.size);
	s->size += bytes.size;
	return 0;
}

void dc09_splitter_end(struct dc09_splitter *s)
{
	s->ended = true;
}

static bool all_hex(const uint8_t *at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (torap_hex_value(at[i]) < 0)
			return false;
	return true;
}

/* Does the quote at `quote` begin a frame?  Gives the size of what stands before it, LF included; 0 when it does not. */
static size_t header_before(const struct dc09_splitter *s, size_t quote)
{
	const uint8_t *at = s->data + quote;
	if (quote >= HEX_HEADER && all_hex(at - HEX_HEADER, HEX_HEADER))
		return quote > HEX_HEADER && at[-HEX_HEADER - 1] == '\n' ? HEX_HEADER + 1 : HEX_HEADER;
	if (quote >= BINARY_HEADER && at[-BINARY_HEADER] == '\n' && all_hex(at - 4, 4))
		return BINARY_HEADER;
	return 0;
}

/* The first quote in [from, end) that begins a frame; `end` when there is none. */
static size_t find_quote(const struct dc09_splitter *s, size_t from, size_t end, size_t *header)
{
	while (from < end) {
		const uint8_t *quote = memchr(s->data + from, '"', end - from);
		if (!quote)
			return end;
		from = (size_t)(quote - s->data);
		*header = header_before(s, from);
		if (*header)
			return from;
		from++;
	}
	return end;
}

/* Stands between messages and means nothing. */
static bool is_blank(uint8_t c)
{
	return c == 0 || c == ' ' || c == '\r' || c == '\n';
}

bool dc09_splitter_waiting(const struct dc09_splitter *s)
{
	for (size_t i = s->consumed; i < s->size; i++)
		if (!is_blank(s->data[i]))
			return true;
	return false;
}

/* Drops `count` bytes from the front. */
static void drop(struct dc09_splitter *s, size_t count)
{
	for (size_t i = 0; i < count; i++)
		s->noise += !is_blank(s->data[i]);
	s->consumed = count;
	settle(s);
}

static void cut_out(
	const struct dc09_splitter *s, size_t quote, size_t header, size_t end, struct dc09_cut *cut)
{
	const uint8_t *at = s->data + quote;
	size_t crc = header == BINARY_HEADER ? 2 : 4;
	*cut = (struct dc09_cut){
		.raw = torap_bytes(at - header, end - (quote - header) + (end < s->size)),
		.crc = torap_bytes(at - 4 - crc, crc),
		.body = torap_bytes(at, end - quote),
	};
	for (int i = -4; i < 0; i++)
		cut->length = cut->length << 4 | (unsigned)torap_hex_value(at[i]);
	for (const uint8_t *c = crc == 4 ? cut->crc.data : at - 4; c < at; c++)
		cut->lower |= *c >= 'a';
}

/* How much a frame whose CRC does not fit takes with it: up to a header inside it, or to its CR; but when that CR may be a raw CRC
 * byte of the next frame, only up to the LF in front of it. */
static size_t give_up(const struct dc09_splitter *s, size_t quote, size_t end)
{
	size_t header;
	size_t next = find_quote(s, quote + 1, end, &header);
	if (next < end)
		return next - header;
	for (size_t lf = end - 1; lf > quote && lf + 2 >= end; lf--)
		if (s->data[lf] == '\n')
			return lf;
	return end < s->size ? end + 1 : end;
}

enum dc09_split dc09_splitter_next(struct dc09_splitter *s, struct dc09_cut *cut, enum dc09_crc_form *form)
{
	settle(s);
	size_t header = 0;
	size_t quote = find_quote(s, 0, s->size, &header);
	if (quote == s->size) {
		size_t keep = s->ended ? 0 : LOOK_BACK;
		if (s->size > keep)
			drop(s, s->size - keep);
		return DC09_SPLIT_NONE;
	}
	if (quote > header) {
		drop(s, quote - header);
		quote = header;
	}
	const uint8_t *cr = memchr(s->data + quote, '\r', s->size - quote);
	size_t end = cr ? (size_t)(cr - s->data) : s->size;
	if (end - quote > DC09_FRAME_SIZE_MAX) {
		s->consumed = quote + 1; /* It never ends; another may begin inside it. */
		s->noise += quote + 1;
		return DC09_SPLIT_BAD;
	}
	if (!cr && !s->ended)
		return DC09_SPLIT_NONE;
	cut_out(s, quote, header, end, cut);
	if (dc09_frame_check(cut, form)) {
		s->consumed = cr ? end + 1 : end;
		return DC09_SPLIT_FRAME;
	}
	s->wrong += cut->body.size;
	s->consumed = give_up(s, quote, end);
	s->noise += s->consumed;
	return DC09_SPLIT_BAD;
}
