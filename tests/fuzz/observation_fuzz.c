/* An Offer, as an agent sends it that a device has taken over: taken apart and judged as the node's intake does; and its bytes once
 * more as if they were one observation, or a part of an event, understood as protobuf-c understands it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "node/observation.h"
#include "node/offer.h"
#include "proto/event.pb-c.h"
#include "wire/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *repack(const ProtobufCMessage *message, size_t *size)
{
	*size = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = malloc(*size + 1);
	assert(bytes);
	protobuf_c_message_pack(message, bytes);
	return bytes;
}

/* Both understand the same, or neither anything. */
static void compare(
	struct torap_arena *arena, const ProtobufCMessageDescriptor *message, struct torap_bytes bytes)
{
	torap_arena_reset(arena);
	const ProtobufCMessage *ours = torap_unpack(arena, message, bytes, NULL);
	ProtobufCMessage *theirs = protobuf_c_message_unpack(message, NULL, bytes.size, bytes.data);
	assert(!ours == !theirs);
	if (!ours)
		return;
	size_t our_size, their_size;
	uint8_t *our_bytes = repack(ours, &our_size), *their_bytes = repack(theirs, &their_size);
	assert(our_size == their_size && memcmp(our_bytes, their_bytes, our_size) == 0);
	free(our_bytes);
	free(their_bytes);
	protobuf_c_message_free_unpacked(theirs, NULL);
}

static void compare_all(struct torap_arena *arena, struct torap_bytes bytes)
{
	compare(arena, &torap__observation__descriptor, bytes);
	compare(arena, &torap__event_open__descriptor, bytes);
	compare(arena, &torap__event_personal__descriptor, bytes);
	compare(arena, &torap__event_image__descriptor, bytes);
	compare(arena, &torap__offer__descriptor, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct torap_bytes body = torap_bytes(data, size);
	struct torap_arena arena;
	torap_arena_init(&arena, 4 << 20);
	if (size <= TORAP_OBSERVATION_SIZE_MAX)
		compare_all(&arena, body);
	if (node_offer_count(body) == SIZE_MAX)
		goto end;
	struct torap_reader reader = torap_reader(body);
	int r;
	do {
		Torap__Observation *o = NULL;
		struct node_offer_refusal refusal;
		torap_arena_reset(&arena);
		r = node_offer_next(&reader, &arena, &o, &refusal);
		if (r != 0)
			continue;
		assert(strlen(o->address) <= TORAP_ADDRESS_MAX && o->repeat_key.len <= TORAP_REPEAT_KEY_MAX);
		assert(!node_observation_fault(o, (struct torap_bytes){ 0 })); /* each text by itself */
	} while (r != NODE_OFFER_END && r != NODE_OFFER_MALFORMED);
end:
	torap_arena_finish(&arena);
	return 0;
}
