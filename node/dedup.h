/* dedup.h: was this observation told before?
 *
 * A repeat key covers what makes two tellings one thing (proto/observation.proto).  A dated key holds for 24 h, an undated one for
 * 60 s, counted from local receipt.  Keys stand in memory and, in the same commit as the event, in the table `repeats`.
 *
 * A key is pending until its event is durable; a repeat that comes meanwhile waits with it and gets the
 * original's answer.  Bounded: beyond NODE_DEDUP_MAX the oldest are forgotten, and counted.  What has expired is let go in
 * bounded steps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/time.h"

struct torap_error;
struct torap_kv;
struct torap_writer;
struct node_dedup;

enum {
	NODE_DEDUP_MAX = 4 << 20,
	NODE_DEDUP_KEY_SIZE = 16,
	NODE_DEDUP_STEP = 4096, /* rows that one step deletes at most */
};
#define NODE_DEDUP_DATED_US   (24 * 3600 * (int64_t)TORAP_US_PER_S)
#define NODE_DEDUP_UNDATED_US (60 * (int64_t)TORAP_US_PER_S)

struct node_dedup_key {
	uint8_t bytes[NODE_DEDUP_KEY_SIZE];
};

/* `most` is NODE_DEDUP_MAX except in tests. */
int node_dedup_create(struct node_dedup **out, size_t most, struct torap_error *err);
struct node_dedup *node_dedup_destroy(struct node_dedup *d); /* accepts NULL, returns NULL */
/* Blocks; before the loop runs. */
int node_dedup_load(
	struct node_dedup *d, struct torap_kv *kv, struct torap_wall now, struct torap_error *err);

void node_dedup_key_make(
	struct node_dedup_key *out, const char *protocol, const char *address, struct torap_bytes repeat_key);

enum node_dedup_answer {
	NODE_DEDUP_NEW,     /* not there, or expired */
	NODE_DEDUP_DURABLE, /* a repeat of what is durable */
	NODE_DEDUP_PENDING, /* a repeat of what is not durable yet: *original is what node_dedup_add() was given */
};
enum node_dedup_answer node_dedup_find(
	const struct node_dedup *d, const struct node_dedup_key *key, struct torap_wall now, void **original);

/* Remembers a NEW key as pending and records its row.  *place is for node_dedup_settle().  0 or -ENOMEM. */
int node_dedup_add(struct node_dedup *d, const struct node_dedup_key *key, bool dated, struct torap_wall now,
	void *original, struct torap_writer *writes, uint32_t *place);
/* Its event is durable, or was not kept: then the key is forgotten. */
void node_dedup_settle(struct node_dedup *d, uint32_t place, bool durable);

/* Lets go of what has expired, and records the deletion of the rows; of those, too, of which an earlier deletion failed.  Returns how many
 * rows these are. */
size_t node_dedup_prune(struct node_dedup *d, struct torap_wall now, struct torap_writer *writes);
/* What was recorded for so many rows was not written. */
void node_dedup_prune_failed(struct node_dedup *d, size_t rows);

size_t node_dedup_count(const struct node_dedup *d);
uint64_t node_dedup_forgotten(const struct node_dedup *d); /* before their time, for want of room */
