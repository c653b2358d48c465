/* mend.h: what is damaged in this broker's streams, and getting it again from whoever brings them: their writers and our upstreams.
 *
 * A batch of which frames are damaged, here or where it came from, or whose manifest cannot be read, is a hole of its stream
 * (link/holes.h): found when a feed reads it, when it comes, or by the scan.  What we were not given (NOT_HELD) is none: source.h has that.
 * Holes are told in welcomes, hellos and acknowledgements; the batch that comes again is verified like any other and merged, and feeds
 * that are past it get it once more.  Each hole is said once, in the log and as an event, at most a line a second for all that was found. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct broker;
struct broker_stream;
struct torap_stream_position;

/* What was found and mended since it was last told of. */
struct broker_mend {
	unsigned found, mended;
	const struct broker_stream *found_in, *mended_in; /* the last one */
	uint64_t found_batch, mended_batch;
};

/* Known already, it counts for nothing. */
void broker_mend_found(struct broker *b, struct broker_stream *stream, uint64_t batch_no);
/* Frames of a hole came again, and are on the disk. */
void broker_mend_merged(struct broker *b, struct broker_stream *stream, uint64_t batch_no);
/* Gives a position, `at` of which is set, the holes before it that are due; they are asked for with this.  Without memory it is later. */
void broker_mend_ask(struct torap_stream_position *p, struct broker_stream *stream);
/* The same of those whose turn it is with this source: 0 the writer, else an upstream from 1 on. */
void broker_mend_ask_in_turn(
	struct broker *b, struct torap_stream_position *p, struct broker_stream *stream, unsigned source);
/* Once a second: tells what was found and mended, and asks for what is due. */
void broker_mend_tick(struct broker *b, struct torap_mono now);
