/* Compressed batches: what the sealer compresses, and that what comes is opened or refused whole.  The forms that are refused are
 * vectors (vectors_test.c). */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>

#include "wire/compress.h"

static struct torap_sign_key key;
static struct torap_sealer *sealer;
static struct torap_batch *batch;

static void make_key(void)
{
	key = fixture_key(1);
}

static void clean(void)
{
	torap_batch_destroy(batch);
	torap_sealer_destroy(sealer);
}

TestSuite(compress, .init = make_key, .fini = clean);

enum { NORMAL = TORAP__LANE__LANE_NORMAL, BULK = TORAP__LANE__LANE_BULK, TAMPER = 20, MOTION = 1000 };

/* So many events of three classes, much like each other; each seventh with a user. */
static void add_like(uint16_t kind, unsigned count)
{
	char zone[64];
	for (unsigned i = 0; i < count; i++) {
		snprintf(zone, sizeof zone, "zone %u of the north corridor", i);
		cr_assert_eq(fixture_add(sealer, fixture_class(391010000 + i % 3, kind), zone,
				     i % 7 ? NULL : "anna anna anna anna anna anna anna", NULL),
			0);
	}
}

static void seal_like(uint32_t lane, uint16_t kind, unsigned count)
{
	sealer = fixture_sealer(lane, &key);
	add_like(kind, count);
	batch = fixture_seal(sealer);
}

struct seen {
	unsigned count, right, users;
};

static int see(void *hint, const struct torap_opened *e)
{
	struct seen *s = hint;
	char zone[64];
	snprintf(zone, sizeof zone, "zone %u of the north corridor", s->count++);
	s->right += e->open && strcmp(e->open->zone, zone) == 0;
	s->users += e->personal && strlen(e->personal->user) == 34;
	return 0;
}

static void expect_all(unsigned count)
{
	struct seen s = { 0 };
	struct torap_error err = { "" };
	cr_assert_eq(torap_batch_open(batch, see, &s, &err), 0, "%s", err.text);
	cr_expect_eq(s.count, count);
	cr_expect_eq(s.right, count);
	cr_expect_eq(s.users, (count + 6) / 7);
}

/* The same sealer for batch after batch: nothing of one may be needed to read another. */
Test(compress, gives_back_what_was_sealed)
{
	sealer = fixture_sealer(NORMAL, &key);
	for (unsigned round = 0; round < 3; round++) {
		add_like(TAMPER, 200 + round);
		size_t expected = torap_sealer_size(sealer);
		torap_batch_destroy(batch);
		batch = fixture_seal(sealer);
		cr_expect(batch->manifest->compressed);
		cr_expect_lt(torap_batch_size(batch), expected / 2);
		cr_expect_eq(torap_verify_batch(batch, fixture_lookup, &key, NULL), TORAP_VERDICT_GOOD);
		expect_all(200 + round);
	}
}

Test(compress, compresses_the_bulk_lane_too)
{
	seal_like(BULK, MOTION, 100);
	cr_expect(batch->manifest->compressed);
	expect_all(100);
}

/* Who sees the manifest sees how long a personal frame is: that must not tell what is in it. */
Test(compress, leaves_personal_frames_as_they_are)
{
	seal_like(NORMAL, TAMPER, 100);
	cr_assert(batch->manifest->compressed);
	for (unsigned g = 0; g < batch->manifest->groups_count; g++) {
		const struct torap_group *group = &batch->manifest->groups[g];
		cr_assert_eq(group->parts_count, 2);
		const struct torap_buffer *personal = batch->frames[group->first_frame + 1];
		unsigned users = 0;
		for (size_t i = 0; i + 34 <= personal->size; i++)
			users += memcmp(personal->data + i, "anna anna anna anna anna anna anna", 34) == 0;
		cr_expect_geq(users, 4);
	}
}

Test(compress, leaves_alarms_as_they_are)
{
	seal_like(TORAP__LANE__LANE_CRITICAL, TORAP__KIND__KIND_PANIC, 300);
	cr_expect_not(batch->manifest->compressed);
	expect_all(300);
}

Test(compress, leaves_few_events_as_they_are)
{
	seal_like(NORMAL, TAMPER, 10);
	cr_expect_not(batch->manifest->compressed);
	expect_all(10);
}

/* Bytes that follow no rule; no zero among them. */
static char *noise(size_t size)
{
	static char text[TORAP_EVENT_PART_SIZE_MAX + 1];
	static uint64_t state = 1;
	for (size_t i = 0; i < size; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		text[i] = (char)(1 + (state >> 33) % 255);
	}
	text[size] = '\0';
	return text;
}

Test(compress, leaves_what_does_not_shrink)
{
	sealer = fixture_sealer(NORMAL, &key);
	for (unsigned i = 0; i < 20; i++)
		cr_assert_eq(
			fixture_add(sealer, fixture_class(391010000, TAMPER), noise(3000), NULL, NULL), 0);
	batch = fixture_seal(sealer);
	cr_expect_not(batch->manifest->compressed);
	add_like(TAMPER, 100);
	torap_batch_destroy(batch);
	batch = fixture_seal(sealer);
	cr_expect(batch->manifest->compressed);
	expect_all(100);
}

/* A frame at its very limit that becomes longer by compression, beside others that make it pay: sealing may not fail. */
Test(compress, seals_a_full_frame_that_would_grow)
{
	sealer = fixture_sealer(NORMAL, &key);
	struct torap_class full = fixture_class(391010000, TAMPER), others = fixture_class(392410000, TAMPER);
	for (size_t size = 60000; size > 0;)
		if (fixture_add(sealer, full, noise(size), NULL, NULL))
			size = size > 1000 ? size - 1000 : size - 1;
	char *same = noise(50000);
	memset(same, 'x', 50000);
	for (unsigned i = 0; i < 20; i++)
		cr_assert_eq(fixture_add(sealer, others, same, NULL, NULL), 0);
	size_t expected = torap_sealer_size(sealer);
	batch = fixture_seal(sealer);
	cr_expect_gt(batch->frames[0]->size, TORAP_FRAME_SIZE_MAX - 32);
	cr_expect_leq(torap_batch_size(batch), expected);
	cr_expect_not(batch->manifest->compressed);
}

/* Nothing is shown of a batch with a frame that cannot be read, however far the frames before it could. */
Test(compress, refuses_or_opens_whole_what_was_changed)
{
	seal_like(NORMAL, TAMPER, 60);
	cr_assert(batch->manifest->compressed);
	struct torap_buffer *frame = batch->frames[2];
	for (size_t i = TORAP_SALT_SIZE; i < frame->size; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct seen s = { 0 };
			struct torap_error err = { "" };
			frame->data[i] ^= (uint8_t)(1 << bit);
			int r = torap_batch_open(batch, see, &s, &err);
			cr_expect(r == 0 ? s.count == 60 : r == -EBADMSG && s.count == 0 && err.text[0]);
			frame->data[i] ^= (uint8_t)(1 << bit);
		}
	}
	expect_all(60);
}

Test(compress, refuses_frames_that_are_cut_off_anywhere)
{
	seal_like(NORMAL, TAMPER, 60);
	struct torap_buffer *whole = batch->frames[2];
	for (size_t size = 0; size < whole->size; size++) {
		struct seen s = { 0 };
		batch->frames[2] = torap_buffer_copy(torap_bytes(whole->data, size));
		cr_expect_eq(torap_batch_open(batch, see, &s, NULL), -EBADMSG, "cut at %zu", size);
		cr_expect_eq(s.count, 0);
		torap_buffer_unref(batch->frames[2]);
	}
	batch->frames[2] = whole;
	expect_all(60);
}
