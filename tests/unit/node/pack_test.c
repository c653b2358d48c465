#include "node/pack.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "node/event.h"

static char long_text[300];
static uint8_t raw[200];

/* As protobuf-c packs the same. */
static size_t pack_open_by_protobuf(const struct node_event_spec *s, uint8_t *out)
{
	Torap__EventOpen o = TORAP__EVENT_OPEN__INIT;
	Torap__Field *detail[8];
	o.state = (Torap__State)s->state;
	o.site = (char *)s->site;
	o.device = (char *)s->device;
	o.received_at_us = s->received_at.us;
	o.occurred_at_us = s->occurred_at.us;
	o.device_time_us = s->device_time.us;
	o.clock_offset_ms = s->clock_offset_ms;
	o.clock_known = s->clock_known;
	o.area = (char *)s->area;
	o.zone = (char *)s->zone;
	o.protocol = (char *)s->protocol;
	o.code = (char *)s->code;
	o.count = s->count > 1 ? s->count : 0;
	o.detail = detail;
	for (size_t i = 0; s->detail && i < s->detail->count; i++)
		detail[o.n_detail++] = (Torap__Field *)&s->detail->field[i];
	for (size_t i = 0; i < s->fields_count; i++)
		detail[o.n_detail++] = s->fields[i];
	return torap__event_open__pack(&o, out);
}

static size_t pack_personal_by_protobuf(const struct node_event_spec *s, uint8_t *out)
{
	Torap__EventPersonal p = TORAP__EVENT_PERSONAL__INIT;
	p.user = (char *)s->user;
	p.text = (char *)s->text;
	p.position = (Torap__Position *)s->position;
	p.n_detail = s->personal_count;
	p.detail = (Torap__Field **)s->personal;
	p.raw = (ProtobufCBinaryData){ s->raw.size, (uint8_t *)s->raw.data };
	return torap__event_personal__pack(&p, out);
}

/* The same bytes into as much room as there may be, and no byte beyond less of it. */
static void expect_bytes(void (*put)(struct torap_put *, const struct node_event_spec *),
	const struct node_event_spec *s, struct torap_bytes expected)
{
	uint8_t ours[4096];
	for (size_t room = 0; room <= expected.size + TORAP_PUT_SPARE; room++) {
		struct torap_put p = { .at = ours, .end = ours + room };
		memset(ours, 0xee, sizeof ours);
		put(&p, s);
		cr_assert_leq(p.at, p.end);
		for (size_t i = room; i < sizeof ours; i++)
			cr_assert_eq(ours[i], 0xee, "%zu of %zu", i, room);
		cr_assert(p.full || room >= expected.size);
		if (p.full)
			continue;
		cr_assert_eq((size_t)(p.at - ours), expected.size);
		cr_assert_arr_eq(ours, expected.data, expected.size);
	}
	struct torap_put p = { .at = ours, .end = ours + expected.size + TORAP_PUT_SPARE };
	put(&p, s);
	cr_expect_not(p.full);
}

static void expect_the_same(const struct node_event_spec *s)
{
	uint8_t theirs[4096];
	size_t size = pack_open_by_protobuf(s, theirs);
	expect_bytes(node_pack_open, s, torap_bytes(theirs, size));
	size = pack_personal_by_protobuf(s, theirs);
	expect_bytes(node_pack_personal, s, torap_bytes(theirs, size));
}

Test(pack, writes_what_protobuf_writes)
{
	memset(long_text, 'x', sizeof long_text - 1);
	struct node_fields detail = { 0 };
	node_fields_add(&detail, "vocabulary", "");
	node_fields_add(&detail, long_text, long_text);
	Torap__Field field = TORAP__FIELD__INIT, *fields[] = { &field };
	field.value = (char *)"only a value";
	Torap__Position position = TORAP__POSITION__INIT;
	position.latitude = -43.25;
	position.altitude_m = NAN;
	struct node_event_spec s = {
		.state = TORAP__STATE__STATE_END,
		.site = "school-1",
		.device = long_text,
		.area = "",
		.zone = "3",
		.protocol = "dc09",
		.code = "sia-dcs BA",
		.received_at.us = INT64_MAX,
		.occurred_at.us = -1,
		.device_time.us = 1,
		.clock_known = true,
		.clock_offset_ms = -1,
		.count = UINT32_MAX,
		.detail = &detail,
		.fields = fields,
		.fields_count = 1,
		.user = "12",
		.text = long_text,
		.position = &position,
		.personal = fields,
		.personal_count = 1,
		.raw = torap_bytes(raw, sizeof raw),
	};
	expect_the_same(&s);
	cr_expect(node_pack_has_personal(&s));
}

/* Texts beside a picture that are too large for the block of most events, and for the next larger ones. */
Test(pack, takes_as_much_room_as_it_needs)
{
	static char value[17001], text[5001];
	static uint8_t picture[100000], theirs[32768];
	memset(value, 'v', sizeof value - 1);
	memset(text, 't', sizeof text - 1);
	memset(picture, 'p', sizeof picture);
	Torap__Field field = TORAP__FIELD__INIT, *fields[] = { &field };
	field.value = value;
	struct node_event_spec s = { .site = "school-1", .fields = fields, .fields_count = 1, .text = text };
	for (int i = 0; i < 2; i++) {
		s.image = torap_bytes(picture, i ? sizeof picture : 0);
		struct node_event *e = node_event_create(&s);
		cr_assert_not_null(e);
		cr_assert_eq(e->event.parts[0].size, pack_open_by_protobuf(&s, theirs));
		cr_expect_arr_eq(e->event.parts[0].data, theirs, e->event.parts[0].size);
		cr_assert_eq(e->event.parts[1].size, pack_personal_by_protobuf(&s, theirs));
		cr_expect_arr_eq(e->event.parts[1].data, theirs, e->event.parts[1].size);
		cr_expect_eq(e->event.parts[2].size > 0, i);
		node_event_destroy(e);
	}
}

Test(pack, leaves_out_what_is_not_there)
{
	struct node_event_spec s = { .user = "", .text = NULL, .count = 1 };
	expect_the_same(&s);
	cr_expect_not(node_pack_has_personal(&s));
	Torap__Position nowhere = TORAP__POSITION__INIT;
	s.position = &nowhere;
	cr_expect(node_pack_has_personal(&s));
	expect_the_same(&s);
}
