/* seal_limit.h: how large a batch may be, by the slowest link that it has to pass: what is sealed cannot be split any more.
 *
 * A link is slow by configuration, or because it was measured to be.  What is measured goes up and down with the load, so a smaller
 * limit holds when it was wanted for two seconds, a larger one when it was for ten, and neither for a difference of less than half.
 * Does no I/O and reads no clock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

enum {
	NODE_SEAL_BYTES = 256 << 10,   /* a batch that has so many does not wait for more, on any link */
	NODE_SEAL_BYTES_MIN = 4 << 10, /* below, manifests would outweigh their events */
	NODE_SEAL_LIMIT_FALL_MS = 2000,
	NODE_SEAL_LIMIT_RISE_MS = 10000,
};

struct node_seal_limit {
	size_t configured;        /* 0: no link is said to be slow */
	size_t measured;          /* 0: none was measured to be */
	bool wants;               /* another one than is in force… */
	bool wants_less;          /* …in this direction… */
	struct torap_mono wanted; /* …since */
};

/* What a link of so many bytes a second carries in 131 ms: 16 KiB at 1 Mbit/s; within the bounds above. */
size_t node_seal_limit_of(double bytes_per_s);
/* Several times a second.  `slowest`: bytes a second of the slowest link that was measured in its present session; 0: none was, and
 * nothing changes.  Returns the most that several events may take together; 0: as much as they like. */
size_t node_seal_limit_step(struct node_seal_limit *l, double slowest, struct torap_mono now);
