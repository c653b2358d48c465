/* What is owed to an upstream: never more than it sent, never more than is on the disk. */
#include <criterion/criterion.h>

#include "broker/heard.h"
#include "broker/streams.h"

static struct torap_stream_id id_of(uint64_t incarnation)
{
	struct torap_stream_id id;
	cr_assert(torap_stream_id_make(&id, "node-a", TORAP__LANE__LANE_NORMAL, incarnation));
	return id;
}

static struct torap_manifest manifest(uint64_t no)
{
	return (struct torap_manifest){
		.batch_no = no, .first_seq = no, .count = 1, .digest = { (uint8_t)no }
	};
}

static struct broker_heard heard;
static struct broker_streams *streams;
static struct broker_stream *stream;
static struct broker_heard_stream *entry;

static void make(void)
{
	struct torap_stream_id id = id_of(1);
	streams = broker_streams_create();
	stream = broker_streams_add(streams, &id);
	entry = broker_heard_add(&heard, &id);
	cr_assert_not_null(entry);
}

static void clean(void)
{
	broker_heard_clear(&heard);
	broker_streams_destroy(streams);
}

TestSuite(heard, .init = make, .fini = clean);

static void came(uint64_t no, bool over)
{
	struct torap_manifest m = manifest(no);
	broker_heard_batch(&heard, entry, &m, over);
}

static void flushed(uint64_t no)
{
	struct torap_manifest m = manifest(no);
	torap_position_advance(&stream->flushed, &m);
	broker_heard_owe(&heard, &stream->id);
}

/* The next_batch of the one acknowledgement that is due; 0: none is. */
static uint64_t due(void)
{
	struct torap_stream_position p[2];
	size_t count = broker_heard_acks(&heard, streams, p, 2);
	cr_assert_leq(count, 1);
	cr_expect(count == 0 || p[0].at.last_digest[0] == p[0].at.next_batch - 1, "another batch's digest");
	return count ? p[0].at.next_batch : 0;
}

Test(heard, acknowledges_nothing_before_the_flush)
{
	came(1, false);
	came(2, false);
	cr_expect_eq(due(), 0);
	flushed(1);
	cr_expect_eq(due(), 2);
	flushed(2);
	cr_expect_eq(due(), 3);
	cr_expect_eq(due(), 0, "said once");
}

/* A position before batch 1 is no acknowledgement: the upstream would end the session for it. */
Test(heard, acknowledges_nothing_when_the_first_batch_comes_twice_before_its_flush)
{
	struct torap_stream_position p[2];
	came(1, false);
	came(1, false);
	cr_expect_eq(broker_heard_acks(&heard, streams, p, 2), 0);
	flushed(1);
	cr_expect_eq(due(), 2);
}

/* Another source is ahead: to this upstream we may not speak of batches that it does not have. */
Test(heard, acknowledges_no_batch_that_the_upstream_has_not_sent)
{
	for (uint64_t no = 1; no <= 5; no++)
		flushed(no);
	cr_expect_eq(due(), 0);
	came(1, false);
	cr_expect_eq(due(), 2);
	came(2, false);
	came(3, false);
	cr_expect_eq(due(), 4);
}

Test(heard, acknowledges_again_what_came_again)
{
	flushed(1);
	flushed(2);
	came(1, false);
	came(2, false);
	cr_expect_eq(due(), 3);
	came(1, false);
	cr_expect_eq(due(), 3, "it stands in the upstream's window");
}

Test(heard, frees_the_window_of_what_was_passed_over)
{
	flushed(1);
	came(9, true);
	cr_expect_eq(due(), 10);
	came(10, true);
	cr_expect_eq(due(), 11);
}

Test(heard, acknowledges_what_was_passed_over_when_all_before_it_is_flushed)
{
	came(1, false);
	came(2, false);
	came(3, true);
	cr_expect_eq(due(), 0);
	flushed(1);
	cr_expect_eq(due(), 2);
	flushed(2);
	cr_expect_eq(due(), 4);
}

Test(heard, knows_streams_apart_and_refuses_more_than_the_limit)
{
	for (uint64_t i = 2; i <= TORAP_STREAMS_MAX; i++) {
		struct torap_stream_id id = id_of(i * 0x9e3779b97f4a7c15u);
		cr_assert_not_null(broker_heard_add(&heard, &id));
	}
	struct torap_stream_id more = id_of(7), first = id_of(1);
	cr_expect_null(broker_heard_add(&heard, &more));
	cr_expect_eq(broker_heard_add(&heard, &first), entry);
	cr_expect_eq(broker_heard_find(&heard, &first), entry);
	cr_expect_null(broker_heard_find(&heard, &more));
}

/* A trust file that knows the key comes under way: what was passed over before must come again, whatever comes behind it. */
Test(heard, remembers_what_was_passed_over)
{
	came(1, false);
	entry->submitted = 2;
	came(2, true);
	came(3, true);
	came(4, false);
	cr_expect_eq(entry->submitted, 4);
	came(2, true);
	cr_expect_eq(entry->submitted, 4, "it does not go back");
}
