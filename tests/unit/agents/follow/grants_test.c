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

TestSuite(grants, .init = make, .fini = clean);

Test(grants, tell_under_which_grant_each_batch_came)
{
	received_fill(&t, 3);
	struct torap_batch *b = received_seal(&t, 1);
	struct torap_kv_txn txn;
	uint32_t grant;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_store_append(&txn, b, sealed_at, 2), 0);
	for (uint64_t n = 1; n <= 4; n++) {
		cr_assert_eq(follow_grant_of(&txn, 1, n, &grant), 0);
		cr_assert_eq(grant, n < 4 ? 1 : 2);
	}
	cr_assert_eq(follow_grant_of(&txn, 2, 1, &grant), TORAP_KV_MISSING);
	torap_kv_abort(&txn);
	torap_batch_destroy(b);
}

Test(grants, are_numbered_and_the_newest_is_known)
{
	struct follow_grant grant, none = { .number = 2, .body = torap_buffer_create(0) };
	struct torap_grant_row *rows;
	size_t count;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_grant_last(&txn, &grant), 0);
	cr_expect_eq(grant.number, 1);
	cr_expect_eq(grant.since.us, sealed_at.us);
	torap_buffer_unref(grant.body);
	cr_assert_eq(follow_grant_put(&txn, &none), 0);
	cr_assert_eq(follow_grant_last(&txn, &grant), 0);
	cr_expect_eq(grant.number, 2);
	torap_buffer_unref(grant.body);
	for (uint32_t number = 1; number <= 2; number++) {
		cr_assert_eq(follow_grant_rows(&txn, number, &rows, &count), 0);
		cr_expect_eq(count, number == 1 ? 1 : 0);
		torap_grant_rows_destroy(rows, count);
	}
	cr_assert_eq(follow_grant_rows(&txn, 3, &rows, &count), TORAP_KV_MISSING);
	torap_kv_abort(&txn);
	torap_buffer_unref(none.body);
}
