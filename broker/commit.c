#include "broker/commit.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "broker/streams.h"
#include "store/journal.h"
#include "store/kv.h"

/* A fork, or a row that cannot be read? */
static int look_at_other(struct broker_commit *c, struct torap_kv_txn *txn, uint32_t number)
{
	torap_batch_destroy(c->there); /* of an earlier transaction that was given up */
	c->there = NULL;
	int r = torap_journal_read(txn, number, c->batch->manifest->batch_no, torap_journal_want_none, NULL,
		&c->there, NULL, NULL);
	c->damaged = r == -EBADMSG || r == TORAP_KV_MISSING;
	return r && !c->damaged ? r : TORAP_JOURNAL_OTHER;
}

/* It came into a hole, or brings one: is there one afterwards? */
static void look_at_mended(struct broker_commit *c, struct torap_kv_txn *txn, uint32_t number)
{
	struct torap_batch *now = NULL;
	int r = torap_journal_read(txn, number, c->batch->manifest->batch_no, NULL, NULL, &now, NULL, NULL);
	c->damaged = r || torap_batch_is_damaged(now);
	torap_batch_destroy(now);
}

/* On the committer's thread: touches the commit alone, never the stream. */
static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct broker_commit *c = (struct broker_commit *)((char *)job - offsetof(struct broker_commit, job));
	const struct torap_manifest *m = c->batch->manifest;
	struct torap_journal_head head;
	/* The journal would begin the stream with whatever comes, also behind one that found no room. */
	int known = m->batch_no == c->begins ? 0 : torap_journal_head(txn, &m->stream, &head);
	if (known)
		return known == TORAP_KV_MISSING ? TORAP_JOURNAL_GAP : known;
	int answer = torap_journal_append(txn, c->batch, c->received_at);
	if (answer && answer != TORAP_JOURNAL_OLD && answer != TORAP_JOURNAL_MERGED &&
		answer != TORAP_JOURNAL_OTHER)
		return answer;
	int r = torap_journal_head(txn, &m->stream, &head);
	if (r)
		return r;
	c->number = head.number;
	if (answer == TORAP_JOURNAL_OTHER)
		return look_at_other(c, txn, head.number);
	if (answer && (c->mends || torap_batch_is_damaged(c->batch)))
		look_at_mended(c, txn, head.number);
	r = broker_source_put(txn, &c->source, &m->stream, m->batch_no + 1);
	return r ? r : answer;
}

static enum broker_commit_result judge(const struct broker_commit *c, int result)
{
	switch (result) {
	case 0:
		return BROKER_COMMIT_FLUSHED;
	case TORAP_JOURNAL_OLD:
		return BROKER_COMMIT_OLD;
	case TORAP_JOURNAL_MERGED:
		return BROKER_COMMIT_MERGED;
	case TORAP_JOURNAL_OTHER:
		return c->damaged ? BROKER_COMMIT_DAMAGED : BROKER_COMMIT_OTHER;
	case TORAP_JOURNAL_BROKEN:
		return BROKER_COMMIT_OTHER; /* another history was flushed while this one was on its way */
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
	enum broker_commit_result r = judge(c, result);
	/* On a full disk even a transaction that found a gap has no room.  The one before it fell back for both, and may be on
	 * its way again by now. */
	if (r == BROKER_COMMIT_FULL && c->batch->manifest->batch_no > broker_stream_due(c->stream))
		r = BROKER_COMMIT_VOID;
	c->stream->waiting--;
	if (r == BROKER_COMMIT_FLUSHED && !c->stream->stored) {
		c->stream->stored = true;
		c->stream->number = c->number;
	}
	c->on_done(c, r);
	torap_batch_destroy(c->batch);
	torap_batch_destroy(c->there);
	free(c);
}

int broker_commit_submit(struct torap_committer *committer, struct broker_stream *stream,
	struct torap_batch **take, struct torap_wall received_at, const struct broker_source *source,
	void (*on_done)(struct broker_commit *c, enum broker_commit_result result), void *hint)
{
	struct broker_commit *c = malloc(sizeof *c);
	if (!c)
		return -ENOMEM;
	*c = (struct broker_commit){
		.job = { .apply = apply,
			.done = done,
			.urgent = stream->id.lane == TORAP__LANE__LANE_CRITICAL },
		.batch = *take,
		.stream = stream,
		.received_at = received_at,
		.begins = stream->stored ? 0 : broker_stream_due(stream),
		.mends = torap_holes_has(&stream->holes, (*take)->manifest->batch_no),
		.on_done = on_done,
		.hint = hint,
	};
	if (source)
		c->source = *source;
	*take = NULL;
	stream->waiting++;
	torap_committer_submit(committer, &c->job);
	return 0;
}
