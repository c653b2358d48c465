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

TestSuite(store, .init = make, .fini = clean);

static int read_cursor(struct follow_cursor *out)
{
	struct torap_kv_txn txn;
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	torap_kv_begin(&txn, t.kv, false);
	int r = follow_store_cursor(&txn, &stream, out);
	torap_kv_abort(&txn);
	return r;
}

static void pin(uint64_t next_batch, const uint8_t *digest)
{
	struct torap_stream_position p = { .stream = fixture_stream(RECEIVED_LANE),
		.at = { .next_batch = next_batch } };
	struct torap_kv_txn txn;
	if (digest) {
		p.at.has_digest = true;
		memcpy(p.at.last_digest, digest, TORAP_DIGEST_SIZE);
	}
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_store_pin(&txn, &p, false), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

/* A batch without its cursor would come again, a cursor without its batch would lose it. */
Test(store, keeps_a_batch_and_its_cursor_together_or_neither)
{
	struct torap_batch *b = received_seal(&t, 2);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_store_append(&txn, b, sealed_at, 1), 0);
	torap_kv_abort(&txn);
	received_close(&t);
	received_open(&t);
	struct follow_cursor c;
	cr_assert_eq(read_cursor(&c), TORAP_KV_MISSING);

	cr_assert_eq(received_append(&t, b), 0);
	received_close(&t);
	received_open(&t);
	cr_assert_eq(read_cursor(&c), 0);
	cr_assert_eq(c.begin.next_batch, 1);
	cr_assert_eq(c.at.next_batch, 2);
	cr_assert_eq(c.at.next_seq, 3);
	cr_assert_arr_eq(c.at.last_digest, b->manifest->digest, TORAP_DIGEST_SIZE);
	torap_batch_destroy(b);
}

Test(store, drops_a_batch_that_comes_again)
{
	struct torap_batch *b = received_seal(&t, 2);
	cr_assert_eq(received_append(&t, b), 0);
	cr_assert_eq(received_append(&t, b), TORAP_JOURNAL_OLD);
	struct follow_cursor c;
	cr_assert_eq(read_cursor(&c), 0);
	cr_assert_eq(c.at.next_batch, 2);
	torap_batch_destroy(b);
}

Test(store, merges_the_frames_that_it_lacked)
{
	struct torap_batch *whole = received_seal(&t, 2), *part = torap_batch_clone(whole);
	part->frames[1] = torap_buffer_unref(part->frames[1]);
	part->omissions[1] = TORAP__OMISSION_REASON__OMISSION_NOT_HELD;
	cr_assert_eq(received_append(&t, part), 0);
	cr_assert_eq(received_append(&t, whole), TORAP_JOURNAL_MERGED);
	cr_assert_eq(received_append(&t, whole), TORAP_JOURNAL_OLD);
	torap_batch_destroy(whole);
	torap_batch_destroy(part);
}

Test(store, begins_a_stream_that_nobody_pinned_at_batch_1_only)
{
	torap_batch_destroy(received_seal(&t, 1));
	struct torap_batch *second = received_seal(&t, 1);
	cr_assert_eq(received_append(&t, second), TORAP_JOURNAL_GAP);
	torap_batch_destroy(second);
}

Test(store, begins_where_the_pin_says_and_nowhere_else)
{
	struct torap_batch *b[4];
	for (int i = 0; i < 4; i++)
		b[i] = received_seal(&t, 1);
	pin(3, b[1]->manifest->digest);
	pin(1, NULL); /* a later welcome moves nothing */
	cr_assert_eq(received_append(&t, b[3]), TORAP_JOURNAL_GAP);
	cr_assert_eq(received_append(&t, b[0]), TORAP_JOURNAL_OLD);
	cr_assert_eq(received_append(&t, b[2]), 0);
	cr_assert_eq(received_append(&t, b[3]), 0);
	struct follow_cursor c;
	cr_assert_eq(read_cursor(&c), 0);
	cr_assert_eq(c.begin.next_batch, 3);
	cr_assert_eq(c.at.next_batch, 5);
	for (int i = 0; i < 4; i++)
		torap_batch_destroy(b[i]);
}

Test(store, keeps_every_trust_file_and_gives_the_highest)
{
	struct torap_kv_txn txn;
	struct torap_bytes bytes;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_store_put_trust(&txn, 300, torap_bytes("new", 3)), 0);
	cr_assert_eq(follow_store_last_trust(&txn, &bytes), 0);
	cr_assert(torap_bytes_equal(bytes, torap_bytes("new", 3)));
	torap_kv_abort(&txn);
}

/* Fills the directory as far as it goes; the answer of the commit that no longer fits. */
static int fill_up(void)
{
	static uint8_t document[256 << 10];
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	struct torap_error err;
	int r = 0;
	for (uint64_t n = 1; r == 0; n++) {
		struct torap_kv_txn txn;
		torap_kv_begin(&txn, t.kv, true);
		follow_store_put_proof(
			&txn, &stream, TORAP_PROOF_HEAD, n, torap_bytes(document, sizeof document));
		r = torap_kv_commit(&txn, &err);
	}
	return r;
}

/* To raise dir_size helps nobody whose disk is full. */
Test(store, says_whether_dir_size_or_the_file_system_is_in_the_way)
{
	struct torap_error err = { "" };
	cr_assert_lt(follow_store_full(t.kv, &err), 0);
	cr_expect_not_null(strstr(err.text, "file system"), "%s", err.text);
	cr_expect_null(strstr(err.text, "raise dir_size"), "%s", err.text);
	cr_assert_eq(fill_up(), TORAP_KV_FULL);
	cr_assert_lt(follow_store_full(t.kv, &err), 0);
	cr_expect_not_null(strstr(err.text, "raise dir_size"), "%s", err.text);
}
