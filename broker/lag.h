/* lag.h: how far somebody is behind, in batches, events, bytes and seconds.
 *
 * Of who reads here: exact in events and seconds, from memory or else from the store; in bytes, too, unless more than
 * BROKER_LAG_SAMPLES batches are out of memory, of which that many are looked at (fewer when the page has used up broker.lag_reads).
 * What was found is kept, for it holds until the reader moves: only one who moved and is out of memory costs a read.
 * Of ourselves behind a writer: by its newest head, which does not say bytes; they are in proportion to what came so far. */
#pragma once

#include <stdint.h>

#include "base/time.h"

struct broker;
struct broker_stream;

enum { BROKER_LAG_SAMPLES = 64, BROKER_LAG_READS = 1024 };

struct broker_lag {
	uint64_t batches, events, bytes; /* bytes uncut: manifests and all frames */
	double seconds; /* since the oldest batch that is missing came in here; or was said to be */
};

/* What is known of the first batch that a reader lacks.  All zero: nothing yet. */
struct broker_lag_begin {
	uint64_t batch_no, seq;
	struct torap_wall received_at;
	int64_t bytes_before; /* of its stream's `bytes`, as if that had counted from before the process started */
};

/* Adds what is here of the stream after batch `acked`. */
void broker_lag_behind(struct broker_lag *sum, struct broker *b, const struct broker_stream *s,
	uint64_t acked, struct broker_lag_begin *begin, struct torap_wall now);
/* Adds what the stream's newest head says and is not here. */
void broker_lag_ahead(struct broker_lag *sum, const struct broker_stream *s, struct torap_wall now);
