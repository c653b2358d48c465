#include "wire/unpack.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event.pb-c.h"
#include "proto/observation.pb-c.h"

/* Takes it apart, packs it again by protobuf-c, and compares: what was understood is what was said. */
static void expect_whole(const void *message)
{
	static uint8_t bytes[1 << 16], again[1 << 16];
	struct torap_arena arena;
	torap_arena_init(&arena, 4 << 20);
	size_t size = protobuf_c_message_pack(message, bytes);
	const ProtobufCMessage *taken = torap_unpack(
		&arena, ((const ProtobufCMessage *)message)->descriptor, torap_bytes(bytes, size), NULL);
	cr_assert_not_null(taken);
	cr_assert_eq(protobuf_c_message_pack(taken, again), size);
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

Test(unpack, understands_every_field)
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

Test(unpack, understands_more_fields_than_its_lists_hold)
{
	Torap__Field field = TORAP__FIELD__INIT, *fields[200];
	field.value = (char *)"value";
	for (size_t i = 0; i < 200; i++)
		fields[i] = &field;
	Torap__Observation o = full(fields, 200);
	expect_whole(&o);
}

Test(unpack, understands_every_part_of_an_event)
{
	Torap__Field field = TORAP__FIELD__INIT, *fields[] = { &field, &field };
	field.name = (char *)"name";
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	open.offset = UINT32_MAX;
	open.state = TORAP__STATE__STATE_END;
	open.site = (char *)"school-25";
	open.occurred_at_us = INT64_MIN;
	open.clock_offset_ms = -250; /* of ten bytes */
	open.clock_known = true;
	open.n_detail = 2;
	open.detail = fields;
	expect_whole(&open);
	Torap__EventPersonal personal = TORAP__EVENT_PERSONAL__INIT;
	Torap__Position position = TORAP__POSITION__INIT;
	position.longitude = -76.9;
	personal.position = &position;
	personal.plate = (char *)"123ABC02";
	expect_whole(&personal);
	Torap__EventImage image = TORAP__EVENT_IMAGE__INIT;
	image.data = (ProtobufCBinaryData){ 5, (uint8_t *)"a\0b\0c" };
	expect_whole(&image);
}

Test(unpack, leaves_lists_within_lists_to_protobuf)
{
	Torap__Observation one = TORAP__OBSERVATION__INIT, *both[] = { &one, &one };
	Torap__Field field = TORAP__FIELD__INIT, *fields[] = { &field };
	field.value = (char *)"value";
	one.fields = fields;
	one.n_fields = 1;
	Torap__Offer offer = TORAP__OFFER__INIT;
	offer.observations = both;
	offer.n_observations = 2;
	expect_whole(&offer);
}

Test(unpack, gives_back_what_an_attempt_took)
{
	enum { LIMIT = 256 << 10, SIZE = 60 << 10 };
	struct torap_arena arena;
	torap_arena_init(&arena, LIMIT);
	static char text[SIZE + 1];
	static uint8_t bytes[2 * SIZE];
	memset(text, 'x', SIZE);
	Torap__EventPersonal personal = TORAP__EVENT_PERSONAL__INIT;
	personal.text = text;
	size_t size = torap__event_personal__pack(&personal, bytes);
	for (unsigned i = 0; i < 3; i++) { /* with a field that is not known at its end */
		memcpy(bytes + size, "\xa2\x06\x01x", 4);
		const Torap__EventPersonal *taken = torap_unpack(
			&arena, &torap__event_personal__descriptor, torap_bytes(bytes, size + 4), NULL);
		cr_assert_not_null(taken, "%u: what was tried first counts, too", i);
		cr_assert_str_eq(taken->text, text);
	}
	torap_arena_finish(&arena);
}

Test(unpack, tells_where_the_texts_stand)
{
	struct torap_arena arena;
	struct torap_bytes texts;
	torap_arena_init(&arena, 1 << 20);
	/* Two texts, and a field of bytes between them, which is none. */
	torap_unpack(&arena, &torap__observation__descriptor,
		torap_bytes("\x32\x02"
			    "BA"
			    "\x5a\x01k"
			    "\x3a\x01"
			    "1",
			10),
		&texts);
	cr_assert_eq(texts.size, 5);
	cr_expect_arr_eq(texts.data, "BA\0001", 5);
	/* One that is protobuf-c's. */
	torap_unpack(&arena, &torap__observation__descriptor,
		torap_bytes("\x32\x01"
			    "A"
			    "\x32\x01"
			    "B",
			6),
		&texts);
	cr_expect_null(texts.data);
	torap_arena_finish(&arena);
}

static const char *code_of(struct torap_arena *arena, const char *bytes, size_t size)
{
	torap_arena_reset(arena);
	const Torap__Observation *o =
		torap_unpack(arena, &torap__observation__descriptor, torap_bytes(bytes, size), NULL);
	return o ? o->code : NULL;
}

Test(unpack, leaves_the_unusual_to_protobuf)
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
