/* An Offer, as an agent sends it that a device has taken over: taken apart and judged as the node's intake does. */
#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "node/observation.h"
#include "node/offer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct torap_bytes body = torap_bytes(data, size);
	if (node_offer_count(body) == SIZE_MAX)
		return 0;
	struct torap_arena arena;
	torap_arena_init(&arena, 1 << 20);
	struct torap_reader reader = torap_reader(body);
	int r;
	do {
		Torap__Observation *o = NULL;
		uint64_t id;
		torap_arena_reset(&arena);
		r = node_offer_next(&reader, &arena, &o, &id);
		if (r != 0 || node_observation_fault(o))
			continue;
		assert(strlen(o->address) <= TORAP_ADDRESS_MAX && o->repeat_key.len <= TORAP_REPEAT_KEY_MAX);
		assert(node_text_is_utf8(o->text) && node_text_is_utf8(o->code));
	} while (r != NODE_OFFER_END && r != NODE_OFFER_MALFORMED);
	torap_arena_finish(&arena);
	return 0;
}
