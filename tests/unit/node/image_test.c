/* A picture on its way from an agent's offer into an event: never copied when it is read, bounded, and whole after a crash. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "node/offer.h"
#include "node/pack.h"
#include "tests/unit/node/fixture.h"

static uint8_t picture[TORAP_OBSERVATION_IMAGE_MAX + 1];

static Torap__Image image_of(size_t size)
{
	Torap__Image image = TORAP__IMAGE__INIT;
	image.media_type = (char *)"image/jpeg";
	image.taken_at_us = 17;
	image.data = (ProtobufCBinaryData){ size, picture };
	return image;
}

static uint8_t *pack_offer(Torap__Observation *o, size_t *size)
{
	Torap__Offer offer = TORAP__OFFER__INIT;
	offer.observations = &o;
	offer.n_observations = 1;
	*size = torap__offer__get_packed_size(&offer);
	uint8_t *bytes = malloc(*size);
	torap__offer__pack(&offer, bytes);
	return bytes;
}

/* Beyond what an observation may be without its picture; and within little memory, for the picture stays where it is. */
Test(image, is_read_where_it_stands)
{
	Torap__Image image = image_of(TORAP_OBSERVATION_IMAGE_MAX);
	Torap__Observation o = TORAP__OBSERVATION__INIT;
	struct torap_arena arena;
	size_t size;
	o.id = 5;
	o.protocol = (char *)"rtsp";
	o.address = (char *)"camera";
	o.text = (char *)"before and behind";
	o.image = &image;
	uint8_t *bytes = pack_offer(&o, &size);
	struct torap_reader r = torap_reader(torap_bytes(bytes, size));
	Torap__Observation *out;
	struct node_offer_refusal refusal;
	torap_arena_init(&arena, 256 << 10);
	cr_assert_eq(node_offer_next(&r, &arena, &out, &refusal), 0);
	cr_expect_str_eq(out->text, "before and behind");
	cr_assert_not_null(out->image);
	cr_expect_str_eq(out->image->media_type, "image/jpeg");
	cr_expect_eq(out->image->taken_at_us, 17);
	cr_expect_eq(out->image->data.len, TORAP_OBSERVATION_IMAGE_MAX);
	cr_expect(out->image->data.data > bytes && out->image->data.data < bytes + size);
	torap_arena_finish(&arena);
	free(bytes);
}

/* Of each there is a limit of its own: a large picture is no room for large texts. */
Test(image, has_a_limit_beside_the_observation_s)
{
	struct torap_arena arena;
	torap_arena_init(&arena, 256 << 10);
	for (int i = 0; i < 2; i++) {
		Torap__Image image = image_of(i ? TORAP_OBSERVATION_IMAGE_MAX + 1 : 100);
		Torap__Observation o = TORAP__OBSERVATION__INIT;
		size_t size;
		o.id = 9;
		o.image = &image;
		if (!i)
			o.raw = (ProtobufCBinaryData){ TORAP_OBSERVATION_SIZE_MAX, picture };
		uint8_t *bytes = pack_offer(&o, &size);
		struct torap_reader r = torap_reader(torap_bytes(bytes, size));
		Torap__Observation *out;
		struct node_offer_refusal refusal;
		cr_expect_eq(node_offer_next(&r, &arena, &out, &refusal), NODE_OFFER_REFUSED);
		cr_expect_eq(refusal.id, 9);
		free(bytes);
	}
	torap_arena_finish(&arena);
}

static struct node_event *event_with(size_t size)
{
	struct node_event_spec spec = {
		.class = { .region = 391010000,
			.facility = TORAP__FACILITY__FACILITY_SCHOOL,
			.kind = TORAP__KIND__KIND_EVIDENCE_STORED,
			.severity = TORAP__SEVERITY__SEVERITY_INFORMATION },
		.state = TORAP__STATE__STATE_PULSE,
		.site = "school-1",
		.text = "a text",
		.image_type = "image/jpeg",
		.image_camera = "camera-1",
		.image_at.us = 17,
		.image = torap_bytes(picture, size),
	};
	return node_event_create(&spec);
}

static void expect_image(const struct node_event *e, size_t size)
{
	struct torap_bytes part = e->event.parts[2];
	Torap__EventImage *image = torap__event_image__unpack(NULL, part.size, part.data);
	cr_assert_not_null(image);
	cr_expect_str_eq(image->media_type, "image/jpeg");
	cr_expect_str_eq(image->camera, "camera-1");
	cr_expect_eq(image->taken_at_us, 17);
	cr_expect_eq(image->data.len, size);
	cr_expect_eq(memcmp(image->data.data, picture, size), 0);
	torap__event_image__free_unpacked(image, NULL);
}

Test(image, is_in_the_row_of_an_event_that_is_not_sealed_yet)
{
	enum { SIZE = 100000 };
	struct torap_writer row = { 0 }, plain = { 0 };
	struct torap_error err;
	for (size_t i = 0; i < SIZE; i++)
		picture[i] = (uint8_t)(i * 7);
	struct node_event *e = event_with(SIZE), *again;
	expect_image(e, SIZE);
	node_event_write(e, &row);
	cr_assert_eq(node_event_read(&again, torap_bytes(row.data, row.size), &err), 0, "%s", err.text);
	expect_image(again, SIZE);
	cr_expect_lt(node_event_read(&e, torap_bytes(row.data, row.size - 1), &err), 0, "a row that is cut");
	node_event_destroy(again);
	node_event_destroy(e);
	/* Without one the row is as it always was: a node of before reads it. */
	e = event_with(0);
	cr_expect_null(e->event.parts[2].data);
	node_event_write(e, &plain);
	cr_assert_eq(node_event_read(&again, torap_bytes(plain.data, plain.size), &err), 0, "%s", err.text);
	cr_expect_null(again->event.parts[2].data);
	node_event_destroy(again);
	node_event_destroy(e);
	torap_writer_finish(&row);
	torap_writer_finish(&plain);
}

static int on_event(void *hint, const struct torap_opened *e)
{
	unsigned *images = hint;
	*images += e->image && e->image->data.len == 100000;
	return 0;
}

/* What was durable before a crash is sealed after it, the picture in a frame of its own. */
Test(image, is_sealed_after_a_crash)
{
	struct fixture f;
	struct told t = { .entry.done = fixture_on_told, .result = -1 };
	struct torap_error err;
	fixture_begin(&f, 16 << 20);
	t.entry.event = event_with(100000);
	cr_assert_eq(node_batcher_add(f.batcher, &t.entry), 0);
	fixture_settle(&f);
	cr_assert_eq(t.result, NODE_ENTRY_DURABLE);
	cr_expect_eq(t.entry.seq, 1);
	cr_expect_eq(f.sealed, 0, "it waits for company");
	fixture_crash(&f);
	fixture_open(&f);
	fixture_pass(&f, 1000);
	fixture_settle(&f);
	cr_assert_eq(f.sealed, 1);
	size_t count;
	const struct node_stream *streams = node_batcher_streams(f.batcher, NORMAL, &count);
	struct node_sealed *s = node_batcher_recent(f.batcher, NORMAL, &streams[count - 1].id, 1);
	cr_assert_not_null(s);
	unsigned images = 0;
	cr_assert_eq(torap_batch_open(s->batch, on_event, &images, &err), 0, "%s", err.text);
	cr_expect_eq(images, 1);
	fixture_end(&f);
}
