/* sealed.h: a sealed batch in memory, shared by all that will send it; and the most recent ones of a lane.
 *
 * Live batches are sent from here; whoever is further behind reads the journal.  Loop thread only. */
#pragma once

#include <stdint.h>

#include "node/stream.h"
#include "wire/batch.h"

struct node_sealed {
	unsigned refs;
	struct torap_batch *batch; /* owned */
	size_t bytes;              /* what it costs of a window */
	struct node_mark mark;     /* up to and including it */
	struct node_sealed *next;  /* while a job or a replay holds it in a list */
};

/* Takes the batch over, also on failure (NULL: memory ran out).  `before` is the mark of the batch before. */
struct node_sealed *node_sealed_create(struct torap_batch **take, const struct node_mark *before);
/* The same for one that was read back, with the mark that was written with it. */
struct node_sealed *node_sealed_restore(struct torap_batch **take, const struct node_mark *mark);
struct node_sealed *node_sealed_ref(struct node_sealed *s);
struct node_sealed *node_sealed_unref(struct node_sealed *s); /* accepts NULL, returns NULL */
void node_sealed_unref_list(struct node_sealed *first);

enum {
	NODE_RECENT_BATCHES = 256,
	NODE_RECENT_BYTES = 4 << 20 /* of three lanes 12 MiB: a fifth of the node's budget */
};

struct node_recent {
	struct node_sealed *ring[NODE_RECENT_BATCHES];
	unsigned first, count;
	size_t bytes;
};

/* Takes a reference; lets go of the oldest beyond the limits, but never of the newest. */
void node_recent_push(struct node_recent *r, struct node_sealed *s);
/* NULL: not held.  The reference stays the ring's. */
struct node_sealed *node_recent_find(
	const struct node_recent *r, const struct torap_stream_id *stream, uint64_t batch_no);
/* Lets go of those that were sealed before this time. */
void node_recent_forget(struct node_recent *r, struct torap_wall before);
void node_recent_finish(struct node_recent *r);
