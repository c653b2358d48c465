#include "agents/rtsp/talk/message.h"

#include <string.h>
#include <strings.h>

size_t rtsp_number(struct torap_bytes text, uint32_t *out)
{
	uint64_t value = 0;
	size_t i = 0;
	for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
		value = value * 10 + (uint64_t)(text.data[i] - '0');
		if (value > UINT32_MAX)
			return 0;
	}
	*out = (uint32_t)value;
	return i;
}

static struct torap_bytes trim(struct torap_bytes t)
{
	while (t.size && (*t.data == ' ' || *t.data == '\t'))
		t = torap_bytes(t.data + 1, t.size - 1);
	while (t.size &&
		(t.data[t.size - 1] == ' ' || t.data[t.size - 1] == '\t' || t.data[t.size - 1] == '\r'))
		t.size--;
	return t;
}

/* The next line without its end; false when there is none. */
static bool next_line(struct torap_bytes *rest, struct torap_bytes *line)
{
	if (!rest->size)
		return false;
	const uint8_t *end = memchr(rest->data, '\n', rest->size);
	size_t size = end ? (size_t)(end - rest->data) : rest->size;
	*line = torap_bytes(rest->data, size);
	size += end != NULL;
	*rest = torap_bytes(rest->data + size, rest->size - size);
	if (line->size && line->data[line->size - 1] == '\r')
		line->size--;
	return true;
}

bool rtsp_header(struct torap_bytes head, const char *name, unsigned nth, struct torap_bytes *value)
{
	size_t size = strlen(name);
	struct torap_bytes line;
	while (next_line(&head, &line)) {
		if (line.size <= size || line.data[size] != ':' ||
			strncasecmp((const char *)line.data, name, size) != 0 || nth--)
			continue;
		*value = trim(torap_bytes(line.data + size + 1, line.size - size - 1));
		return true;
	}
	return false;
}

bool rtsp_parameter(struct torap_bytes value, const char *name, struct torap_bytes *out)
{
	size_t size = strlen(name);
	while (value.size) {
		const uint8_t *end = memchr(value.data, ';', value.size);
		size_t length = end ? (size_t)(end - value.data) : value.size;
		struct torap_bytes part = trim(torap_bytes(value.data, length));
		if (part.size > size && part.data[size] == '=' &&
			strncasecmp((const char *)part.data, name, size) == 0) {
			*out = trim(torap_bytes(part.data + size + 1, part.size - size - 1));
			return true;
		}
		length += end != NULL;
		value = torap_bytes(value.data + length, value.size - length);
	}
	return false;
}

static bool begins(struct torap_bytes in, const char *word)
{
	return in.size >= strlen(word) && memcmp(in.data, word, strlen(word)) == 0;
}

/* Where the blank line is that ends a head: its first byte after, or 0. */
static size_t head_end(struct torap_bytes in)
{
	size_t most = in.size < RTSP_HEAD_MAX ? in.size : RTSP_HEAD_MAX;
	for (size_t i = 0; i + 1 < most; i++) {
		if (in.data[i] != '\n')
			continue;
		if (in.data[i + 1] == '\n')
			return i + 2;
		if (i + 2 < most && in.data[i + 1] == '\r' && in.data[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

static void take_packet(struct rtsp_unit *out, struct torap_bytes in)
{
	if (in.size < 4)
		return;
	size_t size = (size_t)in.data[2] << 8 | in.data[3];
	if (in.size < 4 + size)
		return;
	out->sort = RTSP_UNIT_PACKET;
	out->channel = in.data[1];
	out->packet = torap_bytes(in.data + 4, size);
	out->size += 4 + size;
}

/* "RTSP/1.0 200 OK" or "OPTIONS rtsp://… RTSP/1.0". */
static bool first_line(struct rtsp_unit *out, struct torap_bytes line)
{
	if (begins(line, "RTSP/")) {
		const uint8_t *blank = memchr(line.data, ' ', line.size);
		uint32_t status;
		if (!blank || rtsp_number(torap_bytes(blank + 1, line.size - (size_t)(blank + 1 - line.data)),
				      &status) != 3)
			return false;
		out->status = status;
		out->sort = RTSP_UNIT_ANSWER;
		return true;
	}
	const uint8_t *blank = memchr(line.data, ' ', line.size);
	if (!blank || !memmem(line.data, line.size, " RTSP/", 6))
		return false;
	out->method = torap_bytes(line.data, (size_t)(blank - line.data));
	out->sort = RTSP_UNIT_REQUEST;
	return true;
}

static void take_message(struct rtsp_unit *out, struct torap_bytes in)
{
	static const char answer[] = "RTSP/";
	size_t seen = in.size < 5 ? in.size : 5;
	bool upper = true;
	for (size_t i = 0; i < seen; i++)
		upper = upper && ((in.data[i] >= 'A' && in.data[i] <= 'Z') || in.data[i] == '_');
	if (memcmp(in.data, answer, seen) != 0 && !upper) {
		out->sort = RTSP_UNIT_GARBAGE;
		return;
	}
	size_t end = head_end(in);
	if (!end) {
		if (in.size >= RTSP_HEAD_MAX)
			out->sort = RTSP_UNIT_ENDLESS;
		return;
	}
	struct torap_bytes rest = torap_bytes(in.data, end), line, text;
	uint32_t length = 0;
	if (!next_line(&rest, &line) || !first_line(out, line)) {
		out->sort = RTSP_UNIT_GARBAGE;
		return;
	}
	if (rtsp_header(rest, "Content-Length", 0, &text) && rtsp_number(text, &length) != text.size) {
		out->sort = RTSP_UNIT_GARBAGE;
		return;
	}
	if (length > RTSP_BODY_MAX) {
		out->sort = RTSP_UNIT_ENDLESS;
		return;
	}
	if (in.size < end + length) {
		out->sort = RTSP_UNIT_MORE;
		return;
	}
	out->head = rest;
	out->body = torap_bytes(in.data + end, length);
	out->size += end + length;
}

void rtsp_unit_take(struct rtsp_unit *out, struct torap_bytes in)
{
	*out = (struct rtsp_unit){ .sort = RTSP_UNIT_MORE };
	while (in.size && (*in.data == '\r' || *in.data == '\n')) {
		in = torap_bytes(in.data + 1, in.size - 1);
		out->size++;
	}
	if (!in.size)
		return;
	if (*in.data == '$')
		take_packet(out, in);
	else
		take_message(out, in);
}
