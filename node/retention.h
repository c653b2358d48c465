/* retention.h: gives room in the journal back: deletes frames, never manifests, and tells of it.
 *
 *     at_most    the law: whether or not a broker has them
 *     expired    their rule's `keep` is over, and every required broker has acknowledged their batch
 *     delivered  no rule keeps them, and every configured broker has that is not given up (give_up.h): after the configuration's `keep`, or, without one, when the
 *                journal is full to the bulk mark: of the bulk lane first, then normal, then critical
 *
 * What a broker has not had when it goes, it gets as a manifest without frames. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "node/event.h"
#include "store/sweeper.h"

struct node_batcher;
struct node_retention;
struct node_room;
struct node_uplink;
struct torap_trust;

/* Of a `keep` in the configuration. */
#define NODE_KEEP_WHILE_ROOM 0
#define NODE_KEEP_FOR_EVER   INT64_MAX

struct node_retention_options {
	struct torap_kv *kv;
	struct torap_committer *committer;
	struct node_batcher *batcher;
	const struct node_room *room;
	struct node_uplink *const *uplinks;
	const size_t *uplinks_count;
	uint32_t region; /* of its events */
	int64_t keep_us; /* of what no rule keeps; see above */
};

/* Blocks; before the loop runs. */
int node_retention_create(struct node_retention **out, const struct node_retention_options *options,
	struct node_now now, struct torap_error *err);
/* After committer and batcher.  Accepts NULL, returns NULL. */
struct node_retention *node_retention_destroy(struct node_retention *r);
/* A trust file is in force: takes a reference. */
void node_retention_rules(struct node_retention *r, struct torap_trust *trust);
void node_retention_stop(struct node_retention *r);
void node_retention_tick(struct node_retention *r, struct node_now now); /* every 100 ms */
/* Room is wanted, and a whole sweep found nothing that could go. */
bool node_retention_exhausted(const struct node_retention *r);
struct torap_sweeper_counts node_retention_counts(const struct node_retention *r);

/* The sweep's rules for this trust file; its hint is the struct node_keeping, which must stay. */
struct node_keeping {
	struct torap_trust *trust; /* a reference */
	int64_t keep_us;
};
void node_keeping_rules(struct torap_sweep_rules *out, const struct node_keeping *keeping);
