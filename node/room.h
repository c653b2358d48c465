/* room.h: how full the journal is, and whose observations are not taken for it.  Pure.
 *
 *     below the bulk mark      everything is taken
 *     from the bulk mark on    bulk is refused as busy, and what every broker has may go (retention.h)
 *     from the normal mark on  normal, too
 *     full                     alarms are refused aloud, for nothing else is left to give
 *
 * A mark that was reached holds until the use is NODE_ROOM_BACK percent points below it, so that a journal at the brink does not
 * change its mind ten times a second.  Between two looks the store itself keeps the marks (kv.h, torap_kv_limit()).
 * The most is journal_size, or what the file system can give if that is less (torap_kv_size()). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/taxonomy.h"

enum {
	NODE_ROOM_BULK_PERCENT = 70, /* of the journal's size, unless the configuration says otherwise */
	NODE_ROOM_NORMAL_PERCENT = 80,
	NODE_ROOM_BACK = 2,
	NODE_ROOM_EASE = 10, /* so far below the bulk mark what every broker has may stay again */
};

struct node_room {
	unsigned percent[TORAP_LANES]; /* by lane; 0: it has no mark */
	uint64_t used_bytes, most_bytes;
	bool sheds[TORAP_LANES];
	bool pressed; /* what can go shall go */
};

void node_room_init(struct node_room *r, unsigned bulk_percent, unsigned normal_percent);
/* Where the store itself refuses the lane: a point above its mark, so that a look sees the mark reached.  0: nowhere. */
unsigned node_room_limit(const struct node_room *r, uint32_t lane);
/* Several times a second.  True: what is taken has changed. */
bool node_room_look(struct node_room *r, uint64_t used_bytes, uint64_t most_bytes);
