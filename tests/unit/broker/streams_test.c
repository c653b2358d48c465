/* What the loop knows of streams: heads that only move forward, memory that is bounded and without holes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "broker/streams.h"

static struct torap_stream_id stream_id(const char *writer, uint64_t incarnation)
{
	struct torap_stream_id id;
	cr_assert(torap_stream_id_make(&id, writer, TORAP__LANE__LANE_NORMAL, incarnation));
	return id;
}

/* Only what streams.c looks at. */
static struct torap_batch *batch(uint64_t no, uint32_t count, size_t size)
{
	struct torap_batch *b = calloc(1, sizeof *b);
	b->manifest = calloc(1, sizeof *b->manifest);
	b->manifest->batch_no = no;
	b->manifest->first_seq = 1 + (no - 1) * count;
	b->manifest->count = count;
	b->signed_manifest = torap_buffer_create(size);
	return b;
}

static struct broker_recent *flush(
	struct broker_streams *streams, struct broker_stream *s, uint64_t no, size_t size)
{
	struct torap_batch *b = batch(no, 10, size);
	struct broker_recent *e = broker_stream_flushed(streams, s, &b, (struct torap_wall){ (int64_t)no });
	cr_assert_null(b);
	return e;
}

Test(streams, are_found_by_their_whole_id)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id a = stream_id("node-a", 1), b = stream_id("node-a", 2),
			       c = stream_id("node-c", 1);
	struct broker_stream *sa = broker_streams_add(streams, &a), *sb = broker_streams_add(streams, &b);
	cr_expect_eq(broker_streams_find(streams, &a), sa);
	cr_expect_eq(broker_streams_find(streams, &b), sb);
	cr_expect_null(broker_streams_find(streams, &c));
	cr_expect_eq(sb->place, 1);
	broker_streams_destroy(streams);
}

Test(streams, refuse_more_than_the_limit)
{
	struct broker_streams *streams = broker_streams_create();
	for (uint64_t i = 0; i < TORAP_STREAMS_MAX; i++) {
		struct torap_stream_id id = stream_id("node-a", i);
		cr_assert_not_null(broker_streams_add(streams, &id));
	}
	struct torap_stream_id id = stream_id("node-b", 1);
	cr_expect_null(broker_streams_add(streams, &id));
	broker_streams_destroy(streams);
}

/* A writer that opens incarnation after incarnation must not use up what belongs to all. */
Test(streams, keep_room_for_other_writers)
{
	struct broker_streams *streams = broker_streams_create();
	for (uint64_t i = 0; i < BROKER_STREAMS_OF_WRITER_MAX; i++) {
		struct torap_stream_id id = stream_id("node-a", i);
		cr_assert(broker_streams_have_room(streams, &id));
		cr_assert_not_null(broker_streams_add(streams, &id));
	}
	struct torap_stream_id mad = stream_id("node-a", 1000), other = stream_id("node-b", 1), lane;
	cr_assert(torap_stream_id_make(&lane, "node-a", TORAP__LANE__LANE_CRITICAL, 1));
	cr_expect(!broker_streams_have_room(streams, &mad));
	cr_expect(broker_streams_have_room(streams, &other));
	cr_expect(broker_streams_have_room(streams, &lane));
	broker_streams_destroy(streams);
}

Test(streams, keep_the_newest_batches_without_a_hole)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id a = stream_id("node-a", 1), b = stream_id("node-b", 1);
	struct broker_stream *fast = broker_streams_add(streams, &a), *slow = broker_streams_add(streams, &b);
	flush(streams, slow, 1, 100);
	for (uint64_t no = 1; no <= 1000; no++)
		flush(streams, fast, no, 100);
	cr_expect_eq(broker_stream_last(fast), 1000);
	for (uint64_t no = 0; no <= 1001; no++)
		cr_expect_eq(
			broker_stream_recent(fast, no) != NULL, no > 1000 - BROKER_RECENT_MAX && no <= 1000);
	cr_expect_not_null(broker_stream_recent(slow, 1), "a fast stream must not push out a slow one's");
	cr_expect_eq(streams->recent_bytes, (BROKER_RECENT_MAX + 1) * 100);
	broker_streams_destroy(streams);
}

Test(streams, stay_within_their_memory_and_let_the_oldest_of_all_go_first)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id a = stream_id("node-a", 1), b = stream_id("node-b", 1);
	struct broker_stream *one = broker_streams_add(streams, &a), *two = broker_streams_add(streams, &b);
	for (uint64_t no = 1; no <= 20; no++) {
		flush(streams, one, no, 4 << 20);
		flush(streams, two, no, 4 << 20);
		cr_assert_leq(streams->recent_bytes, BROKER_RECENT_BYTES_MAX);
	}
	cr_expect_not_null(broker_stream_recent(one, 20));
	cr_expect_not_null(broker_stream_recent(two, 13));
	cr_expect_null(broker_stream_recent(two, 12));
	cr_expect_null(broker_stream_recent(one, 12));
	broker_streams_destroy(streams);
}

Test(streams, fall_back_to_what_is_flushed_when_a_commit_fails)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id a = stream_id("node-a", 1);
	struct broker_stream *s = broker_streams_add(streams, &a);
	flush(streams, s, 1, 100);
	s->accepted.next_batch = 7;
	broker_stream_fall_back(s);
	cr_expect_eq(s->accepted.next_batch, 2);
	cr_expect_eq(s->accepted.next_seq, 11);
	broker_streams_destroy(streams);
}

Test(streams, know_where_event_numbers_stand_exactly_in_memory_and_about_beyond)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id a = stream_id("node-a", 1);
	struct broker_stream *s = broker_streams_add(streams, &a);
	for (uint64_t no = 1; no <= 500; no++)
		flush(streams, s, no, 100);
	cr_expect_eq(broker_stream_seq_at(s, 1), 1);
	cr_expect_eq(broker_stream_seq_at(s, 400), 3991);
	cr_expect_eq(broker_stream_seq_at(s, 501), 5001);
	cr_expect_eq(
		broker_stream_seq_at(s, 101), 1001, "batches are equal here, so the proportion is exact");
	broker_streams_destroy(streams);
}

static enum broker_head_answer head(struct broker_stream *s, int64_t at_us, uint64_t last)
{
	struct torap_head h = { .stream = s->id, .last_batch = last, .at = { at_us } };
	struct torap_buffer *bytes = torap_buffer_create(1);
	enum broker_head_answer answer = broker_stream_head(s, &h, bytes);
	torap_buffer_unref(bytes);
	return answer;
}

Test(streams, take_the_newest_head_and_name_a_rollback)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id a = stream_id("node-a", 1);
	struct broker_stream *s = broker_streams_add(streams, &a);
	for (uint64_t no = 1; no <= 5; no++)
		flush(streams, s, no, 100);
	cr_expect_eq(head(s, 100, 5), BROKER_HEAD_NEW);
	cr_expect_eq(head(s, 90, 9), BROKER_HEAD_OLD);
	cr_expect_eq(head(s, 100, 5), BROKER_HEAD_OLD);
	cr_expect_eq(head(s, 200, 8), BROKER_HEAD_NEW, "ahead of what is here is lag, not a rollback");
	cr_expect_eq(head(s, 300, 6), BROKER_HEAD_ROLLBACK);
	cr_expect_eq(s->head_read.last_batch, 6, "the proof is kept and passed on");
	cr_expect_eq(head(s, 400, 3), BROKER_HEAD_ROLLBACK);
	cr_expect_eq(s->heads, 4);
	broker_streams_destroy(streams);
}

static struct torap_head head_of(const struct broker_stream *s, int64_t at_s, uint64_t last, uint8_t digest)
{
	return (struct torap_head){ .stream = s->id,
		.last_batch = last,
		.has_digest = true,
		.last_digest = { digest },
		.at = { at_s * TORAP_US_PER_S } };
}

static enum broker_head_answer show(struct broker_stream *s, struct torap_head h)
{
	struct torap_buffer *bytes = torap_buffer_create(1);
	enum broker_head_answer answer = broker_stream_head(s, &h, bytes);
	torap_buffer_unref(bytes);
	return answer;
}

/* Batches 1 to 3, sealed at 100 s, 200 s and 300 s, with digests that begin with their numbers. */
static struct broker_stream *three_batches(struct broker_streams *streams)
{
	struct torap_stream_id id = stream_id("node-a", 1);
	struct broker_stream *s = broker_streams_add(streams, &id);
	for (uint64_t no = 1; no <= 3; no++) {
		struct torap_batch *b = batch(no, 10, 100);
		b->manifest->sealed_at_us = 100 * (int64_t)no * TORAP_US_PER_S;
		b->manifest->digest[0] = (uint8_t)no;
		broker_stream_flushed(streams, s, &b, (struct torap_wall){ 1 });
	}
	return s;
}

/* A head of another way, older than what is here already: its broker is behind, and its writer honest. */
Test(streams, take_a_head_from_who_is_merely_behind_for_no_rollback)
{
	struct broker_streams *streams = broker_streams_create();
	struct broker_stream *s = three_batches(streams);
	cr_expect_eq(show(s, head_of(s, 150, 1, 1)), BROKER_HEAD_NEW);
	cr_expect_eq(show(s, head_of(s, 301, 3, 3)), BROKER_HEAD_NEW);
	cr_expect_eq(show(s, head_of(s, 250, 2, 2)), BROKER_HEAD_OLD);
	broker_streams_destroy(streams);
}

Test(streams, name_a_head_that_forgets_a_batch_long_sealed)
{
	struct broker_streams *streams = broker_streams_create();
	struct broker_stream *s = three_batches(streams);
	cr_expect_eq(show(s, head_of(s, 330, 2, 2)), BROKER_HEAD_NEW, "a clock may have been set right");
	cr_expect_eq(show(s, head_of(s, 400, 2, 2)), BROKER_HEAD_ROLLBACK);
	broker_streams_destroy(streams);
}

Test(streams, name_a_head_that_says_another_digest_of_a_batch)
{
	struct broker_streams *streams = broker_streams_create();
	struct broker_stream *s = three_batches(streams);
	cr_expect_eq(show(s, head_of(s, 301, 3, 9)), BROKER_HEAD_FORK);
	cr_expect_eq(show(s, head_of(s, 301, 2, 9)), BROKER_HEAD_FORK);
	cr_expect_null(s->head, "it is not passed on");
	cr_expect_eq(show(s, head_of(s, 301, 7, 7)), BROKER_HEAD_NEW);
	cr_expect_eq(
		show(s, head_of(s, 302, 7, 8)), BROKER_HEAD_FORK, "two heads about what is not here yet");
	broker_streams_destroy(streams);
}

/* A batch with two frames of which this copy has those that are named in `frames`. */
static struct torap_batch *partial(uint64_t no, const char *frames)
{
	struct torap_batch *b = batch(no, 1, 100);
	b->manifest->frames_count = 2;
	for (unsigned i = 0; i < 2; i++)
		if (strchr(frames, '0' + (int)i))
			b->frames[i] = torap_buffer_create(50);
	return b;
}

Test(streams, merge_the_frames_of_a_partial_copy)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id id = stream_id("node-a", 1);
	struct broker_stream *s = broker_streams_add(streams, &id);
	struct torap_batch *open = partial(1, "0"), *whole = partial(1, "01"), *again = partial(1, "0");
	broker_stream_flushed(streams, s, &open, (struct torap_wall){ 1 });
	cr_expect(broker_stream_holds(s, again));
	cr_expect(!broker_stream_holds(s, whole));
	size_t before = streams->recent_bytes;
	broker_stream_merged(streams, s, whole);
	cr_expect(broker_stream_holds(s, whole));
	cr_expect_eq(streams->recent_bytes, before + 50);
	torap_batch_destroy(whole);
	torap_batch_destroy(again);
	cr_expect_not_null(broker_stream_recent(s, 1)->batch->frames[1], "it has its own reference");
	broker_streams_destroy(streams);
}

Test(streams, begin_in_the_middle_when_the_first_batch_is_on_the_disk_and_not_before)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id id = stream_id("node-a", 1);
	struct broker_stream *s = broker_streams_add(streams, &id);
	broker_stream_begin(s, 40);
	cr_expect_eq(s->accepted.next_batch, 40);
	cr_expect_eq(broker_stream_due(s), 40);
	cr_expect_eq(broker_stream_last(s), 0, "nobody is told of what is not there");
	broker_stream_fall_back(s);
	cr_expect_eq(s->accepted.next_batch, 1, "a writer may bring it from the begin");
	broker_stream_begin(s, 40);
	flush(streams, s, 40, 100);
	cr_expect_eq(s->first_batch, 40);
	cr_expect_eq(broker_stream_last(s), 40);
	cr_expect_null(broker_stream_recent(s, 39));
	flush(streams, s, 41, 100);
	cr_expect_eq(s->first_batch, 40);
	broker_streams_destroy(streams);
}

/* A batch that came with a frame damaged, and again with it: feeds that read memory get it, and what memory costs is known. */
Test(streams, give_a_batch_in_memory_the_frames_that_came_again)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id id = stream_id("node-a", 1);
	struct broker_stream *s = broker_streams_add(streams, &id);
	struct torap_batch *first = batch(1, 10, 100), *again = batch(1, 10, 100);
	first->manifest->frames_count = again->manifest->frames_count = 2;
	first->frames[1] = torap_buffer_create(30);
	again->frames[0] = torap_buffer_create(50);
	again->frames[1] = torap_buffer_create(30);
	again->digests = torap_buffer_create(64);
	struct torap_buffer *kept = first->frames[1];
	struct broker_recent *e = broker_stream_flushed(streams, s, &first, (struct torap_wall){ 1 });
	size_t before = streams->recent_bytes;
	broker_stream_merged(streams, s, again);
	broker_stream_merged(streams, s, again);
	cr_expect_eq(e->batch->frames[0], again->frames[0]);
	cr_expect_eq(e->batch->frames[1], kept, "what was there stays");
	cr_expect_eq(e->batch->digests, again->digests);
	cr_expect_eq(streams->recent_bytes, before + 50 + 64);
	flush(streams, s, 2, 100);
	broker_stream_merged(streams, s, again);
	torap_batch_destroy(again);
	broker_streams_destroy(streams);
}
