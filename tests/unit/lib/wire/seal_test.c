#include "fixture.h"

#include <stdio.h>

static struct torap_sign_key key;

static void make_key(void)
{
	key = fixture_key(1);
}

TestSuite(seal, .init = make_key);

/* What the opened events said, in their order. */
struct shown {
	unsigned count;
	struct {
		uint64_t seq;
		uint32_t region;
		char zone[16], user[16];
		size_t image_size;
	} events[TORAP_BATCH_EVENTS_MAX];
};

static int show(void *hint, const struct torap_opened *e)
{
	struct shown *s = hint;
	cr_assert_lt(s->count, TORAP_BATCH_EVENTS_MAX);
	s->events[s->count].seq = e->seq;
	s->events[s->count].region = e->group->class.region;
	snprintf(s->events[s->count].zone, 16, "%s", e->open ? e->open->zone : "-");
	snprintf(s->events[s->count].user, 16, "%s", e->personal ? e->personal->user : "-");
	s->events[s->count].image_size = e->image ? e->image->data.len : 0;
	s->count++;
	return 0;
}

static struct shown *open_all(const struct torap_batch *b)
{
	static struct shown s;
	struct torap_error err = { "" };
	s.count = 0;
	cr_assert_eq(torap_batch_open(b, show, &s, &err), 0, "%s", err.text);
	return &s;
}

Test(seal, gives_back_the_events_of_several_groups_in_order)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	char zone[16];
	for (unsigned i = 0; i < 100; i++) {
		uint64_t seq;
		snprintf(zone, sizeof zone, "z%u", i);
		cr_assert_eq(fixture_add(s, fixture_class(391010000 + i % 7, 1), zone, i % 3 ? NULL : "anna",
				     &seq),
			0);
		cr_assert_eq(seq, i + 1);
	}
	cr_assert_eq(torap_sealer_count(s), 100);
	struct torap_batch *b = fixture_seal(s);
	cr_assert_eq(b->manifest->groups_count, 7);
	cr_assert_eq(b->manifest->frames_count, 14);
	cr_assert_eq(torap_verify_batch(b, fixture_lookup, &key, NULL), TORAP_VERDICT_GOOD);

	struct shown *shown = open_all(b);
	cr_assert_eq(shown->count, 100);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(zone, sizeof zone, "z%u", i);
		cr_expect_eq(shown->events[i].seq, i + 1);
		cr_expect_eq(shown->events[i].region, 391010000 + i % 7);
		cr_expect_str_eq(shown->events[i].zone, zone);
		cr_expect_str_eq(shown->events[i].user, i % 3 ? "-" : "anna");
	}
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

/* Owners can withdraw one by one, so their events may never share a frame, nor one with those that need no consent. */
Test(seal, keeps_the_events_of_each_subject_apart)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_NORMAL, &key);
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	struct torap_event e = { .class = fixture_class(391010000, 20), .open = &open };
	uint64_t seq;
	cr_assert_eq(torap_sealer_add(s, &e, &seq), 0);
	e.has_subject = true; /* a subject of zeros is a subject */
	cr_assert_eq(torap_sealer_add(s, &e, &seq), 0);
	e.subject[15] = 1;
	cr_assert_eq(torap_sealer_add(s, &e, &seq), 0);
	cr_assert_eq(torap_sealer_add(s, &e, &seq), 0);
	struct torap_batch *b = fixture_seal(s);
	cr_assert_eq(b->manifest->groups_count, 3);
	cr_expect_not(b->manifest->groups[0].has_subject);
	cr_expect(b->manifest->groups[1].has_subject);
	cr_expect_eq(b->manifest->groups[2].subject[15], 1);
	cr_expect_eq(b->manifest->groups[2].count, 2);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

Test(seal, carries_an_image_in_a_frame_of_its_own)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_NORMAL, &key);
	static uint8_t picture[3 << 20];
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	Torap__EventImage image = TORAP__EVENT_IMAGE__INIT;
	image.data = (ProtobufCBinaryData){ sizeof picture, picture };
	struct torap_event e = { .class = fixture_class(391010000, 20), .open = &open, .image = &image };
	uint64_t seq;
	cr_assert_eq(torap_sealer_add(s, &e, &seq), 0);
	cr_assert_eq(torap_sealer_add(s, &e, &seq), 0);
	cr_assert_eq(torap_sealer_add(s, &e, &seq), TORAP_SEAL_FULL); /* 9 MiB of images */
	cr_assert_eq(torap_sealer_count(s), 2);
	struct torap_batch *b = fixture_seal(s);
	cr_assert_eq(b->manifest->frames_count, 2);
	cr_assert_eq(b->manifest->groups[0].parts[1].part, TORAP__PART_KIND__PART_IMAGE);
	cr_assert_eq(open_all(b)->events[1].image_size, sizeof picture);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

Test(seal, chains_each_batch_to_the_one_before)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	struct torap_position at = { .next_batch = 1, .next_seq = 1 };
	for (unsigned i = 1; i <= 5; i++) {
		for (unsigned j = 0; j < i; j++)
			cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "1", NULL, NULL), 0);
		struct torap_batch *b = fixture_seal(s);
		cr_assert_eq(b->manifest->batch_no, i);
		cr_assert_eq(b->manifest->count, i);
		cr_assert_eq(torap_verify_chain(&at, b->manifest), TORAP_VERDICT_GOOD);
		torap_position_advance(&at, b->manifest);
		torap_batch_destroy(b);
	}
	cr_assert_eq(torap_sealer_next_seq(s), 16);
	torap_sealer_destroy(s);
}

/* After a restart nothing but numbers, digest and key remain. */
Test(seal, continues_a_stream_from_its_last_digest)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	struct torap_position at = { .next_batch = 1, .next_seq = 1 };
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "1", NULL, NULL), 0);
	struct torap_batch *b = fixture_seal(s);
	torap_position_advance(&at, b->manifest);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);

	struct torap_stream_id id = fixture_stream(TORAP__LANE__LANE_CRITICAL);
	cr_assert_eq(torap_sealer_create(&s, &id, 1, 2, at.last_digest, &key, NULL), 0);
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "2", NULL, NULL), 0);
	b = fixture_seal(s);
	cr_assert_eq(torap_verify_chain(&at, b->manifest), TORAP_VERDICT_GOOD);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

/* Equal events must not be recognisable by the digests of their frames. */
Test(seal, salts_each_frame_anew)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	struct torap_batch *b[2];
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "1", "anna", NULL), 0);
		b[i] = fixture_seal(s);
	}
	for (unsigned i = 0; i < 2; i++)
		cr_expect_arr_neq(b[0]->digests->data + (size_t)i * TORAP_DIGEST_SIZE,
			b[1]->digests->data + (size_t)i * TORAP_DIGEST_SIZE, TORAP_DIGEST_SIZE);
	cr_expect_arr_neq(b[0]->frames[0]->data, b[0]->frames[1]->data, TORAP_SALT_SIZE);
	torap_batch_destroy(b[0]);
	torap_batch_destroy(b[1]);
	torap_sealer_destroy(s);
}

Test(seal, is_full_after_4096_events_and_goes_on_when_sealed)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_BULK, &key);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < TORAP_BATCH_EVENTS_MAX; i++)
			cr_assert_eq(
				fixture_add(s, fixture_class(391010000 + i % 3, 1000), "1", NULL, NULL), 0);
		cr_assert_eq(
			fixture_add(s, fixture_class(391010000, 1000), "1", NULL, NULL), TORAP_SEAL_FULL);
		struct torap_batch *b = fixture_seal(s);
		cr_assert_eq(open_all(b)->count, TORAP_BATCH_EVENTS_MAX);
		torap_batch_destroy(b);
	}
	cr_assert_eq(torap_sealer_next_seq(s), 2 * TORAP_BATCH_EVENTS_MAX + 1);
	torap_sealer_destroy(s);
}

/* The widest manifest there can be, each number in it as long as it gets. */
Test(seal, is_full_after_256_groups_with_a_manifest_within_its_limit)
{
	struct torap_stream_id id;
	uint8_t digest[TORAP_DIGEST_SIZE] = { 1 };
	struct torap_sealer *s = NULL;
	cr_assert(torap_stream_id_make(&id, "node-0123456789-0123456789-01234", TORAP__LANE__LANE_CRITICAL,
			  UINT64_MAX) == false);
	cr_assert(torap_stream_id_make(
		&id, "node-0123456789-0123456789-0123", TORAP__LANE__LANE_CRITICAL, UINT64_MAX));
	cr_assert_eq(
		torap_sealer_create(&s, &id, UINT64_MAX - 2000, UINT64_MAX - 1000, digest, &key, NULL), 0);

	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	Torap__EventPersonal personal = TORAP__EVENT_PERSONAL__INIT;
	Torap__EventImage image = TORAP__EVENT_IMAGE__INIT;
	struct torap_event e = { .class = { 999999999, 65535, 65535, TORAP__SEVERITY__SEVERITY_CRITICAL },
		.has_subject = true,
		.open = &open,
		.personal = &personal,
		.image = &image };
	uint64_t seq;
	for (unsigned i = 0; i < TORAP_BATCH_GROUPS_MAX; i++) {
		e.subject[0] = (uint8_t)i;
		cr_assert_eq(torap_sealer_add(s, &e, &seq), 0);
	}
	e.subject[1] = 1;
	cr_assert_eq(torap_sealer_add(s, &e, &seq), TORAP_SEAL_FULL);
	e.subject[1] = 0;
	cr_assert_eq(torap_sealer_add(s, &e, &seq), 0);

	size_t expected = torap_sealer_size(s);
	struct torap_batch *b = fixture_seal(s);
	cr_expect_eq(b->manifest->groups_count, TORAP_BATCH_GROUPS_MAX);
	cr_expect_leq(b->signed_manifest->size, TORAP_MANIFEST_SIZE_MAX);
	cr_expect_leq(torap_batch_size(b), expected);
	cr_expect_eq(torap_verify_batch(b, (torap_key_lookup)fixture_lookup, &key, NULL),
		TORAP_VERDICT_UNKNOWN_KEY);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

Test(seal, is_full_when_a_frame_would_pass_its_limit)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	char *user = calloc(1, 50001);
	memset(user, 'x', 50000);
	unsigned added = 0;
	while (fixture_add(s, fixture_class(391010000, 1), "1", user, NULL) == 0)
		added++;
	cr_assert_eq(added, TORAP_FRAME_SIZE_MAX / 50010);
	/* Only that group is full. */
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "1", NULL, NULL), 0);
	cr_assert_eq(fixture_add(s, fixture_class(391020000, 1), "1", user, NULL), 0);
	struct torap_batch *b = fixture_seal(s);
	cr_assert_eq(open_all(b)->count, added + 2);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
	free(user);
}

Test(seal, is_full_before_the_batch_passes_16_mib)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	char *user = calloc(1, 50001);
	memset(user, 'x', 50000);
	unsigned added = 0;
	while (fixture_add(s, fixture_class(391000000 + added % 100, 1), "1", user, NULL) == 0)
		added++;
	struct torap_batch *b = fixture_seal(s);
	size_t size = torap_batch_size(b) - b->signed_manifest->size;
	cr_expect_leq(size, TORAP_BATCH_SIZE_MAX);
	cr_expect_gt(size, TORAP_BATCH_SIZE_MAX - 51000);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
	free(user);
}

Test(seal, refuses_an_event_that_can_never_fit_and_changes_nothing)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	char *user = calloc(1, TORAP_EVENT_PART_SIZE_MAX + 1);
	memset(user, 'x', TORAP_EVENT_PART_SIZE_MAX);
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "1", user, NULL), TORAP_SEAL_TOO_BIG);
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), user, NULL, NULL), TORAP_SEAL_TOO_BIG);
	cr_assert_eq(torap_sealer_count(s), 0);
	cr_assert_eq(torap_sealer_size(s), 0);
	cr_assert_eq(torap_sealer_next_seq(s), 1);
	torap_sealer_destroy(s);
	free(user);
}

Test(seal, refuses_a_class_of_another_lane)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_NORMAL, &key);
	cr_expect_lt(fixture_add(s, fixture_class(391010000, 1), "1", NULL, NULL), 0);
	cr_expect_lt(fixture_add(s, fixture_class(391010000, 1000), "1", NULL, NULL), 0);
	cr_expect_lt(fixture_add(s, fixture_class(1000000000, 20), "1", NULL, NULL), 0);
	cr_expect_eq(fixture_add(s, fixture_class(391010000, 20), "1", NULL, NULL), 0);
	torap_sealer_destroy(s);
}

/* What the batcher plans with must never be less than what goes out. */
Test(seal, tells_a_size_that_the_batch_does_not_pass)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_NORMAL, &key);
	for (unsigned i = 0; i < 300; i++) {
		cr_assert_eq(fixture_add(s, fixture_class(391010000 + i % 20, 20), "zone",
				     i % 2 ? "anna" : NULL, NULL),
			0);
		if (i % 10)
			continue;
		size_t expected = torap_sealer_size(s);
		struct torap_batch *b = fixture_seal(s);
		cr_expect_leq(torap_batch_size(b), expected);
		cr_expect_lt(expected - torap_batch_size(b), 128 + 60 * b->manifest->groups_count);
		torap_batch_destroy(b);
	}
	torap_sealer_destroy(s);
}

Test(seal, signs_a_head_of_what_was_sealed)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	struct torap_head head;
	struct torap_buffer *bytes = torap_sealer_head(s, sealed_at);
	cr_assert_eq(torap_verify_head(&head, torap_buffer_bytes(bytes), fixture_lookup, &key),
		TORAP_VERDICT_GOOD);
	cr_expect_eq(head.last_batch, 0);
	cr_expect_eq(head.next_seq, 1);
	cr_expect_not(head.has_digest);
	cr_expect_eq(head.canary_s, 0);
	torap_buffer_unref(bytes);

	torap_sealer_canary(s, 2 * TORAP_US_PER_S + 1);
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "1", NULL, NULL), 0);
	struct torap_batch *b = fixture_seal(s);
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "2", NULL, NULL), 0);
	bytes = torap_sealer_head(s, sealed_at);
	cr_assert_eq(torap_verify_head(&head, torap_buffer_bytes(bytes), fixture_lookup, &key),
		TORAP_VERDICT_GOOD);
	cr_expect_eq(head.last_batch, 1);
	cr_expect_eq(head.next_seq, 2, "an event that is not sealed is not part of a head");
	cr_expect_eq(head.at.us, sealed_at.us + 1, "later than the batch");
	cr_expect_eq(head.canary_s, 3, "rounded up");
	cr_expect_arr_eq(head.last_digest, b->manifest->digest, TORAP_DIGEST_SIZE);

	/* Any bit of it flipped is found. */
	for (size_t bit = 0; bit < 8 * bytes->size; bit++) {
		bytes->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_expect_neq(torap_verify_head(&head, torap_buffer_bytes(bytes), fixture_lookup, &key),
			TORAP_VERDICT_GOOD, "bit %zu", bit);
		bytes->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	torap_buffer_unref(bytes);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
}

static int64_t dated(struct torap_sealer *s, int64_t clock_us)
{
	struct torap_batch *b;
	struct torap_error err;
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "1", NULL, NULL), 0);
	cr_assert_eq(torap_sealer_seal(s, (struct torap_wall){ clock_us }, &b, &err), 0, "%s", err.text);
	int64_t at_us = b->manifest->sealed_at_us;
	torap_batch_destroy(b);
	return at_us;
}

static int64_t dated_head(struct torap_sealer *s, int64_t clock_us)
{
	struct torap_head head;
	struct torap_buffer *bytes = torap_sealer_head(s, (struct torap_wall){ clock_us });
	cr_assert_eq(torap_verify_head(&head, torap_buffer_bytes(bytes), fixture_lookup, &key),
		TORAP_VERDICT_GOOD);
	torap_buffer_unref(bytes);
	return head.at.us;
}

/* A clock that jumped out of the key's time: nobody could believe what it dates, and the stream could never go on. */
Test(seal, dates_what_it_signs_within_the_time_of_its_key)
{
	struct torap_sign_key timed = key;
	timed.from.us = 1000;
	timed.until.us = 2000;
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &timed);
	cr_expect_eq(dated_head(s, 1500), 1000, "of nothing nothing is dated");
	cr_expect_eq(dated(s, -5), 1000);
	cr_expect_eq(dated_head(s, 999), 1001);
	cr_expect_eq(dated(s, 1500), 1500);
	cr_expect_eq(dated(s, 2000), 1999);
	cr_expect_eq(dated_head(s, INT64_MAX), 1999);
	torap_sealer_destroy(s);
}

/* Of a quiet lane, or with a clock that was set back: a head that is not later than the one before is taken for it, and the writer for
 * silent. */
Test(seal, dates_each_head_later_than_the_one_before)
{
	const int64_t ahead_us = (int64_t)TORAP_HEAD_AHEAD_S * TORAP_US_PER_S,
		      hour_us = 3600 * (int64_t)TORAP_US_PER_S;
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	int64_t last_us = dated(s, hour_us), before_us = last_us;
	for (int64_t i = 0; i < 2000; i++) {
		int64_t at_us = dated_head(s, i < 1000 ? hour_us + i * 2 * TORAP_US_PER_S : i);
		cr_assert_gt(at_us, before_us, "head %d", (int)i);
		cr_assert_leq(at_us, last_us + ahead_us);
		before_us = at_us;
	}
	cr_expect_geq(dated(s, 0), before_us);
	torap_sealer_destroy(s);
}

/* An older head that a broker which lags still shows must not look later than a newer one: neither when the clock goes back, nor when it
 * does so while the process is down. */
Test(seal, dates_nothing_before_what_was_dated_earlier)
{
	const int64_t ahead_us = (int64_t)TORAP_HEAD_AHEAD_S * TORAP_US_PER_S;
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	cr_expect_eq(dated(s, 5000), 5000);
	cr_expect_eq(dated_head(s, 7000), 7000);
	cr_expect_eq(dated(s, 6000), 7000);
	cr_expect_eq(dated_head(s, 100), 7001);
	int64_t last_us = dated(s, 8000);
	int64_t head_us = dated_head(s, INT64_MAX);
	cr_expect_leq(head_us, last_us + ahead_us, "a head cannot be later than the next process knows");

	struct torap_sealer *same = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	torap_sealer_dated(same, (struct torap_wall){ last_us }, s);
	cr_expect_eq(dated(same, 0), head_us);
	torap_sealer_destroy(same);
	torap_sealer_destroy(s);

	struct torap_sealer *next = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	torap_sealer_dated(next, (struct torap_wall){ last_us }, NULL);
	cr_expect_eq(dated(next, 0), last_us + ahead_us);
	cr_expect_eq(dated(next, last_us + ahead_us + 7), last_us + ahead_us + 7);
	torap_sealer_destroy(next);
}
