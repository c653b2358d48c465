#include "wire/stream.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/taxonomy.h"

bool torap_writer_id_valid(const char *id)
{
	size_t length = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");
	return length > 0 && length <= TORAP_WRITER_ID_MAX && id[length] == '\0';
}

bool torap_stream_id_make(
	struct torap_stream_id *out, const char *writer, uint32_t lane, uint64_t incarnation)
{
	if (!torap_writer_id_valid(writer) || !torap_lane_name(lane))
		return false;
	memset(out, 0, sizeof *out); /* with its padding: some keep it as the bytes of a key */
	memcpy(out->writer, writer, strlen(writer));
	out->lane = (uint8_t)lane;
	out->incarnation = incarnation;
	return true;
}

bool torap_stream_id_decode(struct torap_stream_id *out, const Torap__StreamId *in)
{
	return in && torap_stream_id_make(out, in->writer, (uint32_t)in->lane, in->incarnation);
}

void torap_stream_id_encode(Torap__StreamId *out, const struct torap_stream_id *id)
{
	torap__stream_id__init(out);
	out->writer = (char *)id->writer;
	out->lane = (Torap__Lane)id->lane;
	out->incarnation = id->incarnation;
}

bool torap_stream_id_equal(const struct torap_stream_id *a, const struct torap_stream_id *b)
{
	return torap_stream_id_compare(a, b) == 0;
}

int torap_stream_id_compare(const struct torap_stream_id *a, const struct torap_stream_id *b)
{
	int order = strcmp(a->writer, b->writer);
	if (order)
		return order;
	if (a->lane != b->lane)
		return a->lane < b->lane ? -1 : 1;
	if (a->incarnation != b->incarnation)
		return a->incarnation < b->incarnation ? -1 : 1;
	return 0;
}

char *torap_stream_id_format(const struct torap_stream_id *id, char text[static TORAP_STREAM_TEXT_SIZE])
{
	const char *lane = torap_lane_name(id->lane);
	assert(lane);
	snprintf(text, TORAP_STREAM_TEXT_SIZE, "%s/%s/%016" PRIx64, id->writer, lane, id->incarnation);
	return text;
}

bool torap_stream_id_parse(struct torap_stream_id *out, const char *text)
{
	char copy[TORAP_STREAM_TEXT_SIZE];
	size_t length = strnlen(text, sizeof copy);
	if (length == sizeof copy)
		return false;
	memcpy(copy, text, length + 1);
	char *lane = strchr(copy, '/');
	char *incarnation = lane ? strchr(lane + 1, '/') : NULL;
	if (!incarnation)
		return false;
	*lane++ = '\0';
	*incarnation++ = '\0';

	uint8_t bytes[8];
	if (!torap_unhex(bytes, sizeof bytes, incarnation))
		return false;
	struct torap_reader r = torap_reader(torap_bytes(bytes, sizeof bytes));
	int number = torap_lane_number(lane);
	return number > 0 && torap_stream_id_make(out, copy, (uint32_t)number, torap_read_u64(&r));
}
