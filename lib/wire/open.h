/* open.h: the events of a verified batch, one by one, in order of their numbers. */
#pragma once

#include <stdint.h>

#include "wire/batch.h"

struct torap_error;

struct torap_opened {
	uint64_t seq;
	const struct torap_group *group;      /* its class */
	const Torap__EventOpen *open;         /* NULL: the frame was left out */
	const Torap__EventPersonal *personal; /* NULL: there is none, or the frame was left out */
	const Torap__EventImage *image;
};

/* Calls `each` for every event of which a part is there, by rising seq.  All memory is the callee's until it returns.  `each` returns
 * 0 to go on.  Frames that cannot be decompressed, whose messages do not add up to the group's count, that repeat or pass the batch's offsets,
 * or that cannot be decoded give -EBADMSG, before any event was shown. */
int torap_batch_open(const struct torap_batch *b, int (*each)(void *hint, const struct torap_opened *event),
	void *hint, struct torap_error *err);
