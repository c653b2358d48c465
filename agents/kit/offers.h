/* offers.h: the observations of one turn of the loop, packed into as few messages as they fit.
 *
 * An Offer is nothing but repeated observations, so each is packed once, when it is offered, behind those before it.  Zeros are an
 * empty set. */
#pragma once

#include <stddef.h>

#include "base/bytes.h"
#include "proto/observation.pb-c.h"

struct torap_buffer; /* base/buffer.h */

enum { KIT_OFFERS_MAX = 256 /* messages of one turn */ };

struct kit_offers {
	struct kit_offer_body {
		struct torap_writer body;
		unsigned count;
	} list[KIT_OFFERS_MAX];
	unsigned count;
};

/* Packs the observation, whose packed size is `size`.  0, KIT_FULL or -ENOMEM; then nothing of it is there. */
int kit_offers_add(struct kit_offers *o, const Torap__Observation *observation, size_t size);
/* The body of the message `i`, below o->count, once; the caller's.  NULL: out of memory. */
struct torap_buffer *kit_offers_take(struct kit_offers *o, unsigned i);
/* Empties the set, whatever was taken of it. */
void kit_offers_clear(struct kit_offers *o);
