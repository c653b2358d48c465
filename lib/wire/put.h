/* put.h: a protobuf message written at once, field by field, into room that the caller has.
 *
 * protobuf-c wants structs first, measures them, and walks over its descriptors twice.  For messages of proto3, so what is 0 or empty is left
 * out; fields are numbered below 16, so that a tag is one byte. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

struct torap_put {
	uint8_t *at, *end;
	bool full; /* something found no room; what is there is worth nothing */
};

enum {
	TORAP_PUT_SPARE = 11
}; /* tag and varint of any size: so much room a field must see, beside what it carries */

static inline bool torap_put_fits(struct torap_put *p, size_t size)
{
	size_t room = (size_t)(p->end - p->at);
	if (room >= TORAP_PUT_SPARE && room - TORAP_PUT_SPARE >= size)
		return true;
	p->full = true;
	return false;
}

/* Into room that is known to be there. */
static inline void torap_put_varint(struct torap_put *p, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*p->at++ = (uint8_t)value | 0x80;
	*p->at++ = (uint8_t)value;
}

static inline void torap_put_number(struct torap_put *p, unsigned field, uint64_t value)
{
	if (!value || !torap_put_fits(p, 0))
		return;
	*p->at++ = (uint8_t)(field << 3);
	torap_put_varint(p, value);
}

static inline void torap_put_double(struct torap_put *p, unsigned field, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	if (value == 0.0 || !torap_put_fits(p, 0))
		return;
	*p->at++ = (uint8_t)(field << 3 | 1);
	for (unsigned i = 0; i < 64; i += 8)
		*p->at++ = (uint8_t)(bits >> i);
}

static inline void torap_put_bytes(struct torap_put *p, unsigned field, const void *data, size_t size)
{
	if (!size || !torap_put_fits(p, size))
		return;
	*p->at++ = (uint8_t)(field << 3 | 2);
	torap_put_varint(p, size);
	torap_copy_short(p->at, data, size);
	p->at += size;
}

/* NULL is an empty one. */
static inline void torap_put_text(struct torap_put *p, unsigned field, const char *text)
{
	if (text)
		torap_put_bytes(p, field, text, strlen(text));
}

/* A message in a field: what is put from now on, until it is closed with what this returns. */
static inline uint8_t *torap_put_open(struct torap_put *p, unsigned field)
{
	if (!torap_put_fits(p, 0))
		return NULL;
	*p->at++ = (uint8_t)(field << 3 | 2);
	return p->at++; /* where its length goes: nearly all are below 128 bytes */
}

static inline void torap_put_close(struct torap_put *p, uint8_t *length)
{
	if (p->full)
		return;
	const size_t size = (size_t)(p->at - length) - 1;
	size_t more = 0;
	for (size_t rest = size >> 7; rest; rest >>= 7)
		more++;
	if (more > (size_t)(p->end - p->at)) {
		p->full = true;
		return;
	}
	if (more)
		memmove(length + 1 + more, length + 1, size);
	p->at = length;
	torap_put_varint(p, size);
	p->at += size;
}
