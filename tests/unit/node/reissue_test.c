#include "node/reissue.h"

#include <uv.h>

#include "tests/unit/node/fixture.h"

struct forked {
	struct fixture f;
	uv_loop_t loop;
	struct node_reissue *reissue;
};

static void open_reissue(struct forked *k)
{
	struct torap_error err;
	struct node_reissue_options options = { .loop = &k->loop,
		.kv = k->f.kv,
		.batcher = k->f.batcher,
		.lane = CRITICAL,
		.writer = "node-test" };
	cr_assert_eq(node_reissue_create(&k->reissue, &options, &err), 0, "%s", err.text);
}

static void add_panic(struct forked *k, int zone)
{
	struct told told;
	cr_assert_eq(
		fixture_add(&k->f, &told, TORAP__KIND__KIND_PANIC, TORAP__SEVERITY__SEVERITY_CRITICAL, zone),
		0);
	fixture_settle(&k->f);
	cr_assert_eq(told.result, NODE_ENTRY_DURABLE);
}

/* A stream of so many batches, one alarm in each, forked where the broker's receipts end. */
static void begin(struct forked *k, int batches, uint64_t from)
{
	fixture_begin(&k->f, 64 << 20);
	cr_assert_eq(uv_loop_init(&k->loop), 0);
	open_reissue(k);
	for (int i = 1; i <= batches; i++)
		add_panic(k, i);
	node_batcher_new_incarnation(k->f.batcher, CRITICAL, from);
	fixture_settle(&k->f);
	cr_assert_eq(k->f.streams, 1);
	node_reissue_look(k->reissue);
}

static void crash(struct forked *k)
{
	fixture_crash(&k->f);
	k->reissue = node_reissue_destroy(k->reissue);
}

static void start_again(struct forked *k)
{
	crash(k);
	fixture_open(&k->f);
	open_reissue(k);
}

static void end(struct forked *k)
{
	crash(k);
	cr_expect_eq(uv_loop_close(&k->loop), 0);
	fixture_open(&k->f);
	fixture_end(&k->f);
}

static void tick(struct forked *k)
{
	node_reissue_look(k->reissue); /* As on_stream() does. */
	fixture_pass(&k->f, 100);
	node_reissue_tick(k->reissue);
	uv_run(&k->loop, UV_RUN_DEFAULT);
}

/* Far more ticks than any of these streams has pieces. */
static void run(struct forked *k)
{
	for (int i = 0; i < 40; i++) {
		tick(k);
		fixture_settle(&k->f);
	}
}

struct seen {
	int zone[512];
	char text[16];
	size_t count;
};

static int on_event(void *hint, const struct torap_opened *e)
{
	struct seen *seen = hint;
	cr_assert_lt(seen->count, 512);
	cr_expect_eq(e->group->class.kind, TORAP__KIND__KIND_PANIC);
	seen->zone[seen->count++] = atoi(e->open->zone);
	snprintf(seen->text, sizeof seen->text, "%s", e->personal ? e->personal->text : "");
	return 0;
}

static struct seen look(const struct forked *k)
{
	struct seen seen = { .count = 0 };
	fixture_read(&k->f, CRITICAL, on_event, &seen);
	return seen;
}

Test(reissue, tells_what_has_no_receipt_once_more_and_then_never_again)
{
	struct forked k;
	begin(&k, 5, 3);
	run(&k);
	struct seen seen = look(&k);
	cr_assert_eq(seen.count, 3);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(seen.zone[i], 3 + i);
	cr_expect_eq(node_reissue_count(k.reissue), 3);
	start_again(&k);
	run(&k);
	cr_expect_eq(look(&k).count, 3, "the row is gone");
	end(&k);
}

/* More than one answer of the journal holds: the row moves on with each piece. */
Test(reissue, goes_on_piece_by_piece)
{
	enum { BATCHES = 150 };
	struct forked k;
	begin(&k, BATCHES, 1);
	run(&k);
	struct seen seen = look(&k);
	cr_assert_eq(seen.count, BATCHES);
	for (int i = 0; i < BATCHES; i++)
		cr_expect_eq(seen.zone[i], i + 1);
	end(&k);
}

/* Killed after each possible tick: twice is allowed, never is not. */
Test(reissue, loses_nothing_whenever_it_is_killed)
{
	enum { BATCHES = 70 };
	for (int ticks = 0; ticks < 8; ticks++) {
		struct forked k;
		bool is_there[BATCHES + 1] = { false };
		begin(&k, BATCHES, 2);
		for (int i = 0; i < ticks; i++) {
			tick(&k);
			if (i + 1 < ticks)
				fixture_settle(&k.f); /* The last tick's work waits for the disk, and dies. */
		}
		start_again(&k);
		run(&k);
		struct seen seen = look(&k);
		for (size_t i = 0; i < seen.count; i++)
			is_there[seen.zone[i]] = true;
		for (int zone = 2; zone <= BATCHES; zone++)
			cr_expect(is_there[zone], "killed after %d ticks: %d is missing", ticks, zone);
		cr_expect_not(is_there[1], "its receipt is there");
		end(&k);
	}
}

/* A second fork while the first is still being told again: what both streams held comes out in the third. */
Test(reissue, tells_two_forked_streams_whatever_the_order)
{
	enum { BATCHES = 70, LATE = 99 };
	for (int ticks = 0; ticks < 8; ticks++) {
		struct forked k;
		bool is_there[LATE + 1] = { false };
		begin(&k, BATCHES, 2);
		for (int i = 0; i < ticks; i++) {
			tick(&k);
			fixture_settle(&k.f);
		}
		add_panic(&k, LATE);
		node_batcher_new_incarnation(k.f.batcher, CRITICAL, 1);
		fixture_settle(&k.f);
		node_reissue_look(k.reissue);
		run(&k);
		struct seen seen = look(&k);
		for (size_t i = 0; i < seen.count; i++)
			is_there[seen.zone[i]] = true;
		for (int zone = 2; zone <= BATCHES; zone++)
			cr_expect(is_there[zone], "forked after %d ticks: %d is missing", ticks, zone);
		cr_expect(is_there[LATE], "forked after %d ticks: the second stream's is missing", ticks);
		end(&k);
	}
}

/* Wanted while nothing is under way, of the stream that goes on: it begins a new one.  Wanted once more, by another broker that lacks more:
 * only what is not told yet. */
Test(reissue, tells_each_stretch_of_a_stream_once)
{
	enum { BATCHES = 9 };
	struct forked k;
	unsigned times[BATCHES + 1] = { 0 };
	fixture_begin(&k.f, 64 << 20);
	cr_assert_eq(uv_loop_init(&k.loop), 0);
	open_reissue(&k);
	for (int i = 1; i <= BATCHES; i++)
		add_panic(&k, i);
	struct torap_stream_id old = fixture_stream(&k.f, CRITICAL)->id;
	cr_expect(node_reissue_want(k.reissue, &old, 7));
	cr_expect_not(node_reissue_want(k.reissue, &old, 8), "it is wanted already");
	tick(&k);
	cr_expect(node_reissue_want(k.reissue, &old, 5), "while the new stream begins");
	run(&k);
	cr_expect_eq(k.f.streams, 1);
	cr_expect_not(node_reissue_want(k.reissue, &old, 5));
	cr_expect(node_reissue_want(k.reissue, &old, 3));
	start_again(&k);
	cr_expect(node_reissue_want(k.reissue, &old, 3),
		"a want that the disk does not know is gone with its process");
	run(&k);
	cr_expect_eq(k.f.streams, 1, "the old one does not go on any more: no third is needed");
	struct seen seen = look(&k);
	for (size_t i = 0; i < seen.count; i++)
		times[seen.zone[i]]++;
	for (int zone = 1; zone <= BATCHES; zone++)
		cr_expect_eq(times[zone], zone >= 3, "%d was told %u times", zone, times[zone]);
	end(&k);
}

static void lose_manifest(struct forked *k, const struct torap_stream_id *stream, uint64_t batch_no)
{
	struct torap_kv_txn txn;
	struct torap_journal_head head;
	struct torap_error err;
	uint8_t key[12] = { 0 };
	torap_kv_begin(&txn, k->f.kv, true);
	cr_assert_eq(torap_journal_head(&txn, stream, &head), 0);
	key[3] = (uint8_t)head.number;
	key[11] = (uint8_t)batch_no;
	cr_assert_eq(torap_kv_delete(&txn, 1, torap_bytes(key, sizeof key)), 0, "the table manifests");
	cr_assert_eq(torap_kv_commit(&txn, &err), 0, "%s", err.text);
}

/* Any of them, also the first and the last, and each moment of a crash. */
Test(reissue, goes_on_behind_what_cannot_be_read)
{
	enum { BATCHES = 5 };
	for (int gone = 1; gone <= BATCHES; gone++)
		for (int ticks = 0; ticks < 5; ticks++) {
			struct forked k;
			bool is_there[BATCHES + 1] = { false };
			fixture_begin(&k.f, 64 << 20);
			cr_assert_eq(uv_loop_init(&k.loop), 0);
			open_reissue(&k);
			for (int i = 1; i <= BATCHES; i++)
				add_panic(&k, i);
			struct torap_stream_id old = fixture_stream(&k.f, CRITICAL)->id;
			lose_manifest(&k, &old, (uint64_t)gone);
			node_reissue_want(k.reissue, &old, 1);
			for (int i = 0; i < ticks; i++) {
				tick(&k);
				fixture_settle(&k.f);
			}
			start_again(&k);
			node_reissue_want(k.reissue, &old, 1); /* The broker still lacks it. */
			run(&k);
			struct seen seen = look(&k);
			for (size_t i = 0; i < seen.count; i++)
				is_there[seen.zone[i]] = true;
			for (int zone = 1; zone <= BATCHES; zone++)
				cr_expect_eq(is_there[zone], zone != gone,
					"%d gone, crash after %d ticks: %d", gone, ticks, zone);
			end(&k);
		}
}

Test(reissue, keeps_the_personal_part_and_leaves_canaries_out)
{
	struct forked k;
	struct told canary, alarm = { .entry.done = fixture_on_told, .result = -1 };
	fixture_begin(&k.f, 64 << 20);
	cr_assert_eq(uv_loop_init(&k.loop), 0);
	open_reissue(&k);
	fixture_add(&k.f, &canary, TORAP__KIND__KIND_CANARY_CRITICAL, TORAP__SEVERITY__SEVERITY_CRITICAL, 1);
	alarm.entry.event = fixture_event(
		&k.f, TORAP__KIND__KIND_PANIC, TORAP__SEVERITY__SEVERITY_CRITICAL, "2", "third floor");
	cr_assert_eq(node_batcher_add(k.f.batcher, &alarm.entry), 0);
	fixture_settle(&k.f);
	node_batcher_new_incarnation(k.f.batcher, CRITICAL, 1);
	fixture_settle(&k.f);
	node_reissue_look(k.reissue);
	run(&k);
	struct seen seen = look(&k);
	cr_assert_eq(seen.count, 1);
	cr_expect_eq(seen.zone[0], 2);
	cr_expect_str_eq(seen.text, "third floor");
	end(&k);
}
