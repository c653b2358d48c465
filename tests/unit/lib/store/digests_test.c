#include "store/journal.h"

#include "tests/unit/lib/store/batches.h"

/* The digests of a batch's frames: they come and go with the frames, and what damage they take is mended. */

enum {
	EXPIRED = TORAP__OMISSION_REASON__OMISSION_EXPIRED,
	DAMAGED = TORAP__OMISSION_REASON__OMISSION_DAMAGED,
	NOT_HELD = TORAP__OMISSION_REASON__OMISSION_NOT_HELD,
	NOT_GRANTED = TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED
};

TestSuite(digests, .init = stage_make, .fini = stage_remove);

static bool has_digests(uint64_t batch_no)
{
	struct torap_kv_txn txn;
	struct torap_bytes row;
	torap_kv_begin(&txn, kv, false);
	int r = torap_rows_digests_get(&txn, 1, batch_no, &row);
	torap_kv_abort(&txn);
	return r == 0;
}

/* As a run brings it, then with what a batch brings: first nothing new, then a frame, then all. */
Test(digests, come_with_the_first_frame_and_stay)
{
	struct torap_batch *full = seal(), *part = torap_batch_clone(full), *run = torap_batch_clone(full);
	struct torap_batch *alone = torap_batch_clone(full);
	for (unsigned i = 0; i < 3; i++) {
		leave_out(run, i, NOT_GRANTED);
		leave_out(alone, i, NOT_GRANTED);
	}
	run->digests = torap_buffer_unref(run->digests);
	leave_out(part, 1, NOT_HELD);
	leave_out(part, 2, NOT_HELD);
	cr_assert_eq(append(run), 0);
	cr_assert_eq(append(alone), TORAP_JOURNAL_OLD);
	cr_assert_not(has_digests(1), "without a frame nobody needs them");
	cr_assert_eq(append(part), TORAP_JOURNAL_MERGED);
	cr_assert_eq(append(run), TORAP_JOURNAL_OLD);
	struct torap_batch *got = read_batch(1, NULL);
	cr_assert(same_buffer(got->digests, full->digests) && same_buffer(got->frames[0], full->frames[0]));
	cr_assert(!got->frames[1] && !got->frames[2]);
	torap_batch_destroy(got);
	cr_assert_eq(append(full), TORAP_JOURNAL_MERGED);
	got = read_batch(1, NULL);
	check_same(full, got);
	torap_batch_destroy(got);
	torap_batch_destroy(full);
	torap_batch_destroy(part);
	torap_batch_destroy(run);
	torap_batch_destroy(alone);
}

static void check_held(bool open, bool other)
{
	struct torap_batch *got = read_batch(1, NULL);
	cr_assert_eq(got->frames[0] != NULL, open);
	cr_assert_eq(got->frames[2] != NULL, other);
	cr_assert(open || got->omissions[0] == DAMAGED);
	cr_assert(other || got->omissions[2] == DAMAGED);
	torap_batch_destroy(got);
}

/* The damaged digest is that of frame 1, in the middle of the row: while the frame is here it is made again from that. */
Test(digests, are_made_again_from_the_frames_or_taken_from_the_batch_that_comes_again)
{
	struct torap_kv_key row = torap_rows_frame_key(1, 1, 0xffff);
	struct torap_batch *b = seal(), *less = torap_batch_clone(b);
	for (unsigned i = 0; i < 3; i++)
		leave_out(less, i, NOT_GRANTED);
	cr_assert_eq(append(b), 0);
	change_row(ROWS_FRAMES, row, false);
	struct torap_batch *got = read_batch(1, NULL);
	check_same(b, got);
	torap_batch_destroy(got);
	cr_assert_eq(append(b), TORAP_JOURNAL_OLD);
	cr_assert_eq(drop(1, 1), 0);
	change_row(ROWS_FRAMES, row, false); /* and nothing can make it again now */
	check_held(false, false);
	cr_assert_eq(append(less), TORAP_JOURNAL_MERGED, "the digests alone prove both frames again");
	check_held(true, true);
	cr_assert_eq(append(less), TORAP_JOURNAL_OLD);

	change_row(ROWS_FRAMES, row, true);
	change_row(ROWS_FRAMES, torap_rows_frame_key(1, 1, 2), false);
	check_held(false, false);
	cr_assert_eq(append(less), TORAP_JOURNAL_MERGED);
	check_held(true, false);
	cr_assert_eq(append(b), TORAP_JOURNAL_MERGED);
	check_held(true, true);
	cr_assert_eq(append(b), TORAP_JOURNAL_OLD);
	torap_batch_destroy(b);
	torap_batch_destroy(less);
}

/* The damaged digest is that of the frame that goes: after it nothing could make it again. */
Test(digests, are_made_again_before_a_frame_expires)
{
	struct torap_batch *b = seal();
	cr_assert_eq(append(b), 0);
	change_row(ROWS_FRAMES, torap_rows_frame_key(1, 1, 0xffff), false);
	cr_assert_eq(drop(1, 1), 0);
	check_held(true, true);
	torap_batch_destroy(b);
}

Test(digests, go_with_the_last_frame)
{
	struct torap_batch *b = seal();
	cr_assert_eq(append(b), 0);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(has_digests(1));
		cr_assert_eq(drop(1, i), 0);
	}
	cr_assert_not(has_digests(1));
	cr_assert_eq(append(b), TORAP_JOURNAL_OLD);
	cr_assert_not(has_digests(1));
	torap_batch_destroy(b);
}
