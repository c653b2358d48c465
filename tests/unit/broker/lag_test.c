/* How far a reader is behind, against what was really written: from memory, from the store, over a restart. */
#include "broker/lag.h"

#include "broker/broker.h"
#include "broker/state.h"
#include "broker/streams.h"
#include "store/journal.h"
#include "store/kv.h"
#include "tests/unit/lib/store/place.h"
#include "tests/unit/lib/wire/fixture.h"

enum { BATCHES = 400, NOW_S = 100000 };

static struct place place;
static struct broker broker;
static struct torap_sign_key key;
static struct torap_sealer *sealer;
static struct broker_stream *stream;
static uint64_t size_of[BATCHES + 1], events_of[BATCHES + 1];

/* Batches of one to five events, received a second apart from second 1 on. */
static void bring(uint64_t no)
{
	struct torap_wall received_at = { (int64_t)no * TORAP_US_PER_S };
	struct torap_kv_txn txn;
	for (uint64_t i = 0; i <= no % 5; i++)
		cr_assert_eq(fixture_add(sealer, fixture_class(391010000, TORAP__KIND__KIND_PANIC),
				     "zone of some length", i % 2 ? "anna" : NULL, NULL),
			0);
	struct torap_batch *b = fixture_seal(sealer);
	torap_kv_begin(&txn, broker.kv, true);
	cr_assert_eq(torap_journal_append(&txn, b, received_at), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	size_of[no] = torap_batch_size(b);
	events_of[no] = b->manifest->count;
	broker_stream_flushed(broker.streams, stream, &b, received_at);
}

static void begin_streams(void)
{
	struct torap_stream_id id = fixture_stream(TORAP__LANE__LANE_CRITICAL);
	broker.streams = broker_streams_create();
	stream = broker_streams_add(broker.streams, &id);
	stream->stored = true;
	stream->number = 1;
}

static void make(void)
{
	static const char *const tables[] = { BROKER_TABLE_NAMES, NULL };
	struct torap_kv_options options = { .tables = tables, .map_size = 64 << 20 };
	struct torap_error err;
	place_make(&place);
	cr_assert_eq(torap_kv_open(&broker.kv, place.dir, &options, &err), 0, "%s", err.text);
	key = fixture_key(1);
	sealer = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	begin_streams();
	for (uint64_t no = 1; no <= BATCHES; no++)
		bring(no);
	broker.lag_reads = BROKER_LAG_READS;
}

static void clean(void)
{
	broker_streams_destroy(broker.streams);
	torap_sealer_destroy(sealer);
	broker.kv = torap_kv_close(broker.kv);
	place_remove(&place);
}

TestSuite(lag, .init = make, .fini = clean);

/* Nothing is in memory, and nothing was counted. */
static void restart(void)
{
	struct torap_position flushed = stream->flushed;
	broker_streams_destroy(broker.streams);
	begin_streams();
	stream->first_batch = 1;
	stream->flushed = stream->accepted = flushed;
	stream->recent_from = flushed.next_batch;
}

static void check(uint64_t acked, struct broker_lag_begin *begin, double bytes_tolerance)
{
	struct broker_lag lag = { 0 };
	uint64_t events = 0, bytes = 0;
	for (uint64_t no = acked + 1; no <= BATCHES; no++) {
		events += events_of[no];
		bytes += size_of[no];
	}
	broker_lag_behind(
		&lag, &broker, stream, acked, begin, (struct torap_wall){ (int64_t)NOW_S * TORAP_US_PER_S });
	cr_expect_eq(lag.batches, BATCHES - acked);
	cr_expect_eq(lag.events, events, "after %lu: %lu events, not %lu", acked, lag.events, events);
	cr_expect_float_eq((double)lag.bytes, (double)bytes, bytes_tolerance * (double)bytes,
		"after %lu: %lu bytes, not %lu", acked, lag.bytes, bytes);
	cr_expect_float_eq(lag.seconds, acked == BATCHES ? 0 : NOW_S - (double)(acked + 1), 1e-6);
}

static void check_anew(uint64_t acked, double bytes_tolerance)
{
	struct broker_lag_begin begin = { 0 };
	check(acked, &begin, bytes_tolerance);
}

Test(lag, is_exact_in_memory_and_just_beyond)
{
	uint64_t in_memory = BATCHES - BROKER_RECENT_MAX;
	check_anew(BATCHES, 0);
	check_anew(BATCHES - 1, 0);
	check_anew(in_memory, 0);
	check_anew(in_memory - 1, 0);
	check_anew(in_memory - BROKER_LAG_SAMPLES, 0);
	check_anew(0, 0.1);
}

Test(lag, is_the_same_after_a_restart)
{
	restart();
	check_anew(BATCHES, 0);
	check_anew(BATCHES - 1, 0);
	check_anew(BATCHES - BROKER_LAG_SAMPLES, 0);
	check_anew(0, 0.1);
}

/* Once found it costs nothing, and moves with the reader. */
Test(lag, is_read_once_for_each_place_of_the_reader)
{
	struct broker_lag_begin begin = { 0 };
	restart();
	check(BATCHES - 50, &begin, 0);
	cr_expect_eq(broker.lag_reads, BROKER_LAG_READS - 50);
	check(BATCHES - 50, &begin, 0);
	cr_expect_eq(broker.lag_reads, BROKER_LAG_READS - 50);
	check(BATCHES - 20, &begin, 0);
	cr_expect_eq(broker.lag_reads, BROKER_LAG_READS - 70);
}

Test(lag, is_right_in_events_and_seconds_without_any_budget)
{
	restart();
	broker.lag_reads = 0;
	check_anew(BATCHES - 30, 1);
	check_anew(0, 1);
}

Test(lag, behind_a_head_is_what_the_head_says)
{
	struct broker_lag lag = { 0 };
	struct torap_wall now = { sealed_at.us + 60 * (int64_t)TORAP_US_PER_S };
	stream->head_read =
		(struct torap_head){ .last_batch = BATCHES, .next_seq = stream->flushed.next_seq };
	stream->head = torap_buffer_create(1);
	broker_lag_ahead(&lag, stream, now);
	cr_expect_eq(lag.batches, 0);
	cr_expect_eq(lag.seconds, 0);
	stream->head_read.last_batch += 2;
	stream->head_read.next_seq += 7;
	stream->head_read.at = now;
	broker_lag_ahead(&lag, stream, now);
	cr_expect_eq(lag.batches, 2);
	cr_expect_eq(lag.events, 7);
	cr_expect_float_eq(
		lag.seconds, 60, 1e-6, "since the last that is here was sealed, not since the head");
}
