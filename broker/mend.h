/* mend.h: what this broker lacks of its streams, and getting it again from their writers.
 *
 * A batch of which frames are damaged or were not held where it came from, or whose manifest cannot be read, is a hole of its stream
 * (link/holes.h): found when a feed reads it, when it comes, or by the scan.  Holes are told to the stream's writer in its welcome and in
 * acknowledgements; the batch that comes again is verified like any other and merged, and feeds that are past it get it once more.
 * Each hole is said once, in the log and as an event, at most a line a second for all that was found. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct broker;
struct broker_stream;
struct torap_batch;

/* What was found and mended since it was last told of. */
struct broker_mend {
	unsigned found, mended;
	const struct broker_stream *found_in, *mended_in; /* the last one */
	uint64_t found_batch, mended_batch;
};

/* Known already, it counts for nothing. */
void broker_mend_found(struct broker *b, struct broker_stream *stream, uint64_t batch_no);
/* A batch that was admitted came again, and its number is a hole: takes it, and merges it.  0 or -ENOMEM. */
int broker_mend_take(struct broker *b, struct broker_stream *stream, struct torap_batch **take);
/* Once a second: tells what was found and mended, and asks writers for what is due. */
void broker_mend_tick(struct broker *b, struct torap_mono now);
