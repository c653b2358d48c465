#include "base/buffer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct torap_buffer *torap_buffer_create(size_t size)
{
	struct torap_buffer *b = malloc(sizeof *b + size);
	if (!b)
		return NULL;
	b->size = size;
	b->data = (uint8_t *)(b + 1);
	b->release = NULL;
	b->hint = NULL;
	atomic_init(&b->refs, 1);
	return b;
}

struct torap_buffer *torap_buffer_copy(struct torap_bytes bytes)
{
	struct torap_buffer *b = torap_buffer_create(bytes.size);
	if (b && bytes.size)
		memcpy(b->data, bytes.data, bytes.size);
	return b;
}

struct torap_buffer *torap_buffer_wrap(void *data, size_t size, void (*release)(void *hint), void *hint)
{
	struct torap_buffer *b = torap_buffer_create(0);
	if (!b)
		return NULL;
	b->size = size;
	b->data = data;
	b->release = release;
	b->hint = hint;
	return b;
}

struct torap_buffer *torap_buffer_ref(struct torap_buffer *b)
{
	unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	assert(before > 0);
	(void)before;
	return b;
}

struct torap_buffer *torap_buffer_unref(struct torap_buffer *b)
{
	if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
		if (b->release)
			b->release(b->hint);
		free(b);
	}
	return NULL;
}
