#include "fixture.h"

#include <errno.h>

#include "kit/forge.h"

static struct torap_sign_key key;
static struct torap_batch *batch;

/* Two groups, their events mixed: offsets 0 and 2 with a personal part at 0 and 2, offsets 1 and 3 without. */
static void make_batch(void)
{
	key = fixture_key(1);
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(fixture_add(s, fixture_class(i % 2 ? 392410000 : 391010000, 1), "zone",
				     i % 2 ? NULL : "anna", NULL),
			0);
	batch = fixture_seal(s);
	torap_sealer_destroy(s);
}

static void drop_batch(void)
{
	torap_batch_destroy(batch);
}

TestSuite(open, .init = make_batch, .fini = drop_batch);

enum { OPEN = 0, PERSONAL = 1, OTHER_OPEN = 2 };

struct seen {
	unsigned count, opens, personals;
	uint64_t last_seq;
	int answer;
};

static int see(void *hint, const struct torap_opened *e)
{
	struct seen *s = hint;
	cr_expect_gt(e->seq, s->last_seq, "events come by rising number");
	cr_expect_eq(e->group->class.region, e->seq % 2 ? 391010000 : 392410000);
	s->last_seq = e->seq;
	s->count++;
	s->opens += e->open != NULL;
	s->personals += e->personal != NULL;
	return s->answer;
}

static void leave_out(unsigned frame)
{
	batch->frames[frame] = torap_buffer_unref(batch->frames[frame]);
}

static void expect_seen(unsigned count, unsigned opens, unsigned personals)
{
	struct seen s = { 0 };
	struct torap_error err = { "" };
	cr_assert_eq(torap_batch_open(batch, see, &s, &err), 0, "%s", err.text);
	cr_expect_eq(s.count, count);
	cr_expect_eq(s.opens, opens);
	cr_expect_eq(s.personals, personals);
}

Test(open, shows_all_in_order)
{
	expect_seen(4, 4, 2);
}

Test(open, shows_what_is_there_without_personal_parts)
{
	leave_out(PERSONAL);
	expect_seen(4, 4, 0);
}

Test(open, shows_personal_parts_whose_open_part_has_expired)
{
	leave_out(OPEN);
	expect_seen(4, 2, 2);
}

Test(open, shows_one_group_without_the_other)
{
	leave_out(OPEN);
	leave_out(PERSONAL);
	expect_seen(2, 2, 0);
}

Test(open, shows_nothing_of_a_batch_without_frames)
{
	leave_out(OPEN);
	leave_out(PERSONAL);
	leave_out(OTHER_OPEN);
	expect_seen(0, 0, 0);
}

Test(open, stops_when_it_is_told_to)
{
	struct seen s = { .answer = 17 };
	cr_expect_eq(torap_batch_open(batch, see, &s, NULL), 17);
	cr_expect_eq(s.count, 1);
}

/* Puts another frame in place of one, of messages with these offsets. */
static void put(unsigned frame, unsigned count, const uint32_t *offsets)
{
	struct torap_writer w = { 0 };
	torap_write_room(&w, TORAP_SALT_SIZE);
	for (unsigned i = 0; i < count; i++) {
		Torap__EventOpen e = TORAP__EVENT_OPEN__INIT; /* its offset is the same field in all parts */
		uint8_t bytes[16];
		e.offset = offsets[i];
		size_t size = torap__event_open__pack(&e, bytes);
		torap_write_varint(&w, size);
		torap_write_bytes(&w, torap_bytes(bytes, size));
	}
	torap_buffer_unref(batch->frames[frame]);
	batch->frames[frame] = torap_buffer_copy(torap_bytes(w.data, w.size));
	torap_writer_finish(&w);
}

static void expect_refused(const char *what)
{
	struct seen s = { 0 };
	struct torap_error err = { "" };
	cr_expect_eq(torap_batch_open(batch, see, &s, &err), -EBADMSG, "%s", what);
	cr_expect_eq(s.count, 0, "%s: events were shown", what);
	cr_expect_neq(err.text[0], '\0', "%s", what);
}

#define PUT(frame, ...)                                                                                      \
	put(frame, sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t), (const uint32_t[]){ __VA_ARGS__ })

Test(open, refuses_offsets_that_do_not_add_up)
{
	PUT(OTHER_OPEN, 1, 3);
	expect_seen(4, 4, 2);
	PUT(OTHER_OPEN, 1, 1);
	expect_refused("an offset twice");
	PUT(OTHER_OPEN, 3, 1);
	expect_refused("falling offsets");
	PUT(OTHER_OPEN, 1, 4);
	expect_refused("an offset past the count");
	PUT(OTHER_OPEN, 1, UINT32_MAX);
	expect_refused("the largest offset there is");
	PUT(OTHER_OPEN, 1);
	expect_refused("one message for two events");
	PUT(OTHER_OPEN, 1, 2);
	expect_refused("an offset of the other group");
}

Test(open, refuses_personal_parts_of_nobody)
{
	PUT(PERSONAL, 0);
	expect_seen(4, 4, 1);
	PUT(PERSONAL, 1);
	expect_refused("a personal part for an event of the other group");
	leave_out(OTHER_OPEN);
	expect_refused("a personal part for an event that the group does not have");
	PUT(PERSONAL, 0, 2);
	PUT(OTHER_OPEN, 1, 3);
	leave_out(OPEN);
	expect_seen(4, 2, 2);
	PUT(PERSONAL, 0, 1, 2);
	expect_refused("three personal parts in a group of two");
}

Test(open, refuses_frames_that_are_cut_off_anywhere)
{
	struct torap_buffer *whole = batch->frames[OTHER_OPEN];
	for (size_t size = 0; size < whole->size; size++) {
		batch->frames[OTHER_OPEN] = torap_buffer_copy(torap_bytes(whole->data, size));
		expect_refused("cut off");
		torap_buffer_unref(batch->frames[OTHER_OPEN]);
	}
	batch->frames[OTHER_OPEN] = whole;
	expect_seen(4, 4, 2);
}

/* Dense protobuf in a message larger than any event may be. */
Test(open, refuses_a_message_larger_than_an_event_may_be)
{
	struct torap_writer w = { 0 };
	torap_write_room(&w, TORAP_SALT_SIZE);
	torap_write_varint(&w, TORAP_EVENT_PART_SIZE_MAX + 2);
	for (unsigned i = 0; i < TORAP_EVENT_PART_SIZE_MAX / 2 + 1; i++) {
		torap_write_u8(&w, 15 << 3 | 2); /* an empty field of `detail` */
		torap_write_u8(&w, 0);
	}
	torap_buffer_unref(batch->frames[OPEN]);
	batch->frames[OPEN] = torap_buffer_copy(torap_bytes(w.data, w.size));
	expect_refused("too large");
	torap_writer_finish(&w);
}
