#include "kit/message.h"

#include <stdlib.h>
#include <string.h>

#include "wire/envelope.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct message message_of(const struct torap_batch *b)
{
	struct torap_buffer *frames[TORAP_BATCH_MESSAGE_MAX];
	struct message m = { .count = torap_batch_to_frames(frames, b) };
	check(m.count && m.count <= MESSAGE_FRAMES_MAX);
	m.frames[0] = frames[0];
	for (unsigned i = 1; i < m.count; i++)
		m.frames[i] = frames[i] ? torap_buffer_ref(frames[i]) : torap_buffer_create(0);
	return m;
}

void message_finish(struct message *m)
{
	for (unsigned i = 0; i < m->count; i++)
		torap_buffer_unref(m->frames[i]);
	m->count = 0;
}

void message_replace(struct message *m, unsigned frame, struct torap_buffer *by)
{
	check(by && frame < m->count);
	torap_buffer_unref(m->frames[frame]);
	m->frames[frame] = by;
}

void message_resize(struct message *m, unsigned frame, size_t size)
{
	struct torap_buffer *b = torap_buffer_create(size);
	size_t old = m->frames[frame]->size;
	check(b);
	memset(b->data, 0, size);
	memcpy(b->data, m->frames[frame]->data, old < size ? old : size);
	message_replace(m, frame, b);
}

void message_flip(struct message *m, unsigned frame, const uint8_t *at)
{
	size_t offset = (size_t)(at - m->frames[frame]->data);
	check(offset < m->frames[frame]->size);
	message_replace(m, frame, torap_buffer_copy(torap_buffer_bytes(m->frames[frame])));
	m->frames[frame]->data[offset] ^= 1;
}
