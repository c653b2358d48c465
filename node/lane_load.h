/* lane_load.h: what a lane finds on the disk when it is opened.  Private to the batcher. */
#pragma once

#include <stdint.h>

#include "wire/stream.h"

struct node_lane;
struct torap_error;
struct torap_writer;

/* The lane's streams and its unsealed events.  A new journal gets its incarnation here, flushed before it is used. */
int node_lane_load(struct node_lane *l, struct torap_error *err);

uint64_t node_lane_random(void);
/* From the next start on this is the lane's current stream. */
void node_lane_write_incarnation(const struct torap_stream_id *id, struct torap_writer *writes);
