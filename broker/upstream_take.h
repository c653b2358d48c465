/* upstream_take.h: what an upstream sends, judged and taken.
 *
 * Every batch is verified as a writer's is: nothing is believed because a broker says it.  What cannot be right (a signature, a digest, a
 * message that cannot be read) refuses the lane.  What may be right and cannot be taken (a stream that begins beyond what is here, a key
 * that a newer trust file may know, another history) is passed over, counted and said, so that one stream never blocks the others. */
#pragma once

#include <stddef.h>

#include "base/bytes.h"

struct broker_upstream_lane;
struct torap_buffer;
struct torap_envelope;

void broker_upstream_take(struct broker_upstream_lane *l, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count);
