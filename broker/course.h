/* course.h: what one feed gets next of one stream.
 *
 * There is no "replay mode" and no "live mode" that could leave a gap between them or overlap: a feed has one number, the next batch,
 * and deals with that one.  Is it in memory, it is taken from there; is it not, it must be read from the store first.  Catching up
 * and being live differ only in where the batch is found.
 *
 * Does no I/O, reads no clock, owns nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum broker_look {
	BROKER_LOOK_ABSENT, /* not in memory */
	BROKER_LOOK_QUIET,  /* holds nothing for the feed: its manifest goes out in a run */
	BROKER_LOOK_MATCH,  /* holds something for the feed */
};
/* *bytes: what it would cost to send it: of a quiet one its manifest, of a match all that is granted. */
typedef enum broker_look (*broker_course_look)(void *hint, uint64_t batch_no, size_t *bytes);

enum broker_step_what {
	BROKER_STEP_NONE,  /* nothing to do until there is more */
	BROKER_STEP_READ,  /* read from `from` on, from the store; then ask again */
	BROKER_STEP_RUN,   /* send the manifests from…to */
	BROKER_STEP_BATCH, /* send the batch `from` */
};
struct broker_step {
	enum broker_step_what what;
	uint64_t from, to;
	size_t bytes;
};

/* `next` is the feed's number, `last` the newest batch that is on stable storage.  Manifests of quiet batches wait for a match, for
 * the run to be full, or for `flush`.  Once a run or batch was sent the feed's number is step.to + 1. */
struct broker_step broker_course_step(
	uint64_t next, uint64_t last, bool flush, broker_course_look look, void *hint);
