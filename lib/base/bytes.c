#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

bool torap_bytes_equal(struct torap_bytes a, struct torap_bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

struct torap_reader torap_reader(struct torap_bytes bytes)
{
	return (struct torap_reader){ bytes.data, bytes.data + bytes.size, false };
}

struct torap_bytes torap_read_bytes(struct torap_reader *r, size_t size)
{
	if (r->failed || (size_t)(r->end - r->at) < size) {
		r->failed = true;
		return torap_bytes(NULL, 0);
	}
	const uint8_t *at = r->at;
	r->at += size;
	return torap_bytes(at, size);
}

static uint64_t read_fixed(struct torap_reader *r, size_t size)
{
	struct torap_bytes b = torap_read_bytes(r, size);
	uint64_t value = 0;
	for (size_t i = 0; i < b.size; i++)
		value = value << 8 | b.data[i];
	return value;
}

uint8_t torap_read_u8(struct torap_reader *r)
{
	return (uint8_t)read_fixed(r, 1);
}

uint32_t torap_read_u32(struct torap_reader *r)
{
	return (uint32_t)read_fixed(r, 4);
}

uint64_t torap_read_u64(struct torap_reader *r)
{
	return read_fixed(r, 8);
}

uint64_t torap_read_varint(struct torap_reader *r)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (r->failed || r->at == r->end)
			break;
		uint8_t byte = *r->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	r->failed = true;
	return 0;
}

bool torap_read_end(const struct torap_reader *r)
{
	return !r->failed && r->at == r->end;
}

uint8_t *torap_write_room(struct torap_writer *w, size_t size)
{
	if (w->failed)
		return NULL;
	if (w->room - w->size < size) {
		size_t room = w->room ? w->room : 64;
		while (room - w->size < size)
			room *= 2;
		uint8_t *data = realloc(w->data, room);
		if (!data) {
			w->failed = true;
			return NULL;
		}
		w->data = data;
		w->room = room;
	}
	uint8_t *at = w->data + w->size;
	w->size += size;
	return at;
}

static void write_fixed(struct torap_writer *w, uint64_t value, size_t size)
{
	uint8_t *at = torap_write_room(w, size);
	for (size_t i = size; at && i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
}

void torap_write_u8(struct torap_writer *w, uint8_t value)
{
	write_fixed(w, value, 1);
}

void torap_write_u32(struct torap_writer *w, uint32_t value)
{
	write_fixed(w, value, 4);
}

void torap_write_u64(struct torap_writer *w, uint64_t value)
{
	write_fixed(w, value, 8);
}

void torap_write_varint(struct torap_writer *w, uint64_t value)
{
	while (value >= 0x80) {
		torap_write_u8(w, (uint8_t)(value | 0x80));
		value >>= 7;
	}
	torap_write_u8(w, (uint8_t)value);
}

void torap_write_bytes(struct torap_writer *w, struct torap_bytes bytes)
{
	if (bytes.size == 0)
		return;
	uint8_t *at = torap_write_room(w, bytes.size);
	if (at)
		memcpy(at, bytes.data, bytes.size);
}

void torap_writer_finish(struct torap_writer *w)
{
	free(w->data);
	*w = (struct torap_writer){ 0 };
}

char *torap_hex(char *text, struct torap_bytes bytes)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < bytes.size; i++) {
		text[2 * i] = digits[bytes.data[i] >> 4];
		text[2 * i + 1] = digits[bytes.data[i] & 15];
	}
	text[2 * bytes.size] = '\0';
	return text;
}

int torap_hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool torap_unhex(void *out, size_t size, const char *text)
{
	uint8_t *bytes = out;
	for (size_t i = 0; i < size; i++) {
		int high = torap_hex_value((uint8_t)text[2 * i]);
		int low = high < 0 ? -1 : torap_hex_value((uint8_t)text[2 * i + 1]);
		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return text[2 * size] == '\0';
}
