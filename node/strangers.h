/* strangers.h: signs that this is not the only journal that ever wrote under the node's name.
 *
 * A broker's welcome names the streams that it has of us.  One that the journal does not know was written by a disk that is lost, by one
 * from which a backup was restored, or by a clone: a new_incarnation event tells of it, once for each stream, over restarts too.  A
 * session that is replaced by a newer one with the same key is one of somebody else: a clone runs now (log CLONED, an event an hour). */
#pragma once

#include <stdint.h>

#include "node/event.h"

struct node_batcher;
struct node_strangers;
struct torap_error;
struct torap_kv;
struct torap_stream_id;

struct node_strangers_options {
	struct node_batcher *batcher;
	struct torap_kv *kv;
	uint32_t region;
};

int node_strangers_create(
	struct node_strangers **out, const struct node_strangers_options *options, struct torap_error *err);
/* After the batcher.  Accepts NULL, returns NULL. */
struct node_strangers *node_strangers_destroy(struct node_strangers *s);

/* The broker has this stream of ours. */
void node_strangers_stream(struct node_strangers *s, const char *broker, const struct torap_stream_id *stream,
	struct node_now now);
/* The broker ended a session for a newer one. */
void node_strangers_replaced(struct node_strangers *s, const char *broker, struct node_now now);
uint64_t node_strangers_replaced_count(const struct node_strangers *s);
