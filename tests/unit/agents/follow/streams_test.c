#include "agents/follow/streams.h"

#include "tests/unit/agents/follow/received.h"

static struct received t;
static struct follow_streams streams;
static struct follow_stream *s;

static void make(void)
{
	struct torap_stream_id id = fixture_stream(RECEIVED_LANE);
	received_make(&t);
	s = follow_streams_add(&streams, &id);
}

static void clean(void)
{
	follow_streams_finish(&streams);
	received_remove(&t);
}

TestSuite(streams, .init = make, .fini = clean);

static enum follow_head_verdict show_head(int64_t at_us, uint64_t batches_ahead)
{
	for (uint64_t i = 0; i < batches_ahead; i++)
		torap_batch_destroy(received_seal(&t, 1));
	struct torap_buffer *bytes = torap_sealer_head(t.sealer, (struct torap_wall){ sealed_at.us + at_us });
	struct torap_head head;
	cr_assert_eq(torap_verify_head(&head, torap_buffer_bytes(bytes), torap_trust_lookup, t.trust),
		TORAP_VERDICT_GOOD);
	enum follow_head_verdict v = follow_stream_head(s, &head, bytes);
	torap_buffer_unref(bytes);
	return v;
}

Test(streams, finds_each_of_many_again)
{
	struct torap_stream_id id;
	for (uint64_t i = 0; i < 500; i++) {
		cr_assert(torap_stream_id_make(&id, "node-a", 2, (i * 7919) % 500));
		cr_assert_not_null(follow_streams_add(&streams, &id));
	}
	cr_assert_eq(streams.count, 501);
	for (uint64_t i = 0; i < 500; i++) {
		cr_assert(torap_stream_id_make(&id, "node-a", 2, i));
		cr_assert_eq(follow_streams_find(&streams, &id)->id.incarnation, i);
	}
	cr_assert(torap_stream_id_make(&id, "node-a", 2, 500));
	cr_assert_null(follow_streams_find(&streams, &id));
}

Test(streams, takes_batches_in_order_and_says_what_is_wrong_with_others)
{
	struct torap_batch *one = received_seal(&t, 1), *two = received_seal(&t, 1),
			   *three = received_seal(&t, 1);
	cr_assert_eq(follow_stream_check(s, t.trust, two), TORAP_VERDICT_GAP);
	cr_assert_eq(follow_stream_check(s, t.trust, one), TORAP_VERDICT_GOOD);
	cr_assert_eq(follow_stream_check(s, t.trust, one), TORAP_VERDICT_OLD);
	cr_assert_eq(follow_stream_check(s, t.trust, three), TORAP_VERDICT_GAP);
	two->frames[0]->data[20] ^= 1;
	cr_assert_eq(follow_stream_check(s, t.trust, two), TORAP_VERDICT_BAD_DIGEST);
	cr_assert_eq(s->at.next_batch, 2);
	two->frames[0]->data[20] ^= 1;
	cr_assert_eq(follow_stream_check(s, t.trust, two), TORAP_VERDICT_GOOD);
	torap_batch_destroy(one);
	torap_batch_destroy(two);
	torap_batch_destroy(three);
}

/* Three batches come from one broker; one is flushed when the subscriber turns to another, which has only that one; the others are flushed
 * then.  The other broker must not hear of them before it has sent them. */
Test(streams, owes_a_broker_only_what_it_has_shown)
{
	struct torap_batch *b[3];
	for (int i = 0; i < 3; i++) {
		b[i] = received_seal(&t, 1);
		cr_assert_eq(follow_stream_check(s, t.trust, b[i]), TORAP_VERDICT_GOOD);
		follow_stream_shown(s, b[i]->manifest);
	}
	follow_stream_flushed(s, b[0]);
	cr_expect_eq(follow_stream_owed(s)->next_batch, 2, "what is not flushed is not owed");
	follow_stream_greet(s);
	follow_stream_flushed(s, b[1]);
	follow_stream_flushed(s, b[2]);
	cr_expect_eq(follow_stream_owed(s)->next_batch, 2);
	follow_stream_shown(s, b[1]->manifest);
	cr_expect_eq(follow_stream_owed(s)->next_batch, 3);
	cr_expect_arr_eq(follow_stream_owed(s)->last_digest, b[1]->manifest->digest, TORAP_DIGEST_SIZE);
	follow_stream_shown(s, b[0]->manifest);
	cr_expect_eq(follow_stream_owed(s)->next_batch, 3, "one that comes again is an old one");
	follow_stream_shown(s, b[2]->manifest);
	cr_expect_eq(follow_stream_owed(s)->next_batch, 4);
	for (int i = 0; i < 3; i++)
		torap_batch_destroy(b[i]);
}

Test(streams, counts_what_a_head_announces_as_lag)
{
	cr_assert_eq(show_head(0, 0), FOLLOW_HEAD_NEWER);
	cr_assert_eq(follow_stream_lag(s, sealed_at).batches, 0);
	cr_assert_eq(show_head(1, 2), FOLLOW_HEAD_NEWER);
	struct follow_lag lag = follow_stream_lag(s, sealed_at);
	cr_assert_eq(lag.batches, 2);
	cr_assert_eq(lag.events, 2);
	cr_assert_eq(lag.bytes, 0, "nothing came, so nothing tells");
	struct torap_head same = s->head;
	cr_assert_eq(follow_stream_head(s, &same, s->head_bytes), FOLLOW_HEAD_OLDER);
}

/* One who is an hour behind must not look current because a head is two seconds old, nor one who was quiet for an hour look late. */
Test(streams, knows_how_old_what_is_missing_is)
{
	const int64_t second = TORAP_US_PER_S;
	struct torap_batch *one = received_seal(&t, 1);
	cr_assert_eq(show_head(10, 3), FOLLOW_HEAD_NEWER);
	cr_assert_eq(follow_stream_check(s, t.trust, one), TORAP_VERDICT_GOOD);
	follow_stream_flushed(s, one);
	struct follow_lag lag = follow_stream_lag(s, (struct torap_wall){ sealed_at.us + 3600 * second });
	cr_expect_eq(lag.events, 3);
	cr_expect_eq(lag.bytes, 3 * torap_batch_size(one));
	cr_expect_eq(lag.seconds, 3600, "since the last batch that is here");
	cr_expect_eq(
		follow_stream_lag(s, (struct torap_wall){ 0 }).seconds, 0, "a clock behind the writer's");
	torap_batch_destroy(one);
}

Test(streams, is_not_late_after_a_quiet_hour)
{
	struct torap_batch *one = received_seal(&t, 1);
	cr_assert_eq(follow_stream_check(s, t.trust, one), TORAP_VERDICT_GOOD);
	follow_stream_flushed(s, one);
	torap_batch_destroy(one);
	cr_assert_eq(show_head(100 * (int64_t)TORAP_US_PER_S, 0), FOLLOW_HEAD_NEWER);
	cr_assert_eq(show_head(101 * (int64_t)TORAP_US_PER_S, 1), FOLLOW_HEAD_NEWER);
	struct follow_lag lag =
		follow_stream_lag(s, (struct torap_wall){ sealed_at.us + 101 * (int64_t)TORAP_US_PER_S });
	cr_expect_eq(lag.events, 1);
	cr_expect_eq(lag.seconds, 1, "at the head before, nothing was missing");
}

/* The writer's journal was put back to an older state, and goes on as if nothing had been. */
Test(streams, sees_a_rollback_in_a_head_that_is_later_and_lower)
{
	cr_assert_eq(show_head(10, 2), FOLLOW_HEAD_NEWER);
	torap_sealer_destroy(t.sealer);
	t.sealer = fixture_sealer(RECEIVED_LANE, &t.key);
	cr_assert_eq(show_head(5, 1), FOLLOW_HEAD_OLDER, "one that was merely delayed");
	cr_assert_eq(show_head(20, 0), FOLLOW_HEAD_ROLLBACK);
	cr_assert_eq(s->head.last_batch, 2, "the first document is kept");
}

Test(streams, sees_a_fork_in_another_digest_under_a_known_number)
{
	cr_assert_eq(show_head(10, 2), FOLLOW_HEAD_NEWER);
	torap_sealer_destroy(t.sealer);
	t.sealer = fixture_sealer(RECEIVED_LANE, &t.key);
	cr_assert_eq(show_head(20, 2), FOLLOW_HEAD_FORK, "salts are random: these are other batches");
}

Test(streams, sees_a_fork_against_the_last_batch_that_was_received)
{
	struct torap_batch *b = received_seal(&t, 1);
	cr_assert_eq(follow_stream_check(s, t.trust, b), TORAP_VERDICT_GOOD);
	torap_batch_destroy(b);
	torap_sealer_destroy(t.sealer);
	t.sealer = fixture_sealer(RECEIVED_LANE, &t.key);
	cr_assert_eq(show_head(20, 1), FOLLOW_HEAD_FORK);
}

Test(streams, leaves_out_frames_of_regions_that_the_writer_may_not_speak_for)
{
	cr_assert_eq(fixture_add(t.sealer, fixture_class(RECEIVED_REGION, PANIC), "1", "anna", NULL), 0);
	cr_assert_eq(fixture_add(t.sealer, fixture_class(392410000, PANIC), "1", "anna", NULL), 0);
	struct torap_batch *b = fixture_seal(t.sealer);
	cr_assert_eq(follow_rights_enforce(b, t.trust), 2);
	for (unsigned g = 0; g < 2; g++) {
		const struct torap_group *group = &b->manifest->groups[g];
		bool own = group->class.region == RECEIVED_REGION;
		for (unsigned i = group->first_frame; i < group->first_frame + 2; i++) {
			cr_assert_eq(b->frames[i] != NULL, own);
			cr_assert(own || b->omissions[i] == TORAP__OMISSION_REASON__OMISSION_REFUSED);
		}
	}
	torap_batch_destroy(b);
}
