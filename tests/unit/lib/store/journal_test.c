#include "store/journal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/committer.h"
#include "tests/unit/lib/store/batches.h"

enum {
	EXPIRED = TORAP__OMISSION_REASON__OMISSION_EXPIRED,
	DAMAGED = TORAP__OMISSION_REASON__OMISSION_DAMAGED,
	NOT_HELD = TORAP__OMISSION_REASON__OMISSION_NOT_HELD,
	NOT_GRANTED = TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED
};

TestSuite(journal, .init = stage_make, .fini = stage_remove);

static void append_new(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct torap_batch *b = seal();
		cr_assert_eq(append_at(b, 1000 * (int64_t)b->manifest->batch_no), 0);
		torap_batch_destroy(b);
	}
}

static struct torap_journal_head head_of(const struct torap_batch *b)
{
	struct torap_kv_txn txn;
	struct torap_journal_head head;
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_journal_head(&txn, &b->manifest->stream, &head), 0);
	torap_kv_abort(&txn);
	return head;
}

Test(journal, gives_back_the_bytes_that_it_was_given_after_close_and_open)
{
	struct torap_batch *one = seal(), *two = seal();
	cr_assert_eq(append(one), 0);
	cr_assert_eq(append(two), 0);
	stage_close();
	stage_open();
	struct torap_batch *got_one = read_batch(1, NULL), *got_two = read_batch(2, NULL);
	check_same(one, got_one);
	check_same(two, got_two);
	struct torap_journal_head head = head_of(two);
	cr_assert(head.number == 1 && head.first_batch == 1 && head.last_batch == 2 && head.next_seq == 5);
	cr_assert_arr_eq(head.last_digest, two->manifest->digest, TORAP_DIGEST_SIZE);
	torap_batch_destroy(got_one);
	torap_batch_destroy(got_two);
	torap_batch_destroy(one);
	torap_batch_destroy(two);
}

Test(journal, refuses_a_batch_that_leaves_a_gap)
{
	struct torap_batch *one = seal(), *two = seal(), *three = seal();
	cr_assert_eq(append(one), 0);
	cr_assert_eq(append(three), TORAP_JOURNAL_GAP);
	cr_assert_eq(head_of(one).last_batch, 1);
	cr_assert_eq(append(two), 0);
	cr_assert_eq(append(three), 0);
	torap_batch_destroy(one);
	torap_batch_destroy(two);
	torap_batch_destroy(three);
}

Test(journal, begins_a_stream_in_the_middle_and_takes_nothing_earlier)
{
	struct torap_batch *one = seal(), *two = seal(), *three = seal();
	cr_assert_eq(append(two), 0);
	cr_assert_eq(append(one), TORAP_JOURNAL_GAP);
	cr_assert_eq(append(three), 0);
	struct torap_journal_head head = head_of(one);
	cr_assert(head.first_batch == 2 && head.last_batch == 3);
	torap_batch_destroy(one);
	torap_batch_destroy(two);
	torap_batch_destroy(three);
}

/* Two sealers of one stream, as after a restored backup: their salts differ, so do their manifests. */
Test(journal, tells_the_same_batch_from_another_under_its_number)
{
	struct torap_sealer *twin = fixture_sealer(LANE, &key);
	struct torap_batch *one = seal(), *other_one = seal_with(twin), *other_two = seal_with(twin);
	cr_assert_eq(append(one), 0);
	cr_assert_eq(append(one), TORAP_JOURNAL_OLD);
	cr_assert_eq(append(other_one), TORAP_JOURNAL_OTHER);
	cr_assert_eq(append(other_two), TORAP_JOURNAL_BROKEN);
	struct torap_batch *got = read_batch(1, NULL);
	check_same(one, got);
	cr_assert_eq(head_of(one).last_batch, 1);
	torap_batch_destroy(got);
	torap_batch_destroy(one);
	torap_batch_destroy(other_one);
	torap_batch_destroy(other_two);
	torap_sealer_destroy(twin);
}

Test(journal, notes_what_was_left_out_and_merges_what_comes_later)
{
	struct torap_batch *full = seal(), *part = torap_batch_clone(full), *less = torap_batch_clone(full);
	leave_out(part, 1, EXPIRED);
	leave_out(part, 2, NOT_GRANTED);
	leave_out(less, 0, NOT_HELD);
	leave_out(less, 2, NOT_HELD);
	cr_assert_eq(append(part), 0);
	struct torap_batch *got = read_batch(1, NULL);
	cr_assert(same_buffer(got->frames[0], full->frames[0]) && !got->frames[1] && !got->frames[2]);
	cr_assert(got->omissions[1] == EXPIRED && got->omissions[2] == NOT_GRANTED);
	torap_batch_destroy(got);

	cr_assert_eq(append(part), TORAP_JOURNAL_OLD);
	cr_assert_eq(append(less), TORAP_JOURNAL_MERGED);
	got = read_batch(1, NULL);
	cr_assert(got->frames[0] && same_buffer(got->frames[1], full->frames[1]) && !got->frames[2]);
	torap_batch_destroy(got);

	cr_assert_eq(append(full), TORAP_JOURNAL_MERGED);
	cr_assert_eq(append(full), TORAP_JOURNAL_OLD);
	cr_assert_eq(append(part), TORAP_JOURNAL_OLD);
	got = read_batch(1, NULL);
	check_same(full, got);
	torap_batch_destroy(got);
	torap_batch_destroy(full);
	torap_batch_destroy(part);
	torap_batch_destroy(less);
}

/* A writer that never got our acknowledgement sends the batch again after its retention has ended here. */
Test(journal, deletes_a_frame_for_good_and_keeps_its_manifest_and_the_reason)
{
	struct torap_batch *b = seal();
	cr_assert_eq(append(b), 0);
	cr_assert_eq(drop(1, 1), 0);
	cr_assert_eq(drop(2, 1), TORAP_KV_MISSING);
	for (int round = 0; round < 2; round++) {
		struct torap_batch *got = read_batch(1, NULL);
		cr_assert(same_buffer(got->signed_manifest, b->signed_manifest));
		cr_assert(got->frames[0] && !got->frames[1] && got->frames[2]);
		cr_assert_eq(got->omissions[1], EXPIRED);
		torap_batch_destroy(got);
		cr_assert_eq(append(b), TORAP_JOURNAL_OLD);
	}
	torap_batch_destroy(b);
}

/* One bit of a frame flips on the disk, another frame's row is gone without a note: both are named, and both can be mended. */
Test(journal, names_a_damaged_frame_and_takes_a_good_one_for_it)
{
	struct torap_batch *b = seal();
	cr_assert_eq(append(b), 0);
	change_row(ROWS_FRAMES, torap_rows_frame_key(1, 1, 0), false);
	change_row(ROWS_FRAMES, torap_rows_frame_key(1, 1, 2), true);
	struct torap_batch *got = read_batch(1, NULL);
	cr_assert(!got->frames[0] && got->frames[1] && !got->frames[2]);
	cr_assert(got->omissions[0] == DAMAGED && got->omissions[2] == DAMAGED);
	torap_batch_destroy(got);

	cr_assert_eq(append(b), TORAP_JOURNAL_MERGED);
	got = read_batch(1, NULL);
	check_same(b, got);
	torap_batch_destroy(got);
	torap_batch_destroy(b);
}

static void cut_manifest(uint64_t batch_no)
{
	struct torap_kv_txn txn;
	struct torap_kv_key k = torap_rows_batch_key(1, batch_no);
	static const uint8_t junk[40];
	torap_kv_begin(&txn, kv, true);
	torap_kv_put(&txn, ROWS_MANIFESTS, torap_kv_key_bytes(&k), torap_bytes(junk, sizeof junk));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

/* Whatever a damage hits, another batch under its number is not taken for what was written; the very batch that the chain names is. */
Test(journal, mends_a_damaged_manifest_with_the_batch_that_the_chain_names_and_no_other)
{
	struct torap_sign_key other_key = fixture_key(2);
	struct torap_sealer *others = fixture_sealer(LANE, &other_key);
	struct torap_batch *b[3];
	for (int i = 0; i < 3; i++) {
		b[i] = seal();
		cr_assert_eq(append(b[i]), 0);
	}
	change_row(ROWS_MANIFESTS, torap_rows_batch_key(1, 1), false);
	cut_manifest(2);
	change_row(ROWS_FRAMES, torap_rows_frame_key(1, 2, 1), true);
	cut_manifest(3);
	struct torap_batch *other = seal_with(others);
	cr_assert_eq(append(other), TORAP_JOURNAL_OTHER);
	cr_assert_eq(append(b[1]), TORAP_JOURNAL_OTHER, "what is behind it names nothing yet");
	for (int i = 2; i >= 0; i--)
		cr_assert_eq(append(b[i]), TORAP_JOURNAL_MERGED);
	cr_assert_eq(append(other), TORAP_JOURNAL_OTHER);
	for (int i = 0; i < 3; i++) {
		struct torap_batch *got = read_batch((uint64_t)i + 1, NULL);
		check_same(b[i], got);
		torap_batch_destroy(got);
		torap_batch_destroy(b[i]);
	}
	torap_batch_destroy(other);
	torap_sealer_destroy(others);
}

/* What was signed is whole and its signature is not: nobody who gets it could believe it. */
Test(journal, mends_a_damaged_signature)
{
	struct torap_batch *b = seal();
	cr_assert_eq(append(b), 0);
	struct torap_kv_txn txn;
	struct torap_rows_manifest row;
	uint8_t bytes[4096];
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_rows_manifest_get(&txn, 1, 1, &row), 0);
	size_t size = row.signed_manifest.size;
	cr_assert(size <= sizeof bytes && b->signed_manifest->size == size);
	memcpy(bytes, row.signed_manifest.data, size);
	/* The signature stands behind the manifest, 64 bytes and its own head long, before the key's 8. */
	bytes[size - 20] ^= 1;
	struct torap_buffer *damaged = torap_buffer_copy(torap_bytes(bytes, size));
	struct torap_batch copy = *b;
	copy.signed_manifest = damaged;
	cr_assert_eq(torap_rows_manifest_put(&txn, 1, &copy, (struct torap_wall){ 7 }), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	struct torap_batch *got = read_batch(1, NULL);
	cr_assert_eq(memcmp(got->manifest->digest, b->manifest->digest, TORAP_DIGEST_SIZE), 0);
	torap_batch_destroy(got);

	cr_assert_eq(append(b), TORAP_JOURNAL_MERGED);
	cr_assert_eq(append(b), TORAP_JOURNAL_OLD);
	got = read_batch(1, NULL);
	check_same(b, got);
	torap_batch_destroy(got);
	torap_batch_destroy(b);
	torap_buffer_unref(damaged);
}

/* One source has not the frame, another has it damaged and may mend it: then it is a hole, which is asked for, and no longer a partial copy,
 * which is not asked of a source again. */
Test(journal, takes_over_that_a_frame_is_damaged_where_it_is_held)
{
	struct torap_batch *full = seal(), *part = torap_batch_clone(full), *bad = torap_batch_clone(full);
	leave_out(part, 0, NOT_HELD);
	leave_out(bad, 0, DAMAGED);
	cr_assert_eq(append(part), 0);
	cr_assert_eq(append(bad), TORAP_JOURNAL_MERGED);
	struct torap_batch *got = read_batch(1, NULL);
	cr_assert(!got->frames[0] && got->omissions[0] == DAMAGED);
	torap_batch_destroy(got);
	cr_assert_eq(append(part), TORAP_JOURNAL_OLD, "and not back again");
	cr_assert_eq(append(full), TORAP_JOURNAL_MERGED);
	got = read_batch(1, NULL);
	check_same(full, got);
	torap_batch_destroy(got);
	torap_batch_destroy(full);
	torap_batch_destroy(part);
	torap_batch_destroy(bad);
}

/* A peer that says "expired" of what we have damaged closes the hole; one that has it fills it all the same, later. */
Test(journal, takes_over_why_a_missing_frame_will_never_come)
{
	struct torap_batch *full = seal(), *part = torap_batch_clone(full), *late = torap_batch_clone(full);
	leave_out(part, 0, NOT_HELD);
	leave_out(late, 0, EXPIRED);
	leave_out(late, 1, EXPIRED);
	cr_assert_eq(append(part), 0);
	change_row(ROWS_FRAMES, torap_rows_frame_key(1, 1, 1), false);
	cr_assert_eq(append(part), TORAP_JOURNAL_MERGED, "its good copy of frame 1");
	cr_assert_eq(append(part), TORAP_JOURNAL_OLD);
	cr_assert_eq(append(late), TORAP_JOURNAL_MERGED);
	struct torap_batch *got = read_batch(1, NULL);
	cr_assert(
		!got->frames[0] && got->omissions[0] == EXPIRED && got->frames[1] && !torap_batch_lacks(got));
	torap_batch_destroy(got);
	cr_assert_eq(append(late), TORAP_JOURNAL_OLD);
	cr_assert_eq(append(full), TORAP_JOURNAL_MERGED);
	torap_batch_destroy(full);
	torap_batch_destroy(part);
	torap_batch_destroy(late);
}

Test(journal, says_which_manifest_cannot_be_decoded)
{
	append_new(2);
	cut_manifest(2);
	struct torap_kv_txn txn;
	struct torap_batch *b = NULL;
	struct torap_wall at;
	struct torap_error err = { "" };
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_journal_read(&txn, 1, 2, NULL, NULL, &b, &at, &err), -EBADMSG);
	cr_assert(strstr(err.text, "batch 2 of stream 1") && !b, "%s", err.text);
	cr_assert_eq(torap_journal_read(&txn, 1, 3, NULL, NULL, &b, &at, &err), TORAP_KV_MISSING);
	cr_assert_eq(torap_journal_read(&txn, 2, 1, NULL, NULL, &b, &at, &err), TORAP_KV_MISSING);
	torap_kv_abort(&txn);
}

static bool want_open(void *hint, const struct torap_batch *b, size_t group, size_t part)
{
	(void)hint;
	return b->manifest->groups[group].parts[part].part == TORAP__PART_KIND__PART_OPEN;
}

Test(journal, reads_the_frames_that_are_wanted_and_no_others)
{
	append_new(1);
	struct torap_batch *open = read_batch(1, want_open), *none = read_batch(1, torap_journal_want_none);
	cr_assert(open->frames[0] && !open->frames[1] && open->frames[2]);
	cr_assert_eq(open->omissions[1], NOT_GRANTED);
	cr_assert(!none->frames[0] && !none->frames[1] && !none->frames[2]);
	torap_batch_destroy(open);
	torap_batch_destroy(none);
}

static struct torap_sealer *sealer_of(const char *writer)
{
	static const uint8_t no_digest[TORAP_DIGEST_SIZE];
	struct torap_stream_id id;
	struct torap_sealer *s = NULL;
	cr_assert(torap_stream_id_make(&id, writer, LANE, 7));
	cr_assert_eq(torap_sealer_create(&s, &id, 0, 1, no_digest, &key, NULL), 0);
	return s;
}

static int gather(void *hint, const struct torap_journal_head *head)
{
	char *list = hint;
	char one[64];
	snprintf(one, sizeof one, "%u %s %d; ", head->number, head->stream.writer, (int)head->last_batch);
	strcat(list, one);
	return 0;
}

Test(journal, keeps_streams_apart_and_lists_their_heads)
{
	struct torap_sealer *other = sealer_of("a");
	struct torap_batch *b = seal_with(other);
	append_new(2);
	struct torap_kv_txn txn;
	struct torap_journal_head head;
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_journal_head(&txn, &b->manifest->stream, &head), TORAP_KV_MISSING);
	torap_kv_abort(&txn);
	cr_assert_eq(append(b), 0);
	append_new(1);
	char list[256] = "";
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_journal_heads(&txn, gather, list), 0);
	torap_kv_abort(&txn);
	cr_assert_str_eq(list, "1 node-kostanay 3; 2 a 1; ");
	torap_batch_destroy(b);
	torap_sealer_destroy(other);
}

/* A writer that opens incarnation after incarnation must not grow the journal's head table without an end. */
Test(journal, refuses_more_streams_than_it_can_hold)
{
	struct torap_kv_txn txn;
	struct torap_journal_head last = { .number = TORAP_STREAMS_MAX, .first_batch = 1, .last_batch = 1 };
	last.stream = fixture_stream(TORAP__LANE__LANE_BULK);
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_rows_head_put(&txn, &last), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	struct torap_batch *b = seal();
	cr_assert_eq(append(b), TORAP_JOURNAL_CROWDED);
	torap_batch_destroy(b);
}

Test(journal, finds_the_first_batch_received_at_a_time)
{
	append_new(5); /* at 1000, 2000, … 5000 */
	static const struct {
		int64_t at;
		uint64_t batch_no;
	} cases[] = { { -5, 1 }, { 1000, 1 }, { 1001, 2 }, { 3000, 3 }, { 4999, 5 }, { 5000, 5 },
		{ 5001, 6 } };
	struct torap_kv_txn txn;
	uint64_t batch_no;
	torap_kv_begin(&txn, kv, false);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cr_assert_eq(
			torap_journal_find_time(&txn, 1, (struct torap_wall){ cases[i].at }, &batch_no), 0);
		cr_assert_eq(batch_no, cases[i].batch_no, "at %d", (int)cases[i].at);
	}
	cr_assert_eq(torap_journal_find_time(&txn, 2, (struct torap_wall){ 0 }, &batch_no), TORAP_KV_MISSING);
	torap_kv_abort(&txn);
}

enum { ENTRIES = 16 };

/* Returns how many came; checks that they follow each other. */
static size_t range(uint64_t from, size_t bytes_max, size_t count_max, torap_journal_want want)
{
	struct torap_journal_entry entries[ENTRIES];
	struct torap_error err = { "" };
	size_t count = 99;
	cr_assert_leq(count_max, ENTRIES);
	int r = torap_journal_read_range(
		kv, 1, from, bytes_max, count_max, want, NULL, entries, &count, &err);
	cr_assert_eq(r, 0, "%s", err.text);
	for (size_t i = 0; i < count; i++) {
		cr_assert_eq(entries[i].batch->manifest->batch_no, from + i);
		cr_assert_eq(entries[i].received_at.us, 1000 * (int64_t)(from + i));
		torap_batch_destroy(entries[i].batch);
	}
	return count;
}

Test(journal, reads_runs_bounded_by_bytes_and_count_but_always_one)
{
	append_new(10);
	struct torap_batch *b = read_batch(2, NULL), *manifest = read_batch(2, torap_journal_want_none);
	size_t full = torap_batch_size(b), bare = torap_batch_size(manifest);
	cr_assert_lt(bare, full);
	cr_assert_eq(range(1, SIZE_MAX, ENTRIES, NULL), 10);
	cr_assert_eq(range(8, SIZE_MAX, ENTRIES, NULL), 3);
	cr_assert_eq(range(11, SIZE_MAX, ENTRIES, NULL), 0);
	cr_assert_eq(range(1, SIZE_MAX, 4, NULL), 4);
	cr_assert_eq(range(1, 0, ENTRIES, NULL), 1);
	cr_assert_eq(range(2, 3 * full, ENTRIES, NULL), 3);
	cr_assert_eq(range(2, 3 * full - 1, ENTRIES, NULL), 2);
	cr_assert_eq(range(2, 5 * bare, ENTRIES, torap_journal_want_none), 5);
	torap_batch_destroy(b);
	torap_batch_destroy(manifest);
}

Test(journal, reads_a_run_up_to_a_batch_that_cannot_be_read)
{
	append_new(4);
	cut_manifest(3);
	cr_assert_eq(range(1, SIZE_MAX, ENTRIES, NULL), 2);
	struct torap_journal_entry entries[ENTRIES];
	struct torap_error err = { "" };
	size_t count;
	cr_assert_eq(torap_journal_read_range(kv, 1, 3, SIZE_MAX, ENTRIES, NULL, NULL, entries, &count, &err),
		-EBADMSG);
	cr_assert(count == 0 && strstr(err.text, "batch 3 of stream 1"), "%s", err.text);
}

struct append_job {
	struct torap_commit_job base;
	struct torap_batch *batch;
	int result;
};

static int apply_append(struct torap_commit_job *base, struct torap_kv_txn *txn)
{
	struct append_job *job = (struct append_job *)base;
	return torap_journal_append(txn, job->batch, (struct torap_wall){ 1000 });
}

static void append_done(struct torap_commit_job *base, int result)
{
	struct append_job *job = (struct append_job *)base;
	job->result = result;
	job->batch = torap_batch_destroy(job->batch);
}

static void no_wake(void *hint)
{
	(void)hint;
}

enum { WRITTEN = 200 };

struct replay {
	pthread_t thread;
	unsigned seen, bad;
};

/* Follows the journal to its end while it grows. */
static void *replay(void *hint)
{
	struct replay *replay = hint;
	while (replay->seen < WRITTEN && !replay->bad) {
		struct torap_journal_entry entries[ENTRIES];
		size_t count;
		if (torap_journal_read_range(
			    kv, 1, replay->seen + 1, 4096, ENTRIES, NULL, NULL, entries, &count, NULL))
			replay->bad++;
		for (size_t i = 0; i < count; i++) {
			struct torap_batch *b = entries[i].batch;
			replay->bad += b->manifest->batch_no != ++replay->seen;
			replay->bad +=
				torap_verify_batch(b, fixture_lookup, &key, NULL) != TORAP_VERDICT_GOOD;
			replay->bad += !b->frames[0] || !b->frames[1] || !b->frames[2];
			torap_batch_destroy(b);
		}
	}
	return NULL;
}

Test(journal, is_read_without_a_gap_on_other_threads_while_it_grows, .timeout = 120)
{
	struct torap_committer *committer = NULL;
	cr_assert_eq(torap_committer_start(&committer, kv, no_wake, NULL, NULL), 0);
	struct replay readers[3] = { 0 };
	for (int i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&readers[i].thread, NULL, replay, &readers[i]), 0);
	static struct append_job jobs[WRITTEN];
	for (int i = 0; i < WRITTEN; i++) {
		jobs[i].base.apply = apply_append;
		jobs[i].base.done = append_done;
		jobs[i].batch = seal();
		torap_committer_submit(committer, &jobs[i].base);
		torap_committer_collect(committer);
	}
	committer = torap_committer_stop(committer);
	for (int i = 0; i < 3; i++) {
		pthread_join(readers[i].thread, NULL);
		cr_assert(readers[i].seen == WRITTEN && !readers[i].bad, "reader %d: seen %u, bad %u", i,
			readers[i].seen, readers[i].bad);
	}
	for (int i = 0; i < WRITTEN; i++)
		cr_assert_eq(jobs[i].result, 0);
}

/* The child tells of each batch after its commit, and is killed in the middle of its work. */
Test(journal, keeps_what_it_acknowledged_when_its_process_is_killed)
{
	stage_close();
	int told[2];
	cr_assert_eq(pipe(told), 0);
	fflush(NULL);
	pid_t child = fork();
	if (!child) {
		stage_open();
		for (;;) {
			append_new(1);
			if (write(told[1], "x", 1) != 1)
				_exit(1);
		}
	}
	close(told[1]);
	char byte;
	uint64_t acknowledged = 0;
	while (acknowledged < 20 && read(told[0], &byte, 1) == 1)
		acknowledged++;
	kill(child, SIGKILL);
	while (read(told[0], &byte, 1) == 1)
		acknowledged++;
	close(told[0]);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	cr_assert_geq(acknowledged, 20);

	stage_open();
	struct torap_batch *last = read_batch(acknowledged, NULL);
	cr_assert_geq(head_of(last).last_batch, acknowledged);
	torap_batch_destroy(last);
	for (uint64_t n = 1; n <= acknowledged; n++) {
		struct torap_batch *b = read_batch(n, NULL);
		cr_assert_eq(torap_verify_batch(b, fixture_lookup, &key, NULL), TORAP_VERDICT_GOOD);
		cr_assert(b->frames[0] && b->frames[1] && b->frames[2]);
		torap_batch_destroy(b);
	}
}

static uint64_t partial_from(uint64_t from)
{
	struct torap_kv_txn txn;
	uint64_t found = 0;
	torap_kv_begin(&txn, kv, false);
	int r = torap_journal_find_partial(&txn, 1, from, &found);
	cr_assert(r == 0 || r == TORAP_KV_MISSING);
	torap_kv_abort(&txn);
	return r ? 0 : found;
}

/* Batches 2 and 4 came without a frame; of 3 one has expired, of 5 one is damaged: that is asked for otherwise. */
Test(journal, finds_what_another_copy_could_complete)
{
	for (uint64_t no = 1; no <= 5; no++) {
		struct torap_batch *b = seal();
		if (no == 2 || no == 4) {
			b->frames[1] = torap_buffer_unref(b->frames[1]);
			b->omissions[1] = NOT_HELD;
		}
		if (no == 3) {
			b->frames[1] = torap_buffer_unref(b->frames[1]);
			b->omissions[1] = EXPIRED;
		}
		if (no == 5) {
			b->frames[1] = torap_buffer_unref(b->frames[1]);
			b->omissions[1] = DAMAGED;
		}
		cr_assert_eq(append(b), 0);
		torap_batch_destroy(b);
	}
	cr_expect_eq(partial_from(1), 2);
	cr_expect_eq(partial_from(3), 4);
	cr_expect_eq(partial_from(5), 0);

	cr_assert_eq(drop(2, 1), 0);
	cr_expect_eq(partial_from(1), 4, "what was deleted here is gone for good");
}
