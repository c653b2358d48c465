/* bytes.h: a view of bytes, a reader with a sticky error, a writer that grows, and hexadecimal.
 *
 * A reader remembers its first failure and gives zeros from then on, so a decoder is a straight list that is checked once, at
 * the end.  A writer remembers that memory ran out in the same way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct torap_bytes {
	const uint8_t *data; /* borrowed */
	size_t size;
};

struct torap_reader {
	const uint8_t *at, *end;
	bool failed;
};

struct torap_writer {
	uint8_t *data; /* owned; NULL while empty */
	size_t size, room;
	bool failed;
};

static inline struct torap_bytes torap_bytes(const void *data, size_t size)
{
	return (struct torap_bytes){ data, size };
}

/* memcpy() of what is nearly always short: names, codes, numbers in digits. */
static inline void torap_copy_short(void *to, const void *from, size_t size)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	if (size > 16) {
		memcpy(t, f, size);
	} else if (size >= 8) { /* its first eight bytes and its last, which may be partly the same */
		memcpy(t, f, 8);
		memcpy(t + size - 8, f + size - 8, 8);
	} else if (size >= 4) {
		memcpy(t, f, 4);
		memcpy(t + size - 4, f + size - 4, 4);
	} else {
		for (size_t i = 0; i < size; i++)
			t[i] = f[i];
	}
}

bool torap_bytes_equal(struct torap_bytes a, struct torap_bytes b);

/* Fixed numbers are big endian: keys then sort by number. */
struct torap_reader torap_reader(struct torap_bytes bytes);
uint8_t torap_read_u8(struct torap_reader *r);
uint32_t torap_read_u32(struct torap_reader *r);
uint64_t torap_read_u64(struct torap_reader *r);
uint64_t torap_read_varint(struct torap_reader *r);                       /* base 128, as in protobuf */
struct torap_bytes torap_read_bytes(struct torap_reader *r, size_t size); /* borrowed from the input */
bool torap_read_end(const struct torap_reader *r); /* true: no failure, and nothing left over */

void torap_write_u8(struct torap_writer *w, uint8_t value);
void torap_write_u32(struct torap_writer *w, uint32_t value);
void torap_write_u64(struct torap_writer *w, uint64_t value);
void torap_write_varint(struct torap_writer *w, uint64_t value);
void torap_write_bytes(struct torap_writer *w, struct torap_bytes bytes);
/* Room for `size` further bytes, to be filled by the caller; counts as written.  NULL when memory ran out. */
uint8_t *torap_write_room(struct torap_writer *w, size_t size);
void torap_writer_finish(struct torap_writer *w); /* frees; w is empty again */

int torap_hex_value(uint8_t c); /* of a digit of either case; -1: it is none */
/* Lower case; text has room for 2 * size + 1.  Returns text. */
char *torap_hex(char *text, struct torap_bytes bytes);
/* Reads exactly 2 * size digits of either case; false when text is anything else. */
bool torap_unhex(void *out, size_t size, const char *text);
