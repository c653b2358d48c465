#include "node/decode.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Decodes, packs again by protobuf-c, and compares: what it understood is what was said. */
static void expect_whole(const Torap__Observation *o)
{
	static uint8_t bytes[1 << 16], again[1 << 16];
	struct torap_arena arena;
	torap_arena_init(&arena, 4 << 20);
	size_t size = torap__observation__pack(o, bytes);
	const Torap__Observation *decoded = node_observation_decode(&arena, torap_bytes(bytes, size));
	cr_assert_not_null(decoded);
	cr_assert_eq(torap__observation__pack(decoded, again), size);
	cr_expect_arr_eq(bytes, again, size);
	torap_arena_finish(&arena);
}

static Torap__Observation full(Torap__Field **fields, size_t count)
{
	static Torap__Position position;
	torap__position__init(&position);
	position.latitude = 43.2;
	Torap__Observation o = TORAP__OBSERVATION__INIT;
	o.id = UINT64_MAX;
	o.sort = TORAP__OBSERVATION__SORT__SORT_ALIVE;
	o.protocol = (char *)"dc09";
	o.address = (char *)"4001";
	o.vocabulary = (char *)"sia-dcs";
	o.code = (char *)"BA";
	o.area = (char *)"1";
	o.zone = (char *)"3";
	o.received_at_us = 1;
	o.device_time_us = -1; /* of ten bytes */
	o.repeat_key = (ProtobufCBinaryData){ 3, (uint8_t *)"key" };
	o.dated = true;
	o.user = (char *)"12";
	o.text = (char *)"Кабинет 12";
	o.position = &position;
	o.fields = o.personal = fields;
	o.n_fields = o.n_personal = count;
	o.raw = (ProtobufCBinaryData){ 3, (uint8_t *)"raw" };
	return o;
}

Test(decode, understands_every_field)
{
	Torap__Field both = TORAP__FIELD__INIT, value = TORAP__FIELD__INIT, none = TORAP__FIELD__INIT;
	both.name = (char *)"name";
	both.value = value.value = (char *)"value";
	Torap__Field *fields[] = { &both, &value, &none };
	Torap__Observation o = full(fields, 3);
	expect_whole(&o);
	o.device_time_us = 2;
	expect_whole(&o);
	o = (Torap__Observation)TORAP__OBSERVATION__INIT;
	expect_whole(&o);
}

Test(decode, understands_more_fields_than_its_lists_hold)
{
	Torap__Field field = TORAP__FIELD__INIT, *fields[200];
	field.value = (char *)"value";
	for (size_t i = 0; i < 200; i++)
		fields[i] = &field;
	Torap__Observation o = full(fields, 200);
	expect_whole(&o);
}

static const char *code_of(struct torap_arena *arena, const char *bytes, size_t size)
{
	const Torap__Observation *o = node_observation_decode(arena, torap_bytes(bytes, size));
	return o ? o->code : NULL;
}

Test(decode, leaves_the_unusual_to_protobuf)
{
	struct torap_arena arena;
	torap_arena_init(&arena, 1 << 20);
	cr_expect_str_eq(code_of(&arena,
				 "\x32\x01"
				 "A"
				 "\x32\x01"
				 "B",
				 6),
		"B"); /* the last one counts */
	cr_expect_str_eq(code_of(&arena,
				 "\x32\x01"
				 "A"
				 "\xa2\x06\x01x",
				 7),
		"A"); /* field 100 */
	cr_expect_null(code_of(&arena,
		"\x32\x05"
		"A",
		3)); /* cut off */
	cr_expect_null(code_of(&arena, "\x32", 1));
	torap_arena_finish(&arena);
}
