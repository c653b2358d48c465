/* give_up.h: best-effort brokers that are too far behind: the journal keeps nothing for them any more.
 *
 * One is given up when the oldest batch that it lacks is older than its `lag_max`; or when the journal is filled to the bulk mark and
 * nothing else is left to give, if there is a required broker.  From then on frames go as if it were not configured; it gets manifests
 * without them (reason: expired), and what is still there.  When it has caught up it counts again.  Both are said: log, a link_lost event
 * that starts and ends (also over a restart), status and metrics. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/event.h"

struct node_batcher;
struct node_give_up;
struct node_uplink;
struct torap_error;
struct torap_kv;

struct node_give_up_options {
	struct node_batcher *batcher;
	struct torap_kv *kv;
	struct node_uplink *const *uplinks;
	const size_t *uplinks_count;
	uint32_t region;
};

/* Reads who was given up.  Blocks; before the loop runs, after the uplinks were opened. */
int node_give_up_create(
	struct node_give_up **out, const struct node_give_up_options *options, struct torap_error *err);
/* After the batcher.  Accepts NULL, returns NULL. */
struct node_give_up *node_give_up_destroy(struct node_give_up *g);
/* Every 100 ms.  exhausted: room is wanted, and nothing gives any (node_retention_exhausted()).  steady: the clock has not jumped, so that
 * a lag in seconds can be believed. */
void node_give_up_tick(struct node_give_up *g, bool exhausted, bool steady, struct node_now now);
