/* stall.h: a peer that is alive and to whom nothing gets through: for 15 s what was sent is neither carried nor acknowledged.
 *
 * A large batch on a slow link is acknowledged after minutes, and a peer with a slow disk acknowledges seldom: these are no stalls.  Heartbeats
 * and heads that still pass are no movement.  No I/O, no clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct torap_window;

enum {
	TORAP_STALL_LOOK_US = 15 * TORAP_US_PER_S, /* two looks make a stall */
	/* Between two looks: more than heartbeats and heads, which say nothing of the batch in front. */
	TORAP_STALL_BYTES = 16 << 10,
};

/* Begins as zeros, with each connection anew. */
struct torap_stall {
	struct torap_mono looked_at; /* 0: nothing waits for long */
	uint64_t delivered;          /* by the kernel's count, then */
	uint64_t acked_count;        /* of the window: another is a movement */
	bool stalled;
};

/* Has the oldest message in flight waited for so long that the kernel should be asked what it delivered?  False: there is no stall (any
 * more). */
bool torap_stall_waits(struct torap_stall *s, const struct torap_window *w, struct torap_mono now);
/* What it said, after torap_stall_waits() was true.  Is it stalled? */
bool torap_stall_look(struct torap_stall *s, uint64_t delivered, struct torap_mono now);
