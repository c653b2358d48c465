#include "node/offer.h"

#include <stdbool.h>

#include "base/limits.h"
#include "node/observation.h"
#include "wire/unpack.h"

enum {
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_32 = 5,
	OBSERVATIONS_FIELD = 1,
	ID_FIELD = 1,
	IMAGE_FIELD = 19,
	DATA_FIELD = 3
};

/* One field of a protobuf message.  Returns its number; 0: cannot be read. */
static uint32_t read_field(
	struct torap_reader *r, unsigned *wire, uint64_t *number, struct torap_bytes *bytes)
{
	uint64_t tag = torap_read_varint(r);
	*wire = tag & 7;
	*number = 0;
	*bytes = torap_bytes(NULL, 0);
	switch (*wire) {
	case WIRE_VARINT:
		*number = torap_read_varint(r);
		break;
	case WIRE_64:
		torap_read_bytes(r, 8);
		break;
	case WIRE_32:
		torap_read_bytes(r, 4);
		break;
	case WIRE_BYTES: {
		uint64_t size = torap_read_varint(r);
		if (size > (uint64_t)(r->end - r->at))
			return 0;
		*bytes = torap_read_bytes(r, (size_t)size);
		break;
	}
	default:
		return 0;
	}
	return r->failed || tag >> 3 > UINT32_MAX ? 0 : (uint32_t)(tag >> 3);
}

/* 0, NODE_OFFER_END or NODE_OFFER_MALFORMED. */
static int next_bytes(struct torap_reader *body, struct torap_bytes *out)
{
	while (body->at < body->end) {
		unsigned wire;
		uint64_t number;
		uint32_t field = read_field(body, &wire, &number, out);
		if (field == 0 || (field == OBSERVATIONS_FIELD && wire != WIRE_BYTES))
			return NODE_OFFER_MALFORMED;
		if (field == OBSERVATIONS_FIELD)
			return 0;
	}
	return NODE_OFFER_END;
}

size_t node_offer_count(struct torap_bytes body)
{
	struct torap_reader r = torap_reader(body);
	struct torap_bytes bytes;
	size_t count = 0;
	int answer;
	while ((answer = next_bytes(&r, &bytes)) == 0)
		count++;
	return answer == NODE_OFFER_END ? count : SIZE_MAX;
}

static uint64_t find_id(struct torap_bytes observation)
{
	struct torap_reader r = torap_reader(observation);
	while (r.at < r.end) {
		unsigned wire;
		uint64_t number;
		struct torap_bytes bytes;
		uint32_t field = read_field(&r, &wire, &number, &bytes);
		if (field == 0)
			return 0;
		if (field == ID_FIELD && wire == WIRE_VARINT)
			return number;
	}
	return 0;
}

/* The first field of bytes of that number; empty: there is none. */
static struct torap_bytes find_bytes(struct torap_bytes message, uint32_t wanted)
{
	struct torap_reader r = torap_reader(message);
	while (r.at < r.end) {
		unsigned wire;
		uint64_t number;
		struct torap_bytes bytes;
		uint32_t field = read_field(&r, &wire, &number, &bytes);
		if (field == 0)
			break;
		if (field == wanted && wire == WIRE_BYTES)
			return bytes;
	}
	return torap_bytes(NULL, 0);
}

static bool is_oversize(struct torap_bytes observation)
{
	if (observation.size <= TORAP_OBSERVATION_SIZE_MAX)
		return false;
	size_t picture = find_bytes(find_bytes(observation, IMAGE_FIELD), DATA_FIELD).size;
	return picture > TORAP_OBSERVATION_IMAGE_MAX ||
	       observation.size - picture > TORAP_OBSERVATION_SIZE_MAX;
}

int node_offer_next(struct torap_reader *body, struct torap_arena *arena, Torap__Observation **out,
	struct node_offer_refusal *refusal)
{
	struct torap_bytes bytes, texts;
	int answer = next_bytes(body, &bytes);
	if (answer)
		return answer;
	if (is_oversize(bytes)) {
		*refusal = (struct node_offer_refusal){ find_id(bytes), "observation is too big" };
		return NODE_OFFER_REFUSED;
	}
	torap_arena_reset(arena);
	*out = torap_unpack(arena, &torap__observation__descriptor, bytes, &texts);
	if (!*out)
		return NODE_OFFER_MALFORMED;
	*refusal = (struct node_offer_refusal){ (*out)->id, node_observation_fault(*out, texts) };
	return refusal->reason ? NODE_OFFER_REFUSED : 0;
}
