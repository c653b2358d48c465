#include "agents/follow/printed.h"

#include "tests/unit/agents/follow/received.h"

static struct received t;

static void make(void)
{
	received_make(&t);
}

static void clean(void)
{
	received_remove(&t);
}

TestSuite(printed, .init = make, .fini = clean);

Test(printed, is_kept_for_each_output_and_stream)
{
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE), other = stream;
	struct follow_printed at;
	uint64_t length;
	struct torap_kv_txn txn;
	other.incarnation++;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_printed_get(&txn, "descriptor", &stream, &at), TORAP_KV_MISSING);
	cr_assert_eq(follow_printed_length(&txn, "file/a", &length), TORAP_KV_MISSING);
	cr_assert_eq(
		follow_printed_put(&txn, "descriptor", &stream, (struct follow_printed){ 300, 70000 }), 0);
	cr_assert_eq(follow_printed_put_length(&txn, "file/a", 1ULL << 40), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	received_close(&t);
	received_open(&t);
	torap_kv_begin(&txn, t.kv, false);
	cr_assert_eq(follow_printed_get(&txn, "descriptor", &stream, &at), 0);
	cr_expect(at.next_batch == 300 && at.next_seq == 70000);
	cr_expect_eq(follow_printed_get(&txn, "descriptor", &other, &at), TORAP_KV_MISSING);
	cr_expect_eq(follow_printed_get(&txn, "file/a", &stream, &at), TORAP_KV_MISSING);
	cr_assert_eq(follow_printed_length(&txn, "file/a", &length), 0);
	cr_expect_eq(length, 1ULL << 40);
	torap_kv_abort(&txn);
}
