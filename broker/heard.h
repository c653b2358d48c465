/* heard.h: what one session with an upstream has brought of each stream, and what is owed to it for that.
 *
 * An acknowledgement names a batch that this upstream sent and that is on the disk: this broker may be ahead of it by another source, and
 * may not tell it of batches that it does not have.  A batch that was passed over (it begins beyond what is here, or is signed by a
 * key that is not known here) is acknowledged when all before it is on the disk: it is not wanted from this session, and must not
 * stand in its window.
 *
 * Pure: no I/O, no clock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/message.h"

struct broker_streams;

struct broker_heard_stream {
	struct torap_stream_id id;
	struct torap_position got; /* after the newest batch that came; next_batch 0: none yet */
	/* What came in this session, and went to the disk or was passed over, ended before this batch; 0: nothing did.  What was passed
	 * over never comes to the disk, so that nothing behind it says how far this source came (source.h). */
	uint64_t submitted;
	uint64_t to_flush;   /* what came and was not passed over ended before this batch */
	uint64_t acked;      /* next_batch of the last acknowledgement */
	bool over;           /* the newest batch was passed over… */
	bool over_told;      /* …and the log knows */
	bool again;          /* an older batch came again: it stands in the window, too */
	bool due;            /* in the list */
	uint64_t over_trust; /* version of the trust file when passing over began */
	struct broker_heard_stream *next_due;
};

struct broker_heard {
	struct broker_heard_stream **list; /* by rising id */
	size_t count, room;
	struct broker_heard_stream *due;
};

void broker_heard_clear(struct broker_heard *h);
/* NULL: it was not heard of. */
struct broker_heard_stream *broker_heard_find(const struct broker_heard *h, const struct torap_stream_id *id);
/* Made when it is new.  NULL: TORAP_STREAMS_MAX, or memory ran out. */
struct broker_heard_stream *broker_heard_add(struct broker_heard *h, const struct torap_stream_id *id);
/* A batch came. */
void broker_heard_batch(struct broker_heard *h, struct broker_heard_stream *s, const struct torap_manifest *m,
	bool passed_over);
/* The stream moved on the disk. */
void broker_heard_owe(struct broker_heard *h, const struct torap_stream_id *id);
/* Fills what is to be acknowledged now, at most `room`; what is not on the disk yet stays away until it is owed again. */
size_t broker_heard_acks(struct broker_heard *h, struct broker_streams *streams,
	struct torap_stream_position *out, size_t room);
