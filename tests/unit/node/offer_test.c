#include "node/offer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

struct packed {
	uint8_t *data;
	size_t size;
};

static struct packed pack(size_t count, size_t raw_size)
{
	Torap__Offer offer = TORAP__OFFER__INIT;
	Torap__Observation *list = calloc(count, sizeof *list);
	offer.observations = calloc(count, sizeof *offer.observations);
	uint8_t *raw = calloc(1, raw_size + 1);
	for (size_t i = 0; i < count; i++) {
		torap__observation__init(&list[i]);
		list[i].id = i + 1;
		list[i].protocol = (char *)"dc09";
		list[i].address = (char *)"4001";
		list[i].raw = (ProtobufCBinaryData){ raw_size, raw };
		offer.observations[i] = &list[i];
	}
	offer.n_observations = count;
	struct packed p = { malloc(torap__offer__get_packed_size(&offer)), 0 };
	p.size = torap__offer__pack(&offer, p.data);
	free(list);
	free(offer.observations);
	free(raw);
	return p;
}

Test(offer, gives_its_observations_one_by_one)
{
	struct torap_arena arena;
	torap_arena_init(&arena, 1 << 20);
	struct packed p = pack(3, 10);
	cr_expect_eq(node_offer_count(torap_bytes(p.data, p.size)), 3);
	struct torap_reader r = torap_reader(torap_bytes(p.data, p.size));
	Torap__Observation *o;
	struct node_offer_refusal refusal;
	for (uint64_t i = 1; i <= 3; i++) {
		cr_assert_eq(node_offer_next(&r, &arena, &o, &refusal), 0);
		cr_expect_eq(o->id, i);
		cr_expect_str_eq(o->address, "4001");
	}
	cr_expect_eq(node_offer_next(&r, &arena, &o, &refusal), NODE_OFFER_END);
	torap_arena_finish(&arena);
	free(p.data);
}

Test(offer, names_the_observation_that_is_too_big_and_goes_on)
{
	struct torap_arena arena;
	torap_arena_init(&arena, 1 << 20);
	struct packed p = pack(2, TORAP_OBSERVATION_SIZE_MAX);
	struct torap_reader r = torap_reader(torap_bytes(p.data, p.size));
	Torap__Observation *o;
	struct node_offer_refusal refusal;
	for (uint64_t i = 1; i <= 2; i++) {
		cr_assert_eq(node_offer_next(&r, &arena, &o, &refusal), NODE_OFFER_REFUSED);
		cr_expect_eq(refusal.id, i);
	}
	torap_arena_finish(&arena);
	free(p.data);
}

/* Wherever protobuf puts its texts: a field that is not known makes it protobuf-c's. */
static void expect_refused(const char *text, const char *unknown_field)
{
	uint8_t bytes[128];
	struct torap_arena arena;
	torap_arena_init(&arena, 1 << 20);
	Torap__Observation o = TORAP__OBSERVATION__INIT, *out;
	o.id = 17;
	o.protocol = (char *)"dc09";
	o.address = (char *)"4001";
	Torap__Field field = TORAP__FIELD__INIT, *fields[] = { &field };
	field.value = (char *)text;
	o.fields = fields;
	o.n_fields = 1;
	size_t size = torap__observation__pack(&o, bytes + 2), more = strlen(unknown_field);
	memcpy(bytes + 2 + size, unknown_field, more);
	bytes[0] = 1 << 3 | 2;
	bytes[1] = (uint8_t)(size + more);
	struct torap_reader r = torap_reader(torap_bytes(bytes, 2 + size + more));
	struct node_offer_refusal refusal;
	cr_assert_eq(node_offer_next(&r, &arena, &out, &refusal), NODE_OFFER_REFUSED);
	cr_expect_eq(refusal.id, 17);
	cr_expect_str_eq(refusal.reason, "a text is not UTF-8");
	torap_arena_finish(&arena);
}

Test(offer, names_the_observation_whose_text_nobody_could_read)
{
	expect_refused("caf\xe9", "");
	expect_refused("caf\xe9", "\xa2\x06\x01x");
}

/* Every cut and every flipped bit: an answer, never a crash, never memory beyond the arena. */
Test(offer, survives_every_damage)
{
	struct torap_arena arena;
	torap_arena_init(&arena, 64 << 10);
	struct packed p = pack(4, 5);
	for (size_t bit = 0; bit < p.size * 8; bit++) {
		p.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		for (size_t size = p.size; size + 3 > p.size && size > 0; size--) {
			struct torap_reader r = torap_reader(torap_bytes(p.data, size));
			Torap__Observation *o;
			struct node_offer_refusal refusal;
			int answer;
			(void)node_offer_count(torap_bytes(p.data, size));
			do
				answer = node_offer_next(&r, &arena, &o, &refusal);
			while (answer == 0 || answer == NODE_OFFER_REFUSED);
		}
		p.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	torap_arena_finish(&arena);
	free(p.data);
}

/* Three bytes of input a piece, forty of memory: the arena ends it. */
Test(offer, decodes_within_bounded_memory)
{
	enum { PIECES = 21800 }; /* an observation that is not too big */
	struct torap_arena arena;
	torap_arena_init(&arena, 64 << 10);
	uint8_t *data = malloc(4 + PIECES * 3);
	size_t inner = PIECES * 3, at = 0;
	cr_assert_geq(inner, 1 << 14);
	data[at++] = 1 << 3 | 2; /* an observation of `inner` bytes */
	data[at++] = (uint8_t)(inner & 0x7f) | 0x80;
	data[at++] = (uint8_t)(inner >> 7 & 0x7f) | 0x80;
	data[at++] = (uint8_t)(inner >> 14);
	for (size_t i = 0; i < PIECES; i++) {
		data[at++] = 0x82; /* field 16, bytes, empty */
		data[at++] = 0x01;
		data[at++] = 0x00;
	}
	struct torap_reader r = torap_reader(torap_bytes(data, at));
	Torap__Observation *o;
	struct node_offer_refusal refusal;
	int answer = node_offer_next(&r, &arena, &o, &refusal);
	cr_expect_eq(answer, NODE_OFFER_MALFORMED);
	torap_arena_finish(&arena);
	free(data);
}
