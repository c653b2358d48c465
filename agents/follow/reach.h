/* reach.h: up to when a directory is known to be whole, for each lane of a writer.
 *
 * Only a writer can say that there is no more: by a head, signed at its moment.  A stream reaches up to its newest head when all that
 * the head names is here, else up to the last batch that is.  Of the streams that a writer had in a lane, one after the other, the last counts, unless one
 * of them lags.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/time.h"
#include "wire/stream.h"

struct follow_reach_lane {
	char writer[TORAP_WRITER_ID_MAX + 1];
	uint8_t lane;
	struct torap_wall until; /* by the writer's clock; 0: nothing of it is here */
	bool lags;
};

/* Starts as zeros. */
struct follow_reach {
	struct follow_reach_lane *
		list; /* first one for each stream; after sum() one for each lane of a writer, sorted by writer and lane */
	size_t count, room;
};

/* Each stream once.  False: out of memory. */
bool follow_reach_add(
	struct follow_reach *r, const struct torap_stream_id *stream, struct torap_wall until, bool lags);
void follow_reach_sum(struct follow_reach *r);
/* After sum().  NULL: no stream of the writer in that lane is known. */
const struct follow_reach_lane *follow_reach_find(
	const struct follow_reach *r, const char *writer, uint8_t lane);
void follow_reach_finish(struct follow_reach *r);
