/* buffer.h: bytes that many hold and nobody changes: a frame on its way to a hundred subscribers.
 *
 * References may be taken and dropped on any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct torap_buffer {
	size_t size;
	uint8_t *data; /* the creator fills it before it shows the buffer to anyone else */
	/* private */
	void (*release)(void *hint);
	void *hint;
	_Atomic unsigned refs;
};

/* Room for `size` bytes, one reference.  NULL when memory ran out. */
struct torap_buffer *torap_buffer_create(size_t size);
struct torap_buffer *torap_buffer_copy(struct torap_bytes bytes);
/* Holds foreign memory (a ZeroMQ message, say); release(hint) runs when the last reference goes. */
struct torap_buffer *torap_buffer_wrap(void *data, size_t size, void (*release)(void *hint), void *hint);

struct torap_buffer *torap_buffer_ref(struct torap_buffer *b); /* returns b */
/* Accepts NULL.  Returns NULL. */
struct torap_buffer *torap_buffer_unref(struct torap_buffer *b);

static inline struct torap_bytes torap_buffer_bytes(const struct torap_buffer *b)
{
	return torap_bytes(b->data, b->size);
}
