/* entry.h: something that nobody may hear of before it is on stable storage: an event, rows of tables, or both.
 *
 * Whoever wants to know embeds it, fills it, and gives it to the batcher (batcher.h); `done` gives it back. */
#pragma once

#include "base/bytes.h"

struct node_event;

enum { NODE_ENTRY_PLACE_SIZE = 1 + 8 + 8 };

enum node_entry_result {
	NODE_ENTRY_DURABLE, /* flushed; what it was numbered never changes */
	NODE_ENTRY_FULL,    /* the disk is full; nothing of it was kept, nobody has seen its number */
	NODE_ENTRY_TOO_BIG, /* the event breaks a limit of its own; nothing of it was kept */
};

struct node_entry {
	struct node_event *event;   /* owned by the batcher from then on; NULL: rows only */
	uint64_t seq;               /* of the event, once it is durable */
	struct torap_writer writes; /* writes.h; freed by the batcher before `done` */
	/* Where in the writes the event's place is filled in once it has one, each time that it is numbered: lane (u8), incarnation and
	 * number (u64).  0: nowhere. */
	size_t place_at;
	/* On the loop, in the order of the lane.  The memory is the embedder's again. */
	void (*done)(struct node_entry *entry, enum node_entry_result result);
	struct node_entry *next; /* private to the batcher until `done` */
};
