#include "agents/follow/mended.h"

#include "tests/unit/agents/follow/received.h"

/* Each batch has the frames 0 open and 1 personal. */

enum {
	DAMAGED = TORAP__OMISSION_REASON__OMISSION_DAMAGED,
	NOT_HELD = TORAP__OMISSION_REASON__OMISSION_NOT_HELD,
};

static struct received t;

static void make(void)
{
	received_make(&t);
}

static void clean(void)
{
	received_remove(&t);
}

TestSuite(mended, .init = make, .fini = clean);

static struct torap_batch *without(const struct torap_batch *b, unsigned frame, uint8_t reason)
{
	struct torap_batch *less = torap_batch_clone(b);
	less->frames[frame] = torap_buffer_unref(less->frames[frame]);
	less->omissions[frame] = reason;
	return less;
}

struct found {
	uint64_t batches[8];
	unsigned count;
};

static int on_hole(void *hint, const struct torap_stream_id *stream, uint64_t batch_no)
{
	struct found *f = hint;
	struct torap_stream_id ours = fixture_stream(RECEIVED_LANE);
	cr_assert(torap_stream_id_equal(stream, &ours));
	f->batches[f->count++] = batch_no;
	return 0;
}

static struct found holes(void)
{
	struct found f = { .count = 0 };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t.kv, false);
	cr_assert_eq(follow_holes(&txn, on_hole, &f), 0);
	torap_kv_abort(&txn);
	return f;
}

static uint64_t merges(struct follow_mended *newest)
{
	uint64_t last;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t.kv, false);
	cr_assert_eq(follow_mended_last(&txn, &last), 0);
	if (last)
		cr_assert_eq(follow_mended_get(&txn, last, newest), 0);
	torap_kv_abort(&txn);
	return last;
}

static void receive(struct torap_batch *b, int answer)
{
	cr_assert_eq(received_append(&t, b), answer);
	torap_batch_destroy(b);
}

/* Damaged and not held are holes; expired, refused and not granted are none. */
Test(mended, knows_which_batches_somebody_may_still_complete)
{
	static const uint8_t reasons[] = { DAMAGED, EXPIRED, NOT_HELD,
		TORAP__OMISSION_REASON__OMISSION_REFUSED, NOT_GRANTED };
	for (unsigned i = 0; i < sizeof reasons; i++) {
		struct torap_batch *b = received_seal(&t, 1);
		receive(without(b, i % 2, reasons[i]), 0);
		torap_batch_destroy(b);
	}
	received_close(&t);
	received_open(&t);
	struct found f = holes();
	cr_assert(f.count == 2 && f.batches[0] == 1 && f.batches[1] == 3);
}

Test(mended, forgets_a_hole_when_all_of_it_has_come_and_tells_what_outputs_have_to_show)
{
	struct follow_mended m = { .batch_no = 0 };
	struct torap_batch *b = received_seal(&t, 3), *half = without(b, 0, DAMAGED);
	receive(without(half, 1, NOT_HELD), 0);
	receive(without(b, 0, NOT_HELD), TORAP_JOURNAL_MERGED);
	cr_assert_eq(holes().count, 1, "the open frame is missing still");
	cr_assert_eq(merges(&m), 0, "nothing can be shown yet");
	receive(torap_batch_clone(b), TORAP_JOURNAL_MERGED);
	cr_assert_eq(holes().count, 0);
	cr_assert_eq(merges(&m), 1);
	cr_assert(m.batch_no == 1 && m.stream_number == 1 && m.came[0] && !m.came[1]);
	receive(torap_batch_clone(b), TORAP_JOURNAL_OLD);
	cr_assert_eq(merges(&m), 1);
	torap_batch_destroy(half);
	torap_batch_destroy(b);
}

Test(mended, forgets_a_hole_that_will_never_be_filled)
{
	struct torap_batch *b = received_seal(&t, 1);
	receive(without(b, 0, DAMAGED), 0);
	receive(without(b, 0, DAMAGED), TORAP_JOURNAL_OLD);
	cr_assert_eq(holes().count, 1);
	receive(without(b, 0, EXPIRED), TORAP_JOURNAL_MERGED);
	cr_assert_eq(holes().count, 0);
	torap_batch_destroy(b);
}

Test(mended, remembers_what_each_output_has_seen)
{
	struct torap_kv_txn txn;
	uint64_t seen = 7;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_mended_seen(&txn, "one", &seen), 0);
	cr_assert_eq(seen, 0);
	cr_assert_eq(follow_mended_put_seen(&txn, "one", 300), 0);
	cr_assert_eq(follow_mended_put_seen(&txn, "two", 1), 0);
	cr_assert_eq(follow_mended_seen(&txn, "one", &seen), 0);
	cr_assert_eq(seen, 300);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}
