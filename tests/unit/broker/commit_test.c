/* What a stream is told of its batches when the disk is full.  The committer is ours: it keeps the jobs until a test says how they end. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/error.h"
#include "broker/commit.h"
#include "broker/streams.h"
#include "store/journal.h"
#include "store/kv.h"
#include "tests/unit/lib/store/place.h"

static struct torap_commit_job *jobs[4];
static size_t jobs_count;
static enum broker_commit_result results[4];
static size_t results_count;

void torap_committer_submit(struct torap_committer *c, struct torap_commit_job *job)
{
	(void)c;
	jobs[jobs_count++] = job;
}

static void on_done(struct broker_commit *c, enum broker_commit_result result)
{
	struct broker_streams *streams = c->hint;
	results[results_count++] = result;
	if (result == BROKER_COMMIT_FULL)
		broker_stream_fall_back(c->stream);
	if (result == BROKER_COMMIT_FLUSHED)
		broker_stream_flushed(streams, c->stream, &c->batch, c->received_at);
}

static void submit(struct broker_streams *streams, struct broker_stream *s, uint64_t no)
{
	struct torap_batch *b = calloc(1, sizeof *b);
	b->manifest = calloc(1, sizeof *b->manifest);
	b->manifest->batch_no = no;
	b->manifest->first_seq = no;
	b->manifest->count = 1;
	b->signed_manifest = torap_buffer_create(1);
	torap_position_advance(&s->accepted, b->manifest);
	cr_assert_eq(broker_commit_submit(NULL, s, &b, (struct torap_wall){ 1 }, NULL, on_done, streams), 0);
	cr_assert_null(b);
}

static void end(size_t job, int result)
{
	jobs[job]->done(jobs[job], result);
}

/* Batch 1 finds no room; the writer sends it again while batch 2, which came in between, is still on its way.  That 2 then finds no
 * room either must not let the stream fall back behind the new 1: the writer would send that a third time, and two would be stored. */
Test(commit, falls_back_only_for_the_batch_that_was_due)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id id;
	cr_assert(torap_stream_id_make(&id, "node-a", TORAP__LANE__LANE_NORMAL, 1));
	struct broker_stream *s = broker_streams_add(streams, &id);
	submit(streams, s, 1);
	submit(streams, s, 2);
	end(0, TORAP_KV_FULL);
	cr_expect_eq(results[0], BROKER_COMMIT_FULL);
	cr_expect_eq(s->accepted.next_batch, 1);
	submit(streams, s, 1);
	end(1, TORAP_KV_FULL);
	cr_expect_eq(results[1], BROKER_COMMIT_VOID);
	cr_expect_eq(s->accepted.next_batch, 2, "the new batch 1 is on its way");
	end(2, 0);
	cr_expect_eq(results[2], BROKER_COMMIT_FLUSHED);
	cr_expect_eq(s->flushed.next_batch, 2);
	broker_streams_destroy(streams);
}

Test(commit, says_void_for_what_follows_a_batch_that_failed)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id id;
	cr_assert(torap_stream_id_make(&id, "node-a", TORAP__LANE__LANE_NORMAL, 1));
	struct broker_stream *s = broker_streams_add(streams, &id);
	submit(streams, s, 1);
	submit(streams, s, 2);
	end(0, TORAP_JOURNAL_CROWDED);
	end(1, TORAP_JOURNAL_GAP);
	cr_expect_eq(results[0], BROKER_COMMIT_FULL);
	cr_expect_eq(results[1], BROKER_COMMIT_VOID);
	cr_expect(!s->stored);
	broker_streams_destroy(streams);
}

/* A batch that came again may find the disk full, too; then the stream stands where it stood, and the batch is told of. */
Test(commit, says_what_became_of_a_batch_that_came_again)
{
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id id;
	cr_assert(torap_stream_id_make(&id, "node-a", TORAP__LANE__LANE_NORMAL, 1));
	struct broker_stream *s = broker_streams_add(streams, &id);
	submit(streams, s, 1);
	end(0, 0);
	submit(streams, s, 1);
	end(1, TORAP_JOURNAL_MERGED);
	cr_expect_eq(results[1], BROKER_COMMIT_MERGED);
	submit(streams, s, 1);
	end(2, TORAP_JOURNAL_OTHER);
	cr_expect_eq(results[2], BROKER_COMMIT_OTHER);
	submit(streams, s, 1);
	end(3, TORAP_KV_FULL);
	cr_expect_eq(results[3], BROKER_COMMIT_FULL);
	cr_expect_eq(s->flushed.next_batch, 2);
	broker_streams_destroy(streams);
}

/* Batch 1 finds no room, batch 2 would: a stream that began with 2 would lack 1 for ever, and its writer be told that 1 is here. */
Test(commit, begins_no_stream_behind_a_batch_that_found_no_room)
{
	static const char *const tables[] = { TORAP_JOURNAL_TABLE_NAMES, NULL };
	struct torap_kv_options options = { .tables = tables, .map_size = 64 << 20 };
	struct torap_error err;
	struct torap_kv *kv;
	struct torap_kv_txn txn;
	struct place place;
	place_make(&place);
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
	struct broker_streams *streams = broker_streams_create();
	struct torap_stream_id id;
	cr_assert(torap_stream_id_make(&id, "node-a", TORAP__LANE__LANE_NORMAL, 1));
	struct broker_stream *s = broker_streams_add(streams, &id);
	submit(streams, s, 1);
	submit(streams, s, 2);
	torap_kv_begin(&txn, kv, true);
	cr_expect_eq(jobs[1]->apply(jobs[1], &txn), TORAP_JOURNAL_GAP);
	torap_kv_abort(&txn);
	end(0, TORAP_KV_FULL);
	end(1, TORAP_JOURNAL_GAP);
	cr_expect_eq(results[1], BROKER_COMMIT_VOID);
	broker_streams_destroy(streams);
	torap_kv_close(kv);
	place_remove(&place);
}
