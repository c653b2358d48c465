#include "node/replay.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "conf/trust.h"
#include "loop/low_latency.h"
#include "store/journal.h"
#include "store/kv.h"
#include "wire/verify.h"

static void fail(struct node_replay *r, const char *what, int code)
{
	r->failed = true;
	torap_errorf(&r->err, code, "journal: %s cannot be read: %s", what, strerror(code < 0 ? -code : EIO));
}

/* What this one row says is lost; the rest of the journal may be well. */
static bool is_gone(int answer)
{
	return answer == TORAP_KV_MISSING || answer == -EBADMSG;
}

/* A page that LMDB itself refuses spoils the transaction, not what stands on others. */
static void go_on(struct node_replay *r, struct torap_kv_txn *txn)
{
	if (txn->failure == 0)
		return;
	torap_kv_abort(txn);
	torap_kv_begin(txn, r->kv, false);
}

static int read_mark(struct node_replay *r, struct torap_kv_txn *txn, const struct torap_stream_id *stream,
	uint64_t batch_no, struct node_mark *out)
{
	int answer = node_mark_read(out, stream, batch_no, txn);
	if (!is_gone(answer))
		return answer;
	/* Lag is wrong until the next receipt. */
	go_on(r, txn);
	*out = (struct node_mark){ .batch_no = batch_no, .next_seq = 1 };
	return 0;
}

static int judge_claim(struct node_replay *r, struct torap_kv_txn *txn, struct node_claim *c)
{
	c->word = NODE_CLAIM_TRUE;
	if (c->next_batch <= 1)
		return node_mark_read(&c->mark, &c->stream, 0, txn);
	struct torap_journal_head head = { 0 };
	int answer = torap_journal_head(txn, &c->stream, &head);
	if (answer < 0)
		return answer;
	if (answer == TORAP_KV_MISSING || c->next_batch - 1 > head.last_batch) {
		c->word = NODE_CLAIM_AHEAD;
		return 0;
	}
	uint8_t digest[TORAP_DIGEST_SIZE];
	answer = torap_journal_digest(txn, &head, c->next_batch - 1, digest, &r->err);
	if (is_gone(answer))
		go_on(r, txn);
	else if (answer)
		return answer;
	else if (c->has_digest && memcmp(digest, c->digest, sizeof digest) != 0) {
		c->word = NODE_CLAIM_DIFFERS;
		return 0;
	}
	return read_mark(r, txn, &c->stream, c->next_batch - 1, &c->mark);
}

/* Is the manifest the one that we signed?  With a key that nobody knows (any more) its digest must be the one that the chain names. */
static bool is_ours(struct node_replay *r, struct torap_kv_txn *txn, const struct torap_journal_head *head,
	const struct torap_batch *batch)
{
	uint8_t digest[TORAP_DIGEST_SIZE];
	if (!r->trusted)
		return true;
	enum torap_verdict verdict = torap_verify_manifest(batch, torap_trust_lookup, r->trusted);
	if (verdict != TORAP_VERDICT_UNKNOWN_KEY)
		return verdict == TORAP_VERDICT_GOOD;
	return torap_journal_digest(txn, head, batch->manifest->batch_no, digest, &r->err) == 0 &&
	       memcmp(digest, batch->manifest->digest, sizeof digest) == 0;
}

static int read_one(struct node_replay *r, struct torap_kv_txn *txn, const struct torap_journal_head *head,
	uint64_t batch_no, struct node_sealed **out)
{
	struct torap_batch *batch = NULL;
	struct node_mark mark;
	struct torap_wall received_at;
	int answer =
		torap_journal_read(txn, head->number, batch_no, NULL, NULL, &batch, &received_at, &r->err);
	if (answer == TORAP_KV_MISSING)
		torap_errorf(&r->err, -EBADMSG, "journal: its row is gone");
	if (answer == 0 && !torap_stream_id_equal(&batch->manifest->stream, &r->stream))
		answer = torap_errorf(&r->err, -EBADMSG, "journal: it names another stream");
	if (answer == 0 && !is_ours(r, txn, head, batch))
		answer = torap_errorf(&r->err, -EBADMSG, "journal: it is not what was signed");
	if (answer == 0)
		answer = read_mark(r, txn, &r->stream, batch_no, &mark);
	if (answer == 0) {
		*out = node_sealed_restore(&batch, &mark);
		answer = *out ? 0 : -ENOMEM;
	}
	torap_batch_destroy(batch);
	return answer;
}

static void note_unreadable(struct node_replay *r, struct torap_kv_txn *txn, uint64_t batch_no)
{
	struct node_mark before, mark;
	go_on(r, txn);
	r->unreadable[r->unreadable_count++] = batch_no;
	if (node_mark_read(&before, &r->stream, batch_no - 1, txn) == 0 &&
		node_mark_read(&mark, &r->stream, batch_no, txn) == 0)
		r->unreadable_events += mark.next_seq - before.next_seq;
	go_on(r, txn);
}

static int read_batches(struct node_replay *r, struct torap_kv_txn *txn)
{
	struct torap_journal_head head = { 0 };
	int answer = torap_journal_head(txn, &r->stream, &head);
	struct node_sealed **end = &r->batches;
	size_t bytes = 0, count = 0;
	for (r->next = r->from; answer == 0 && r->next <= r->to && r->next <= head.last_batch;) {
		answer = read_one(r, txn, &head, r->next, end);
		if (is_gone(answer)) {
			answer = 0;
			if (r->batches && !r->skip_unreadable)
				break; /* The next question begins with it. */
			note_unreadable(r, txn, r->next);
			if (!r->skip_unreadable)
				break;
		} else if (answer == 0) {
			bytes += (*end)->bytes;
			end = &(*end)->next;
		} else {
			break;
		}
		r->next++;
		if (bytes >= NODE_REPLAY_BYTES || ++count == NODE_REPLAY_BATCHES)
			break;
	}
	return answer;
}

static void on_work(uv_work_t *work)
{
	struct node_replay *r = (struct node_replay *)work;
	struct torap_kv_txn txn;
	torap_low_latency_behind(true);
	torap_kv_begin(&txn, r->kv, false);
	int answer = 0;
	if (r->claims) {
		for (size_t i = 0; i < r->claims_count && answer == 0; i++)
			answer = judge_claim(r, &txn, &r->claims[i]);
	} else {
		answer = read_batches(r, &txn);
	}
	torap_kv_abort(&txn);
	if (answer)
		fail(r, r->claims ? "what a broker claims to hold" : "a batch", answer);
	torap_low_latency_behind(false);
}

static void on_after_work(uv_work_t *work, int status)
{
	struct node_replay *r = (struct node_replay *)work;
	assert(status == 0); /* Nobody cancels it. */
	(void)status;
	r->busy = false;
	r->trusted = torap_trust_unref(r->trusted);
	r->done(r);
}

void node_replay_ask(struct node_replay *r)
{
	assert(!r->busy);
	r->busy = true;
	r->failed = false;
	r->batches = NULL;
	r->unreadable_count = 0;
	r->unreadable_events = 0;
	r->trusted = r->trust && *r->trust ? torap_trust_ref(*r->trust) : NULL;
	int e = uv_queue_work(r->loop, &r->work, on_work, on_after_work);
	assert(e == 0); /* It fails only without a work callback. */
	(void)e;
}
