/* holes.h: the batches of one stream of which frames are missing, and when to ask a peer for them (again).
 *
 * Who lacks frames asks in the `holes` of a position, whoever has them answers with the batch, once for each time that it is asked: so two
 * peers that both lack a frame come to rest.  A hole is asked for at once, then after 10 s, doubled up to an hour.
 * Bounded: what does not fit is not remembered here; its owner finds it again.  No I/O, no clock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"

enum {
	TORAP_HOLES_AGAIN_MS = 10000,
	TORAP_HOLES_AGAIN_MS_MAX = 3600 * 1000,
};

struct torap_hole {
	uint64_t batch_no;
	struct torap_mono again; /* when to ask */
	uint32_t wait_ms;        /* after that */
	uint32_t asked;          /* how often: whose turn it is, where several peers may have it */
};

struct torap_holes {
	struct torap_hole *list; /* by rising number */
	size_t count, room;      /* at most TORAP_HOLES_MAX */
};

enum torap_holes_answer {
	TORAP_HOLES_NEW,
	TORAP_HOLES_KNOWN,
	TORAP_HOLES_NO_ROOM, /* there are too many, or memory ran out */
};

void torap_holes_finish(struct torap_holes *h);
/* To be asked for from `at` on. */
enum torap_holes_answer torap_holes_add(struct torap_holes *h, uint64_t batch_no, struct torap_mono at);
bool torap_holes_has(const struct torap_holes *h, uint64_t batch_no);
bool torap_holes_remove(struct torap_holes *h, uint64_t batch_no); /* false: it was none */
/* Is any to be asked for, now? */
bool torap_holes_due(const struct torap_holes *h, struct torap_mono now);
/* This one, if it is a hole, is to be asked for now: what stood in its way has changed. */
void torap_holes_hurry_one(struct torap_holes *h, uint64_t batch_no, struct torap_mono now);
/* Another peer may have what the last had not: all are to be asked for, now. */
void torap_holes_hurry(struct torap_holes *h, struct torap_mono now);
/* Those to be asked for now, at most `room`, by rising number; they are asked for with this.  Returns how many. */
size_t torap_holes_ask(struct torap_holes *h, uint64_t *out, size_t room, struct torap_mono now);

/* One of several peers that may have them: each hole goes round all of them, whenever it is due.  (One turn for all holes would not do:
 * two that are due in turns would each meet the same peer for ever.) */
struct torap_holes_turn {
	unsigned peer, peers; /* 0 to peers - 1 */
};
/* Is it this peer's turn, now, with any? */
bool torap_holes_due_in_turn(
	const struct torap_holes *h, struct torap_holes_turn turn, struct torap_mono now);
/* As torap_holes_ask(), those of which it is this peer's turn. */
size_t torap_holes_ask_in_turn(struct torap_holes *h, struct torap_holes_turn turn, uint64_t *out,
	size_t room, struct torap_mono now);
/* This peer cannot be asked now: the next is, for what is due. */
void torap_holes_pass(struct torap_holes *h, struct torap_holes_turn turn, struct torap_mono now);
