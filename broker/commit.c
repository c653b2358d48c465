#include "broker/commit.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "broker/streams.h"
#include "store/journal.h"
#include "store/kv.h"

/* On the committer's thread: touches the commit alone, never the stream. */
static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct broker_commit *c = (struct broker_commit *)((char *)job - offsetof(struct broker_commit, job));
	int r = torap_journal_append(txn, c->batch, c->received_at);
	if (r)
		return r;
	struct torap_journal_head head;
	r = torap_journal_head(txn, &c->batch->manifest->stream, &head);
	if (!r)
		c->number = head.number;
	return r;
}

static enum broker_commit_result judge(int result)
{
	switch (result) {
	case 0:
		return BROKER_COMMIT_FLUSHED;
	case TORAP_KV_FULL:
	case TORAP_JOURNAL_CROWDED:
		return BROKER_COMMIT_FULL;
	default:
		/* The loop judged number and chain before; only a failed one before it can have made a gap. */
		assert(result == TORAP_JOURNAL_GAP);
		return BROKER_COMMIT_VOID;
	}
}

static void done(struct torap_commit_job *job, int result)
{
	struct broker_commit *c = (struct broker_commit *)((char *)job - offsetof(struct broker_commit, job));
	enum broker_commit_result r = judge(result);
	/* On a full disk even a transaction that found a gap has no room.  The one before it fell back for both, and may be on
	 * its way again by now. */
	if (r == BROKER_COMMIT_FULL && c->batch->manifest->batch_no != c->stream->flushed.next_batch)
		r = BROKER_COMMIT_VOID;
	c->stream->waiting--;
	if (r == BROKER_COMMIT_FLUSHED && !c->stream->stored) {
		c->stream->stored = true;
		c->stream->number = c->number;
	}
	c->on_done(c, r);
	torap_batch_destroy(c->batch);
	free(c);
}

int broker_commit_submit(struct torap_committer *committer, struct broker_stream *stream,
	struct torap_batch **take, struct torap_wall received_at,
	void (*on_done)(struct broker_commit *c, enum broker_commit_result result), void *hint)
{
	struct broker_commit *c = malloc(sizeof *c);
	if (!c)
		return -ENOMEM;
	*c = (struct broker_commit){
		.job = { .apply = apply, .done = done },
		.batch = *take,
		.stream = stream,
		.received_at = received_at,
		.on_done = on_done,
		.hint = hint,
	};
	*take = NULL;
	stream->waiting++;
	torap_committer_submit(committer, &c->job);
	return 0;
}
