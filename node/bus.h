/* bus.h: what the node says about itself, through its own batcher: node_up, canaries, new_incarnation, clock_off, shed.
 *
 * A canary in each lane, all the time: a lane that delivers none has stopped, whether or not there are alarms. */
#pragma once

#include "node/event.h"

struct node_batcher;
struct node_bus;
struct torap_error;
struct torap_kv;
struct torap_stream_id;

struct node_bus_options {
	struct node_batcher *batcher;
	struct torap_kv *kv;
	uint32_t region;
	int64_t canary_us;
	/* Observations of a lane refused for want of room so far: busy and disk full. */
	uint64_t (*shed)(void *hint, uint32_t lane);
	void *hint;
};

/* Reads whether the last process ended cleanly.  Blocks; before the loop runs. */
int node_bus_create(struct node_bus **out, const struct node_bus_options *options, struct torap_error *err);
struct node_bus *node_bus_destroy(struct node_bus *b); /* accepts NULL, returns NULL */

void node_bus_up(struct node_bus *b, struct node_now now);
/* Its event is tried until there is room for it, while the process lives.  `reason`: a text that stays. */
void node_bus_new_incarnation(struct node_bus *b, const char *broker, const struct torap_stream_id *old,
	const char *reason, struct node_now now);
/* Every 100 ms. */
void node_bus_tick(struct node_bus *b, struct node_now now);
/* The very last: everything else is flushed and the committer has stopped.  Blocks. */
int node_bus_write_clean(struct node_bus *b, struct torap_error *err);
