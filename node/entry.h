/* entry.h: something that nobody may hear of before it is on stable storage: an event, rows of tables, or both.
 *
 * Whoever wants to know embeds it, fills it, and gives it to the batcher (batcher.h); `done` gives it back. */
#pragma once

#include "base/bytes.h"

struct node_event;

enum node_entry_result {
	NODE_ENTRY_DURABLE, /* flushed; what it was numbered never changes */
	NODE_ENTRY_FULL,    /* the disk is full; nothing of it was kept, nobody has seen its number */
	NODE_ENTRY_TOO_BIG, /* the event breaks a limit of its own; nothing of it was kept */
};

struct node_entry {
	struct node_event *event;   /* owned by the batcher from then on; NULL: rows only */
	uint64_t seq;               /* of the event, once it is durable */
	struct torap_writer writes; /* writes.h; freed by the batcher before `done` */
	/* On the loop, in the order of the lane.  The memory is the embedder's again. */
	void (*done)(struct node_entry *entry, enum node_entry_result result);
	struct node_entry *next; /* private to the batcher until `done` */
};
