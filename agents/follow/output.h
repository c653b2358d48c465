/* output.h: what was received, as lines: into a file exactly once, or to a descriptor after the flush.
 *
 * An output has no queue: it follows the store.  Woken, it reads on a worker thread what has been flushed and not written yet,
 * critical streams first, renders it, writes it, and then commits how far it came.  So a slow reader holds nothing in memory,
 * and a restart goes on where the last one stopped.
 *
 * A file: the lines are appended and flushed, then the file's new length is committed together with the positions of what is in
 * it.  At open the file is cut to the committed length, so whatever was killed in between, each event is in it once.
 * Without room it keeps its chunk and tries again once a second.
 * A descriptor: positions are committed once a second and at close.  After a kill the lines of the last second come again. */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "wire/open.h"

struct torap_committer;
struct torap_error;
struct torap_kv;
struct follow_output;

struct follow_output_options {
	const char *file; /* NULL: `descriptor` */
	int descriptor;
	uint64_t count_max; /* events, then on_end; 0: no end */
	/* Appends the line of an event.  On a worker thread. */
	void (*render)(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
		struct torap_writer *line);
	/* On the loop: count_max was reached (why is NULL), or writing failed, not for want of room, and nothing more will be written. */
	void (*on_end)(void *hint, const char *why);
	void *hint;
};

int follow_output_open(struct follow_output **out, uv_loop_t *loop, struct torap_kv *kv,
	struct torap_committer *committer, const struct follow_output_options *options,
	struct torap_error *err);
/* Something was flushed. */
void follow_output_wake(struct follow_output *o);
/* Hands its last positions to the committer before on_closed.  Accepts NULL.  The committer must be running, and collected. */
void follow_output_close(struct follow_output *o, void (*on_closed)(void *hint), void *hint);

enum follow_output_want {
	FOLLOW_OUTPUT_WANTS_NOTHING,
	FOLLOW_OUTPUT_WANTS_STORE, /* room in the directory, for its positions */
	FOLLOW_OUTPUT_WANTS_DISK,  /* room where it writes */
};
enum follow_output_want follow_output_want(const struct follow_output *o);
/* A text for it, while it wants room where it writes. */
const char *follow_output_why(const struct follow_output *o);

uint64_t follow_output_events(const struct follow_output *o); /* written since open */
