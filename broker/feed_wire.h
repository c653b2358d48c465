/* feed_wire.h: what the kernel says of a feed's connection: how much may lie in it, and whether anything moves (link/stall.h).
 *
 * Who reads nothing, or a byte a second, is named and kept: what it costs is bounded by its window, and whoever sits behind a link that is
 * slower than we think would never get anything if it were cut. */
#pragma once

#include "base/time.h"

struct broker_feed;

/* Several times a second. */
void broker_feed_look_at_wire(struct broker_feed *f);
/* Since when it is stalled, if it is: when the oldest of what it does not take was sent. */
struct torap_mono broker_feed_stalled_since(const struct broker_feed *f);
