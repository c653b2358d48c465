#include "agents/kit/offers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "agents/kit/kit.h"
#include "base/buffer.h"
#include "base/limits.h"

enum { BODY_SIZE_MAX = 1 << 20 }; /* far below what a socket takes */

static struct kit_offer_body *body_with_room(struct kit_offers *o, size_t size)
{
	struct kit_offer_body *last = o->count ? &o->list[o->count - 1] : NULL;
	if (last && last->count < TORAP_OFFER_OBSERVATIONS_MAX && last->body.size + size <= BODY_SIZE_MAX)
		return last;
	return o->count < KIT_OFFERS_MAX ? &o->list[o->count++] : NULL;
}

int kit_offers_add(struct kit_offers *o, const Torap__Observation *observation, size_t size)
{
	struct kit_offer_body *offer = body_with_room(o, size);
	if (!offer)
		return KIT_FULL;
	size_t before = offer->body.size;
	torap_write_u8(&offer->body, 1 << 3 | 2); /* field 1, with a length */
	torap_write_varint(&offer->body, size);
	uint8_t *room = torap_write_room(&offer->body, size);
	if (!room) {
		offer->body.size = before;
		offer->body.failed = false;
		return -ENOMEM;
	}
	torap__observation__pack(observation, room);
	offer->count++;
	return 0;
}

struct torap_buffer *kit_offers_take(struct kit_offers *o, unsigned i)
{
	assert(i < o->count);
	struct kit_offer_body *offer = &o->list[i];
	struct torap_buffer *body =
		torap_buffer_wrap(offer->body.data, offer->body.size, free, offer->body.data);
	if (body) /* Its memory is the message's now. */
		*offer = (struct kit_offer_body){ 0 };
	return body;
}

void kit_offers_clear(struct kit_offers *o)
{
	for (unsigned i = 0; i < o->count; i++) {
		torap_writer_finish(&o->list[i].body);
		o->list[i].count = 0;
	}
	o->count = 0;
}
