/* steady.h: can the wall clock be believed enough to delete by it?
 *
 *     steady --wall jumps by more than an hour--> waiting --10 minutes without another jump--> steady
 *
 * A jump is judged against the monotonic clock from one fixed moment on, so many small steps count like one large.  A clock that
 * was set wrong while nobody looked shows at the start: by what was last known of it, the newest receipt in a store. */
#pragma once

#include <stdbool.h>

#include "base/time.h"

struct torap_steady {
	int64_t offset_us; /* of wall against mono when it was last believed, or last jumped */
	bool waiting;
	struct torap_mono until; /* while waiting */
	uint64_t jumps;
};

/* `last`: a wall time that has certainly passed, and not long ago while the process ran; 0: none is known. */
void torap_steady_init(
	struct torap_steady *s, struct torap_mono mono, struct torap_wall wall, struct torap_wall last);
/* Both clocks as they are now; at least every few minutes.  True: the wall clock may be believed. */
bool torap_steady_look(struct torap_steady *s, struct torap_mono mono, struct torap_wall wall);
