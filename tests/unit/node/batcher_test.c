#include "node/batcher.h"

#include "tests/unit/node/fixture.h"

enum { MAP = 64 << 20 };

static int add_normal(struct fixture *f, struct told *t, int zone)
{
	return fixture_add(f, t, TORAP__KIND__KIND_BURGLARY, TORAP__SEVERITY__SEVERITY_HIGH, zone);
}

static int add_critical(struct fixture *f, struct told *t, int zone)
{
	return fixture_add(f, t, TORAP__KIND__KIND_PANIC, TORAP__SEVERITY__SEVERITY_CRITICAL, zone);
}

struct seen {
	uint64_t seq[4096];
	int zone[4096];
	size_t count;
};

static int on_event(void *hint, const struct torap_opened *e)
{
	struct seen *seen = hint;
	seen->seq[seen->count] = e->seq;
	seen->zone[seen->count++] = atoi(e->open->zone);
	return 0;
}

static void read_stream(const struct fixture *f, uint32_t lane, struct seen *seen)
{
	seen->count = 0;
	fixture_read(f, lane, on_event, seen);
}

/* Kills the process between "durable" and "sealed": what was promised under a number must come out under that number. */
Test(batcher, keeps_numbers_over_a_crash_between_unsealed_and_sealed)
{
	static struct seen seen;
	struct fixture f;
	struct told told[7];
	fixture_begin(&f, MAP);
	for (int i = 0; i < 7; i++) {
		cr_assert_eq(add_normal(&f, &told[i], i), 0);
		if (i == 3)
			fixture_settle(&f); /* Two commits before the crash. */
	}
	fixture_settle(&f);
	for (int i = 0; i < 7; i++)
		cr_expect_eq(
			told[i].result, NODE_ENTRY_DURABLE, "event %d is durable before it is sealed", i);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.batch_no, 0);
	cr_expect_eq(node_batcher_next_seq(f.batcher, NORMAL), 8);
	struct torap_stream_id before = fixture_stream(&f, NORMAL)->id;

	fixture_crash(&f);
	fixture_open(&f);
	cr_expect(torap_stream_id_equal(&before, &fixture_stream(&f, NORMAL)->id));
	cr_expect_eq(node_batcher_next_seq(f.batcher, NORMAL), 8);
	fixture_settle(&f);
	read_stream(&f, NORMAL, &seen);
	cr_assert_eq(seen.count, 7);
	for (int i = 0; i < 7; i++) {
		cr_expect_eq(seen.seq[i], (uint64_t)i + 1);
		cr_expect_eq(seen.zone[i], i);
	}
	/* And the rows are gone: another start finds nothing to seal. */
	fixture_crash(&f);
	fixture_open(&f);
	cr_expect_eq(node_batcher_counts(f.batcher, NORMAL).unsealed, 0);
	cr_expect_eq(node_batcher_next_seq(f.batcher, NORMAL), 8);
	fixture_end(&f);
}

Test(batcher, seals_an_alarm_at_once_and_lets_others_wait_their_delay)
{
	struct fixture f;
	struct told alarm, other;
	fixture_begin(&f, MAP);
	add_critical(&f, &alarm, 1);
	add_normal(&f, &other, 2);
	fixture_settle(&f);
	cr_expect_eq(fixture_stream(&f, CRITICAL)->sealed.batch_no, 1);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.batch_no, 0);
	fixture_pass(&f, 199);
	fixture_settle(&f);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.batch_no, 0);
	fixture_pass(&f, 1);
	fixture_settle(&f);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.batch_no, 1);
	fixture_end(&f);
}

/* Whoever comes after a quiet time has nobody to wait for; whoever comes soon after it does. */
Test(batcher, lets_the_first_after_a_quiet_time_not_wait)
{
	struct fixture f;
	struct told told[3];
	fixture_begin(&f, MAP);
	fixture_pass(&f, 200);
	add_normal(&f, &told[0], 0);
	fixture_settle(&f);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.batch_no, 1);
	fixture_pass(&f, 50);
	add_normal(&f, &told[1], 1);
	fixture_settle(&f);
	fixture_pass(&f, 149);
	add_normal(&f, &told[2], 2);
	fixture_settle(&f);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.batch_no, 1);
	fixture_pass(&f, 1);
	fixture_settle(&f);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.batch_no, 2);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.next_seq, 4);
	fixture_end(&f);
}

Test(batcher, seals_without_delay_when_many_wait)
{
	struct fixture f;
	struct told *told = calloc(NODE_SEAL_EVENTS, sizeof *told);
	fixture_begin(&f, MAP);
	for (int i = 0; i < NODE_SEAL_EVENTS; i++)
		add_normal(&f, &told[i], i);
	fixture_settle(&f);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.batch_no, 1);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.next_seq, NODE_SEAL_EVENTS + 1);
	fixture_end(&f);
	free(told);
}

/* More than a batch holds, in one round: two batches, and the second goes on where the first ended. */
Test(batcher, parts_what_does_not_fit_into_one_batch)
{
	enum { EVENTS = TORAP_BATCH_EVENTS_MAX + 10 };
	struct fixture f;
	struct told *told = calloc(EVENTS, sizeof *told);
	fixture_begin(&f, MAP);
	for (int i = 0; i < EVENTS; i++)
		cr_assert_eq(add_normal(&f, &told[i], i), 0);
	fixture_settle(&f);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.batch_no, 2);
	cr_expect_eq(fixture_stream(&f, NORMAL)->sealed.next_seq, EVENTS + 1);
	fixture_end(&f);
	free(told);
}

/* A crowd of all severities comes in one round, for a link of 1 Mbit/s: whatever stands in front of an alarm is short. */
Test(batcher, seals_small_batches_for_a_slow_link)
{
	enum { EVENTS = 1000, LIMIT = 16 << 10 };
	static struct seen seen;
	struct fixture f;
	struct told *told = calloc(3 * EVENTS, sizeof *told);
	fixture_begin(&f, MAP);
	fixture_crash(&f);
	f.seal_bytes = LIMIT;
	fixture_open(&f);
	for (int i = 0; i < EVENTS; i++) {
		add_critical(&f, &told[3 * i], i);
		add_normal(&f, &told[3 * i + 1], i);
		fixture_add(&f, &told[3 * i + 2], TORAP__KIND__KIND_MOTION,
			TORAP__SEVERITY__SEVERITY_INFORMATION, i);
	}
	fixture_settle(&f);
	fixture_pass(&f, 1000);
	fixture_settle(&f);
	cr_expect_leq(f.biggest, LIMIT);
	cr_expect_gt(f.biggest, LIMIT / 2, "nor smaller than need be");
	for (uint32_t lane = CRITICAL; lane <= BULK; lane++) {
		read_stream(&f, lane, &seen);
		cr_assert_eq(seen.count, EVENTS);
		for (size_t i = 0; i < EVENTS; i++)
			cr_expect_eq(seen.zone[i], (int)i);
	}
	fixture_end(&f);
	free(told);
}

/* The operator says of a link that it is slow, and what is unsealed was numbered before he did. */
Test(batcher, starts_with_more_unsealed_than_a_new_limit_allows)
{
	static struct seen seen;
	struct fixture f;
	struct told told[NODE_SEAL_EVENTS - 1], one;
	fixture_begin(&f, MAP);
	for (int i = 0; i < NODE_SEAL_EVENTS - 1; i++)
		add_normal(&f, &told[i], i);
	fixture_settle(&f);
	cr_assert_eq(node_batcher_counts(f.batcher, NORMAL).unsealed, NODE_SEAL_EVENTS - 1);
	fixture_crash(&f);
	f.seal_bytes = 1 << 10;
	fixture_open(&f);
	cr_assert_eq(add_normal(&f, &one, NODE_SEAL_EVENTS - 1), 0);
	fixture_settle(&f);
	fixture_pass(&f, 200);
	fixture_settle(&f);
	read_stream(&f, NORMAL, &seen);
	cr_assert_eq(seen.count, NODE_SEAL_EVENTS);
	for (int i = 0; i < NODE_SEAL_EVENTS; i++)
		cr_expect_eq(seen.zone[i], i);
	fixture_end(&f);
}

Test(batcher, refuses_an_event_that_no_batch_can_hold)
{
	struct fixture f;
	struct told big = { .entry.done = fixture_on_told, .result = -1 }, other;
	char *text = calloc(1, 62 << 10);
	memset(text, 'x', (62 << 10) - 1);
	fixture_begin(&f, MAP);
	big.entry.event =
		fixture_event(&f, TORAP__KIND__KIND_PANIC, TORAP__SEVERITY__SEVERITY_CRITICAL, "1", text);
	cr_assert_eq(node_batcher_add(f.batcher, &big.entry), 0);
	add_critical(&f, &other, 2);
	fixture_settle(&f);
	cr_expect_eq(big.result, NODE_ENTRY_TOO_BIG);
	cr_expect_eq(other.result, NODE_ENTRY_DURABLE);
	cr_expect_eq(fixture_stream(&f, CRITICAL)->sealed.next_seq, 2);
	fixture_end(&f);
	free(text);
}

Test(batcher, is_busy_when_too_much_waits_and_recovers_by_itself)
{
	size_t most = node_batcher_waiting_max[BULK];
	struct fixture f;
	struct told *told = calloc(most + 1, sizeof *told);
	fixture_begin(&f, MAP);
	for (size_t i = 0; i < most; i++)
		cr_assert_eq(fixture_add(&f, &told[i], TORAP__KIND__KIND_MOTION,
				     TORAP__SEVERITY__SEVERITY_INFORMATION, (int)i),
			0);
	cr_expect_eq(fixture_add(&f, &told[most], TORAP__KIND__KIND_MOTION,
			     TORAP__SEVERITY__SEVERITY_INFORMATION, 0),
		NODE_BATCHER_BUSY);
	struct told alarm;
	cr_expect_eq(add_critical(&f, &alarm, 1), 0, "the bulk lane's load is not the alarms' matter");
	fixture_settle(&f);
	cr_expect_eq(told[most - 1].result, NODE_ENTRY_DURABLE);
	cr_expect_eq(fixture_add(&f, &told[most], TORAP__KIND__KIND_MOTION,
			     TORAP__SEVERITY__SEVERITY_INFORMATION, 0),
		0);
	fixture_end(&f);
	free(told);
}

/* Fills the disk, and goes on asking: every event that was called durable is in the journal, in order and without a gap, and
 * nothing else is. */
Test(batcher, takes_numbers_back_when_the_disk_is_full)
{
	enum { ROUNDS = 400, PER_ROUND = 8 };
	static struct told told[ROUNDS * PER_ROUND];
	static struct seen seen;
	struct fixture f;
	unsigned durable = 0, full = 0;
	fixture_begin(&f, 384 << 10);
	for (int r = 0; r < ROUNDS; r++) {
		for (int i = 0; i < PER_ROUND; i++)
			add_critical(&f, &told[r * PER_ROUND + i], r * PER_ROUND + i);
		fixture_settle(&f);
	}
	for (int i = 0; i < ROUNDS * PER_ROUND; i++) {
		durable += told[i].result == NODE_ENTRY_DURABLE;
		full += told[i].result == NODE_ENTRY_FULL;
	}
	cr_expect_eq(durable + full, ROUNDS * PER_ROUND);
	cr_assert_gt(full, 0, "so little does not hold so much");
	cr_expect_eq(node_batcher_next_seq(f.batcher, CRITICAL), durable + 1);

	fixture_crash(&f);
	fixture_open(&f);
	cr_expect_eq(node_batcher_next_seq(f.batcher, CRITICAL), durable + 1);
	read_stream(&f, CRITICAL, &seen);
	cr_assert_eq(seen.count, durable);
	for (size_t i = 0; i < seen.count; i++) {
		cr_expect_eq(seen.seq[i], i + 1);
		cr_expect_eq(told[seen.zone[i]].result, NODE_ENTRY_DURABLE);
	}
	fixture_end(&f);
}

/* With events whose text is personal, so that no compression makes room. */
static unsigned fill(struct fixture *f, uint32_t kind, uint8_t severity)
{
	static struct told told[4096];
	char text[101];
	memset(text, 'x', 100);
	text[100] = '\0';
	for (unsigned i = 0; i < 4096; i++) {
		told[i] = (struct told){ .entry.done = fixture_on_told, .result = -1 };
		told[i].entry.event = fixture_event(f, kind, severity, "1", text);
		cr_assert_eq(node_batcher_add(f->batcher, &told[i].entry), 0);
		fixture_settle(f);
		if (told[i].result == NODE_ENTRY_FULL)
			return i;
	}
	cr_assert_fail("so little holds so much");
	return 0;
}

static unsigned used_percent(const struct fixture *f)
{
	struct torap_kv_size size = torap_kv_size(f->kv);
	return (unsigned)(size.used_bytes * 100 / size.map_bytes);
}

/* Nobody looks at the room in between: the store alone keeps the marks, and the room beyond them for the alarms.  What is
 * durable already is sealed all the same. */
Test(batcher, keeps_the_room_beyond_a_lane_s_mark_for_the_others)
{
	struct fixture f;
	fixture_begin(&f, 512 << 10);
	fixture_crash(&f);
	f.limit_percent[BULK] = 50;
	f.limit_percent[NORMAL] = 65;
	fixture_open(&f);
	cr_expect_gt(fill(&f, TORAP__KIND__KIND_MOTION, TORAP__SEVERITY__SEVERITY_INFORMATION), 50);
	unsigned bulk = used_percent(&f);
	cr_expect_gt(fill(&f, TORAP__KIND__KIND_BURGLARY, TORAP__SEVERITY__SEVERITY_HIGH), 50);
	unsigned normal = used_percent(&f);
	cr_expect_gt(fill(&f, TORAP__KIND__KIND_PANIC, TORAP__SEVERITY__SEVERITY_CRITICAL), 20);
	cr_expect(bulk >= 45 && bulk <= 50, "%u %%", bulk);
	cr_expect(normal >= 60 && normal <= 65, "%u %%", normal);
	cr_expect_geq(used_percent(&f), 80);
	fixture_end(&f);
}

/* The broker has another copy of the stream.  What was durable and not sealed must come out in the new one. */
Test(batcher, moves_unsealed_events_into_a_new_incarnation)
{
	static struct seen seen;
	struct fixture f;
	struct told first, second, third;
	fixture_begin(&f, MAP);
	add_normal(&f, &first, 1);
	fixture_settle(&f);
	fixture_pass(&f, 200);
	fixture_settle(&f); /* sealed into the old stream */
	add_normal(&f, &second, 2);
	fixture_settle(&f); /* unsealed */
	struct torap_stream_id old = fixture_stream(&f, NORMAL)->id;
	node_batcher_new_incarnation(f.batcher, NORMAL, 2);
	add_normal(&f, &third, 3);
	fixture_settle(&f);
	cr_expect_eq(f.streams, 1);
	cr_expect(!torap_stream_id_equal(&old, &fixture_stream(&f, NORMAL)->id));
	struct torap_stream_id now = fixture_stream(&f, NORMAL)->id;

	fixture_crash(&f);
	fixture_open(&f);
	cr_expect(torap_stream_id_equal(&now, &fixture_stream(&f, NORMAL)->id),
		"it is the current one for ever");
	read_stream(&f, NORMAL, &seen);
	cr_assert_eq(seen.count, 2);
	cr_expect_eq(seen.zone[0], 2);
	cr_expect_eq(seen.zone[1], 3);
	cr_expect_eq(seen.seq[0], 1);
	fixture_end(&f);
}

static size_t streams_of(struct fixture *f)
{
	size_t count;
	node_batcher_streams(f->batcher, NORMAL, &count);
	return count;
}

/* As a broker does that names batches that never were, each time that it is asked. */
static void want_streams(struct fixture *f, int times, int64_t ms)
{
	for (int i = 0; i < times; i++) {
		struct told told;
		node_batcher_new_incarnation(f->batcher, NORMAL, 1);
		add_normal(f, &told, i);
		fixture_settle(f);
		cr_assert_eq(told.result, NODE_ENTRY_DURABLE);
		fixture_pass(f, ms);
		fixture_settle(f); /* sealed: a stream without a batch leaves no trace */
	}
}

Test(batcher, begins_no_more_streams_than_can_be_right)
{
	struct fixture f;
	fixture_begin(&f, MAP);
	want_streams(&f, 3 * NODE_STREAMS_BURST, 1000);
	cr_expect_eq(streams_of(&f), 1 + NODE_STREAMS_BURST);
	fixture_pass(&f, NODE_STREAMS_EVERY_MS);
	want_streams(&f, 3, 1000);
	cr_expect_eq(streams_of(&f), 2 + NODE_STREAMS_BURST, "an hour later one more");
	want_streams(&f, NODE_STREAMS_OF_LANE_MAX, NODE_STREAMS_EVERY_MS);
	cr_expect_eq(streams_of(&f), NODE_STREAMS_OF_LANE_MAX);
	fixture_crash(&f);
	fixture_open(&f);
	cr_expect_geq(streams_of(&f), NODE_STREAMS_OF_LANE_MAX - 2, "all can be read that hold a batch");
	fixture_end(&f);
}

/* A head that says more than the disk holds would, after a crash, prove a rollback that never was. */
Test(batcher, shows_heads_between_its_rounds_only)
{
	struct fixture f;
	struct told told;
	fixture_begin(&f, MAP);
	add_critical(&f, &told, 1);
	node_batcher_run(f.batcher, f.now); /* now with the committer */
	node_batcher_want_heads(f.batcher);
	node_batcher_run(f.batcher, f.now);
	cr_expect_eq(f.heads, 2, "the two idle lanes alone");
	fixture_settle(&f);
	cr_expect_eq(f.heads, 3);
	fixture_end(&f);
}
