/* talk.h: who the agent is talking with: a session and the way back to its panel, found by a number.
 *
 * The number goes to the node and comes back with the verdict, perhaps long after the panel has hung up: it names a slot and how
 * often the slot was used, so that a verdict never reaches a stranger. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/dc09/session.h"

struct dc09_talk;

struct dc09_talk_way {
	void (*send)(struct dc09_talk *t, struct torap_bytes reply);
	/* The session has taken in a verdict or the time: read on, or close. */
	void (*after)(struct dc09_talk *t);
};

struct dc09_talk { /* embedded in a connection or a datagram */
	const struct dc09_talk_way *way;
	struct dc09_session session;
	uint64_t number; /* 0: not in the table */
};

struct dc09_talks {
	struct dc09_talk_slot {
		struct dc09_talk *talk; /* NULL: free */
		uint32_t used;
		uint32_t next_free;
	} * slots; /* owned */
	uint32_t room, count, free;
};

/* 0 or -ENOMEM. */
int dc09_talks_init(struct dc09_talks *t, uint32_t room);
void dc09_talks_finish(struct dc09_talks *t);
/* False: full. */
bool dc09_talks_add(struct dc09_talks *t, struct dc09_talk *talk);
void dc09_talks_remove(struct dc09_talks *t, struct dc09_talk *talk);
/* NULL: it is over. */
struct dc09_talk *dc09_talks_find(const struct dc09_talks *t, uint64_t number);
