/* waiting.h: observations that wait for their verdict, found by their id.
 *
 * A ring of slots: an id leads to its slot by its remainder.  Ids whose slot is still taken are skipped, so they rise but need not
 * follow each other, and a verdict that never comes costs one slot until it is given up. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/kit/kit.h"
#include "base/time.h"

struct kit_slot {
	uint64_t id; /* 0: free */
	struct kit_tag tag;
	struct torap_mono since;
};

struct kit_waiting {
	struct kit_slot *slots; /* owned */
	unsigned room, count;
	uint64_t next_id;
};

/* 0 or -ENOMEM. */
int kit_waiting_init(struct kit_waiting *w, unsigned room);
void kit_waiting_finish(struct kit_waiting *w);
/* The new id; 0: no room. */
uint64_t kit_waiting_add(struct kit_waiting *w, struct kit_tag tag, struct torap_mono now);
/* Takes it out.  False: no such id waits. */
bool kit_waiting_take(struct kit_waiting *w, uint64_t id, struct kit_tag *tag);
/* Takes out any one that has waited since `before` or longer.  *from is where to go on searching; begin with 0. */
bool kit_waiting_take_old(
	struct kit_waiting *w, struct torap_mono before, unsigned *from, struct kit_tag *tag);
