#include "store/check.h"

#include "store/journal_rows.h"
#include "tests/unit/lib/store/stage.h"

/* Each test plants one damage into a journal that was sound, and wants it named, and nothing else. */

enum { BATCHES = 200 }; /* Several transactions, and a progress in none. */

static struct torap_check_finding first;

static void make(void)
{
	stage_make();
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	for (int i = 0; i < BATCHES; i++) {
		cr_assert_eq(fixture_add(sealer, fixture_class(391010000, PANIC), "z1", "anna", NULL), 0);
		struct torap_batch *b = fixture_seal(sealer);
		cr_assert_eq(torap_journal_append(&txn, b, (struct torap_wall){ 1000 }), 0);
		torap_batch_destroy(b);
	}
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

TestSuite(check, .init = make, .fini = stage_remove);

static void on_finding(void *hint, const struct torap_check_finding *f)
{
	unsigned *count = hint;
	if ((*count)++ == 0)
		first = *f;
}

static const uint8_t *lookup(
	void *hint, const char *writer, const uint8_t key_id[static TORAP_KEY_ID_SIZE], struct torap_wall at)
{
	(void)writer, (void)key_id, (void)at;
	return hint;
}

static struct torap_check_counts check_with(const uint8_t *public)
{
	unsigned found = 0;
	struct torap_check_options options = { .on_finding = on_finding,
		.hint = &found,
		.lookup = public ? lookup : NULL,
		.lookup_hint = (void *)(uintptr_t) public };
	struct torap_check_counts counts;
	struct torap_error err;
	first = (struct torap_check_finding){ .what = "nothing" };
	cr_assert_eq(torap_check_journal(kv, &options, &counts, &err), 0, "%s", err.text);
	cr_assert_eq(counts.findings, found);
	return counts;
}

static void check_one(const char *what, uint64_t batch_no, int frame)
{
	struct torap_check_counts counts = check_with(key.public);
	cr_assert_str_eq(first.what, what, "%s", first.text);
	cr_assert_eq(counts.findings, 1, "%s", first.text);
	cr_assert_eq(first.batch_no, batch_no);
	cr_assert_eq(first.frame, frame);
	cr_assert_eq(counts.streams, 1);
}

/* Flips a bit in the middle of a row, or deletes it. */
static void flip(unsigned table, struct torap_kv_key row)
{
	struct torap_kv_txn txn;
	struct torap_bytes value;
	uint8_t copy[4096];
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_kv_get(&txn, table, torap_kv_key_bytes(&row), &value), 0);
	cr_assert_leq(value.size, sizeof copy);
	memcpy(copy, value.data, value.size);
	copy[value.size / 2] ^= 4;
	cr_assert_eq(torap_kv_put(&txn, table, torap_kv_key_bytes(&row), torap_bytes(copy, value.size)), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

static void cut(unsigned table, struct torap_kv_key row)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_kv_delete(&txn, table, torap_kv_key_bytes(&row)), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

Test(check, finds_nothing_in_what_is_sound)
{
	struct torap_check_counts counts = check_with(key.public);
	cr_assert_eq(counts.findings, 0, "%s", first.text);
	cr_assert_eq(counts.streams, 1);
	cr_assert_eq(counts.batches, BATCHES);
	cr_assert_eq(counts.frames, 2 * BATCHES);
	cr_assert_eq(counts.omitted, 0);
}

Test(check, names_a_flipped_bit_of_a_frame)
{
	flip(ROWS_FRAMES, torap_rows_frame_key(1, 77, 1));
	check_one("bad-digest", 77, 1);
	cr_assert(first.has_signer);
}

static bool is_personal(void *hint, const struct torap_class *class, unsigned part)
{
	(void)hint, (void)class;
	return part == TORAP__PART_KIND__PART_PERSONAL;
}

/* Made again from the frames, unless a frame that is not here any more has the damaged one. */
Test(check, names_digests_that_are_lost)
{
	struct torap_kv_txn txn;
	struct torap_journal_dropped dropped;
	flip(ROWS_FRAMES, torap_rows_frame_key(1, 77, 0xffff));
	cut(ROWS_FRAMES, torap_rows_frame_key(1, 78, 0xffff));
	cr_assert_eq(check_with(key.public).findings, 0, "%s", first.text);
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_journal_drop_due(&txn, 1, 79, is_personal, NULL, &dropped), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	flip(ROWS_FRAMES, torap_rows_frame_key(1, 79, 0xffff));
	check_one("bad-digest", 79, -1);
	cr_assert(strstr(first.text, "none can be verified"), "%s", first.text);
}

Test(check, names_a_frame_that_is_gone)
{
	cut(ROWS_FRAMES, torap_rows_frame_key(1, BATCHES, 0));
	check_one("missing-frame", BATCHES, 0);
}

Test(check, names_batches_that_are_gone_once)
{
	for (uint64_t at = 60; at < 140; at++)
		cut(ROWS_MANIFESTS, torap_rows_batch_key(1, at));
	check_one("missing-batch", 60, -1);
}

Test(check, names_a_cut_tail)
{
	cut(ROWS_MANIFESTS, torap_rows_batch_key(1, BATCHES));
	check_one("missing-batch", BATCHES, -1);
}

Test(check, names_what_the_head_does_not_know)
{
	struct torap_journal_head head;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_rows_head_get(&txn, 1, &head), 0);
	head.last_batch = BATCHES - 1;
	head.next_seq--;
	cr_assert_eq(torap_rows_head_put(&txn, &head), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	struct torap_check_counts counts = check_with(NULL);
	cr_assert_eq(counts.findings, 2);
	cr_assert_str_eq(first.what, "bad-head");
}

Test(check, names_a_manifest_that_was_changed_and_the_batch_that_does_not_follow_it)
{
	flip(ROWS_MANIFESTS, torap_rows_batch_key(1, 5));
	struct torap_check_counts counts = check_with(key.public);
	cr_assert_geq(counts.findings, 1);
	cr_assert_eq(first.batch_no, 5);
}

Test(check, names_a_manifest_by_another_key_only_when_it_knows_the_keys)
{
	struct torap_sign_key other = fixture_key(2);
	cr_assert_eq(check_with(NULL).findings, 0);
	cr_assert_eq(check_with(other.public).findings, BATCHES);
	cr_assert_str_eq(first.what, "bad-signature");
}

Test(check, names_a_frame_that_should_have_been_deleted)
{
	struct torap_rows_notes notes = { .count = 2,
		.of = { ROWS_NOTE_HELD, TORAP__OMISSION_REASON__OMISSION_EXPIRED | ROWS_NOTE_FINAL } };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_rows_notes_put(&txn, 1, 9, &notes), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	check_one("stray-frame", 9, 1);
	cut(ROWS_FRAMES, torap_rows_frame_key(1, 9, 1));
	struct torap_check_counts counts = check_with(key.public);
	cr_assert_eq(counts.findings, 0);
	cr_assert_eq(counts.omitted, 1);
}

Test(check, names_notes_that_nobody_can_have_written)
{
	struct torap_rows_notes notes = { .count = 2, .of = { ROWS_NOTE_HELD, 0x7e } };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_rows_notes_put(&txn, 1, 9, &notes), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	check_one("bad-notes", 9, -1);
}
