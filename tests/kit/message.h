/* message.h: a whole BATCH message, to be spoiled frame by frame.  For tests only: what cannot be done ends the process. */
#pragma once

#include "wire/batch.h"

enum {
	MESSAGE_MANIFEST = 1,
	MESSAGE_DIGESTS,
	MESSAGE_FIRST,
	MESSAGE_FRAMES_MAX = 20
}; /* MESSAGE_FIRST: of the parts' frames */

struct message {
	unsigned count;
	struct torap_buffer *frames[MESSAGE_FRAMES_MAX]; /* the envelope first; each a reference */
};

struct message message_of(const struct torap_batch *b);
void message_finish(struct message *m);
/* Takes over the reference. */
void message_replace(struct message *m, unsigned frame, struct torap_buffer *by);
/* Cuts the frame, or makes it longer by zeros. */
void message_resize(struct message *m, unsigned frame, size_t size);
/* Flips the lowest bit of a byte that `at`, which lies in the frame, points to. */
void message_flip(struct message *m, unsigned frame, const uint8_t *at);
