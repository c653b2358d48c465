/* cut.h: a batch, cut down to what one feed is granted.
 *
 * The one place where a frame is let through: whatever goes to a feed was cut here, just before it is sent, by the policy in force at
 * that moment, wherever the batch came from.  Frames that a feed is not granted are empty without a reason; a granted one that is not
 * here keeps its reason. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/batch.h"

struct broker_routing;

/* Fills a view: its manifest and frames are the batch's, no references are taken.  Returns its bytes. */
size_t broker_cut_make(struct torap_batch *view, struct broker_routing *routing, uint32_t feed,
	const struct torap_batch *batch);
/* The same bytes without the view. */
size_t broker_cut_size(struct broker_routing *routing, uint32_t feed, const struct torap_batch *batch);
/* Is anything of the batch granted? */
bool broker_cut_matches(struct broker_routing *routing, uint32_t feed, const struct torap_batch *batch);
