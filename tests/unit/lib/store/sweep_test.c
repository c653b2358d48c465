#include "store/sweep.h"

#include <errno.h>
#include <stdint.h>

#include "store/check.h"
#include "store/journal_rows.h"
#include "tests/unit/lib/store/stage.h"

enum {
	EXPIRED = TORAP__OMISSION_REASON__OMISSION_EXPIRED,
	REFUSED = TORAP__OMISSION_REASON__OMISSION_REFUSED,
	NOT_HELD = TORAP__OMISSION_REASON__OMISSION_NOT_HELD,
	OPEN = TORAP__PART_KIND__PART_OPEN,
	PERSONAL = TORAP__PART_KIND__PART_PERSONAL,
};

TestSuite(sweep, .init = stage_make, .fini = stage_remove);

/* Batch n is received at 1000 n.  Frames 0 open, 1 personal. */
static void append(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		cr_assert_eq(fixture_add(sealer, fixture_class(391010000, PANIC), "z1", "anna", NULL), 0);
		struct torap_batch *b = fixture_seal(sealer);
		struct torap_kv_txn txn;
		torap_kv_begin(&txn, kv, true);
		struct torap_wall at = { 1000 * (int64_t)b->manifest->batch_no };
		cr_assert_eq(torap_journal_append(&txn, b, at), 0);
		cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
		torap_batch_destroy(b);
	}
}

static struct torap_batch *read_batch(uint64_t batch_no)
{
	struct torap_kv_txn txn;
	struct torap_batch *b = NULL;
	struct torap_error err = { "" };
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_journal_read(&txn, 1, batch_no, NULL, NULL, &b, NULL, &err), 0, "%s", err.text);
	torap_kv_abort(&txn);
	return b;
}

/* Which batches from 1 on have this frame: "1101". */
static const char *held(unsigned frame, unsigned count)
{
	static char text[64];
	for (unsigned i = 0; i < count; i++) {
		struct torap_batch *b = read_batch(i + 1);
		text[i] = b->frames[frame] ? '1' : '0';
		torap_batch_destroy(b);
	}
	text[count] = 0;
	return text;
}

struct terms {
	int64_t open_us, personal_us, personal_law_us;
};

static void judge(const void *hint, const struct torap_class *class, unsigned part,
	int64_t after_us[static TORAP_SWEEP_REASONS])
{
	const struct terms *t = hint;
	cr_assert_eq(class->kind, PANIC);
	for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++)
		after_us[i] = INT64_MAX;
	after_us[TORAP_SWEEP_EXPIRED] = part == OPEN ? t->open_us : t->personal_us;
	after_us[TORAP_SWEEP_AT_MOST] = part == OPEN ? INT64_MAX : t->personal_law_us;
}

static struct torap_sweep_rules rules_of(const struct terms *t, uint64_t fingerprint)
{
	struct torap_sweep_rules rules = { .fingerprint = fingerprint, .judge = judge, .hint = t };
	torap_sweep_rules_add(&rules, TORAP_SWEEP_EXPIRED, t->open_us);
	torap_sweep_rules_add(&rules, TORAP_SWEEP_EXPIRED, t->personal_us);
	torap_sweep_rules_add(&rules, TORAP_SWEEP_AT_MOST, t->personal_law_us);
	return rules;
}

/* Pieces until it is done.  Returns how many there were; adds what they did. */
static unsigned sweep(struct torap_sweep *s, struct torap_sweep_tally sum[TORAP_SWEEP_REASONS])
{
	unsigned pieces = 0;
	memset(sum, 0, TORAP_SWEEP_REASONS * sizeof *sum);
	for (; !s->done; pieces++) {
		struct torap_kv_txn txn;
		torap_kv_begin(&txn, kv, true);
		cr_assert_eq(torap_sweep_piece(s, &txn), 0);
		cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
		for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++)
			torap_sweep_tally_add(&sum[i], &s->tally[i]);
	}
	return pieces;
}

static struct torap_sweep sweep_at(const struct torap_sweep_rules *rules, int64_t now_us,
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS])
{
	struct torap_sweep s = { .rules = rules, .now = { now_us } };
	sweep(&s, sum);
	return s;
}

Test(sweep, deletes_each_part_when_its_own_term_is_over_and_no_manifest)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 6000, 4000, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	append(5);
	sweep_at(&rules, 6999, sum);
	cr_assert_str_eq(held(1, 5), "00111");
	cr_assert_str_eq(held(0, 5), "11111");
	cr_assert_eq(sum[TORAP_SWEEP_EXPIRED].frames, 2);
	cr_assert_eq(sum[TORAP_SWEEP_EXPIRED].lanes[LANE], 2);
	cr_assert_gt(sum[TORAP_SWEEP_EXPIRED].bytes, 32);
	sweep_at(&rules, 8000, sum);
	cr_assert_str_eq(held(1, 5), "00001");
	cr_assert_str_eq(held(0, 5), "00111");
	cr_assert_eq(sum[TORAP_SWEEP_EXPIRED].frames, 4);
	sweep_at(&rules, 8000, sum);
	cr_assert_eq(sum[TORAP_SWEEP_EXPIRED].frames, 0);
	struct torap_batch *b = read_batch(1);
	cr_assert(b->omissions[0] == EXPIRED && b->omissions[1] == EXPIRED);
	cr_assert_eq(torap_verify_batch(b, fixture_lookup, &key, NULL), TORAP_VERDICT_GOOD);
	torap_batch_destroy(b);
}

/* `keep` waits for a receipt, the law for nobody. */
Test(sweep, stops_at_the_gate_of_each_reason_and_goes_on_when_it_opens)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 0, 3000, 5000 };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	struct torap_sweep_gate gate = { .stream = fixture_stream(LANE) };
	append(6);
	gate.through[TORAP_SWEEP_AT_MOST] = UINT64_MAX;
	gate.through[TORAP_SWEEP_EXPIRED] = 2;
	struct torap_sweep s = { .rules = &rules, .now = { 8000 }, .gates = &gate, .gates_count = 1 };
	sweep(&s, sum);
	cr_assert_str_eq(held(0, 6), "001111");
	cr_assert_str_eq(held(1, 6), "000111");
	cr_assert_eq(sum[TORAP_SWEEP_AT_MOST].frames, 1, "the third, by law; the first two had expired");

	gate.through[TORAP_SWEEP_EXPIRED] = 5;
	s = (struct torap_sweep){ .rules = &rules, .now = { 8000 }, .gates = &gate, .gates_count = 1 };
	sweep(&s, sum);
	cr_assert_str_eq(held(0, 6), "000001");
	cr_assert_str_eq(held(1, 6), "000001");

	gate.stream = fixture_stream(TORAP__LANE__LANE_BULK);
	s = (struct torap_sweep){ .rules = &rules, .now = { 80000 }, .gates = &gate, .gates_count = 1 };
	sweep(&s, sum);
	cr_assert_str_eq(held(0, 6), "000001", "a stream without a gate is nobody's to delete from");
}

static void damage(uint64_t batch_no)
{
	struct torap_kv_txn txn;
	struct torap_kv_key k = torap_rows_batch_key(1, batch_no);
	static const uint8_t junk[40] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 };
	torap_kv_begin(&txn, kv, true);
	torap_kv_put(&txn, ROWS_MANIFESTS, torap_kv_key_bytes(&k), torap_bytes(junk, sizeof junk));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

/* The first batch cannot be read: whoever looks at it again counts it. */
Test(sweep, looks_at_a_batch_once_until_the_rules_change)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 1000, INT64_MAX, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	append(3);
	damage(1);
	cr_assert_eq(sweep_at(&rules, 9000, sum).unreadable, 1);
	stage_close();
	stage_open();
	cr_assert_eq(sweep_at(&rules, 9000, sum).unreadable, 0);
	append(1);
	cr_assert_eq(sweep_at(&rules, 9000, sum).unreadable, 0);
	cr_assert_eq(sum[TORAP_SWEEP_EXPIRED].frames, 1);

	struct terms shorter = { 1000, 500, INT64_MAX };
	rules = rules_of(&shorter, 2);
	cr_assert_eq(sweep_at(&rules, 9000, sum).unreadable, 2, "once for each term");
	cr_assert_eq(sum[TORAP_SWEEP_EXPIRED].frames, 3);
}

Test(sweep, does_a_bounded_piece_at_a_time)
{
	enum { MANY = 2500 };
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 0, 0, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	append(MANY);
	struct torap_sweep s = { .rules = &rules, .now = { INT64_MAX } };
	unsigned pieces = sweep(&s, sum);
	cr_assert_gt(pieces, 3);
	cr_assert_lt(pieces, 10);
	cr_assert_eq(sum[TORAP_SWEEP_EXPIRED].frames, 2 * MANY);
	cr_assert_eq(sum[TORAP_SWEEP_EXPIRED].batches, MANY);
}

static int add_account(void *hint, uint32_t account, unsigned reason, const struct torap_sweep_tally *tally)
{
	struct torap_sweep_tally *sums = hint;
	cr_assert_eq(reason, TORAP_SWEEP_EXPIRED);
	torap_sweep_tally_add(&sums[account], tally);
	return 0;
}

/* Killed after any piece, nothing that was deleted is without a row that says so. */
Test(sweep, keeps_the_account_with_what_it_deleted)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS], accounts[3] = { 0 };
	struct terms terms = { 1000, INT64_MAX, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	append(5);
	for (uint32_t account = 1; account <= 2; account++) {
		struct torap_sweep s = { .rules = &rules, .now = { 3000 * account }, .account = account };
		sweep(&s, sum);
	}
	stage_close();
	stage_open();
	struct torap_kv_txn txn;
	uint8_t account_key[TORAP_SWEEP_KEY_SIZE];
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_sweep_accounts(&txn, add_account, accounts), 0);
	cr_assert(accounts[1].frames == 2 && accounts[2].frames == 3 && accounts[2].batches == 3);
	torap_sweep_account_key(account_key, 1, TORAP_SWEEP_EXPIRED);
	cr_assert_eq(
		torap_kv_delete(&txn, TORAP_SWEEP_TABLE, torap_bytes(account_key, sizeof account_key)), 0);
	memset(accounts, 0, sizeof accounts);
	cr_assert_eq(torap_sweep_accounts(&txn, add_account, accounts), 0);
	cr_assert(accounts[1].frames == 0 && accounts[2].frames == 3);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	append(1); /* Rows of its own do not confuse the numbering of streams. */
}

static void append_at(int64_t us)
{
	cr_assert_eq(fixture_add(sealer, fixture_class(391010000, PANIC), "z1", "anna", NULL), 0);
	struct torap_batch *b = fixture_seal(sealer);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_journal_append(&txn, b, (struct torap_wall){ us }), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	torap_batch_destroy(b);
}

/* The clock was years ahead for a while.  What came after tells when those batches were here at the latest. */
Test(sweep, does_not_keep_for_years_what_came_while_the_clock_was_wrong)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 1000, 1000, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	static const int64_t receipts[] = { 1000, INT64_MAX / 2, INT64_MAX / 2 + 1, INT64_MAX / 2 + 2, 5000,
		6500 };
	for (size_t i = 0; i < sizeof receipts / sizeof *receipts; i++)
		append_at(receipts[i]);
	sweep_at(&rules, 5999, sum);
	cr_assert_str_eq(held(0, 6), "011111");
	sweep_at(&rules, 6000, sum);
	cr_assert_str_eq(held(0, 6), "011111", "the newest is in the future still");
	sweep_at(&rules, 7000, sum);
	cr_assert_str_eq(held(0, 6), "000001");
}

/* No signature covers a receipt, and nobody mends it: a bit of one that flips may not keep what stands behind it for ever. */
Test(sweep, goes_on_behind_a_receipt_that_was_before_all_clocks)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 1000, 1000, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	static const int64_t receipts[] = { 1000, INT64_MIN + 2000, 3000, 3500 };
	for (size_t i = 0; i < sizeof receipts / sizeof *receipts; i++)
		append_at(receipts[i]);
	sweep_at(&rules, 3999, sum);
	cr_assert_str_eq(held(0, 4), "0111", "at the latest it was here at 3000");
	sweep_at(&rules, 4000, sum);
	cr_assert_str_eq(held(0, 4), "0001");
}

Test(sweep, lets_nothing_come_back_and_keeps_the_reason_of_what_was_refused)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 1000, 1000, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(fixture_add(sealer, fixture_class(391010000 + 1000 * (uint32_t)i, PANIC), "z",
				     NULL, NULL),
			0);
	struct torap_batch *full = fixture_seal(sealer), *part = torap_batch_clone(full);
	static const uint8_t reasons[] = { REFUSED, NOT_HELD };
	for (unsigned i = 0; i < 2; i++) {
		part->frames[i] = torap_buffer_unref(part->frames[i]);
		part->omissions[i] = reasons[i];
	}
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_journal_append(&txn, part, (struct torap_wall){ 1000 }), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	sweep_at(&rules, 2000, sum);
	cr_assert_eq(sum[TORAP_SWEEP_EXPIRED].frames, 1, "two were never here");

	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_journal_append(&txn, full, (struct torap_wall){ 3000 }), TORAP_JOURNAL_OLD);
	torap_kv_abort(&txn);
	struct torap_batch *b = read_batch(1);
	cr_assert(!b->frames[0] && !b->frames[1] && !b->frames[2]);
	cr_assert(b->omissions[0] == REFUSED && b->omissions[1] == EXPIRED && b->omissions[2] == EXPIRED);
	torap_batch_destroy(b);
	torap_batch_destroy(full);
	torap_batch_destroy(part);
}

Test(sweep, knows_the_oldest_frame_and_the_newest_batch)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 1000, 1000, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	struct torap_wall oldest, newest;
	append(5);
	sweep_at(&rules, 4000, sum);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_sweep_oldest(&txn, &oldest), 0);
	cr_assert_eq(torap_sweep_newest(&txn, &newest), 0);
	torap_kv_abort(&txn);
	cr_assert_eq(oldest.us, 4000);
	cr_assert_eq(newest.us, 5000);
	sweep_at(&rules, 90000, sum);
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_sweep_oldest(&txn, &oldest), 0);
	torap_kv_abort(&txn);
	cr_assert_eq(oldest.us, 0);
}

static void no_finding(void *hint, const struct torap_check_finding *f)
{
	(void)hint;
	cr_assert_fail("a check finds %s: %s", f->what, f->text);
}

/* What was deleted by rule is no damage, nor are the sweep's own rows. */
Test(sweep, leaves_a_journal_that_a_check_finds_sound)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 6000, 4000, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	append(5);
	sweep_at(&rules, 8000, sum);
	struct torap_check_options options = { .on_finding = no_finding };
	struct torap_check_counts counts;
	struct torap_error err;
	cr_assert_eq(torap_check_journal(kv, &options, &counts, &err), 0, "%s", err.text);
	cr_assert_eq(counts.findings, 0);
}

/* While a manifest could not be read nobody could say what of its batch must go.  When it has come again, what must go does. */
Test(sweep, looks_again_at_a_batch_whose_manifest_was_mended)
{
	struct torap_sweep_tally sum[TORAP_SWEEP_REASONS];
	struct terms terms = { 6000, 4000, INT64_MAX };
	struct torap_sweep_rules rules = rules_of(&terms, 1);
	static const uint8_t junk[40];
	append(5);
	struct torap_batch *second = read_batch(2);
	struct torap_kv_key row = torap_rows_batch_key(1, 2);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(
		torap_kv_put(&txn, ROWS_MANIFESTS, torap_kv_key_bytes(&row), torap_bytes(junk, sizeof junk)),
		0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	sweep_at(&rules, 100000, sum);
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_journal_append(&txn, second, (struct torap_wall){ 0 }), TORAP_JOURNAL_MERGED);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	sweep_at(&rules, 100000, sum);
	cr_assert_str_eq(held(0, 5), "00000");
	cr_assert_str_eq(held(1, 5), "00000");
	torap_batch_destroy(second);
}
