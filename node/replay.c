#include "node/replay.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/journal.h"
#include "store/kv.h"

static void fail(struct node_replay *r, const char *what, int code)
{
	r->failed = true;
	torap_errorf(&r->err, code, "journal: %s cannot be read: %s", what, strerror(code < 0 ? -code : EIO));
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
	if (answer)
		return answer;
	if (c->has_digest && memcmp(digest, c->digest, sizeof digest) != 0) {
		c->word = NODE_CLAIM_DIFFERS;
		return 0;
	}
	return node_mark_read(&c->mark, &c->stream, c->next_batch - 1, txn);
}

static int read_one(struct node_replay *r, struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no,
	struct node_sealed **out)
{
	struct torap_batch *batch = NULL;
	struct node_mark mark;
	struct torap_wall received_at;
	int answer = torap_journal_read(txn, number, batch_no, NULL, NULL, &batch, &received_at, &r->err);
	if (answer == 0)
		answer = node_mark_read(&mark, &r->stream, batch_no, txn);
	if (answer == 0) {
		*out = node_sealed_restore(&batch, &mark);
		answer = *out ? 0 : -ENOMEM;
	}
	torap_batch_destroy(batch);
	return answer;
}

static int read_batches(struct node_replay *r, struct torap_kv_txn *txn)
{
	struct torap_journal_head head = { 0 };
	int answer = torap_journal_head(txn, &r->stream, &head);
	struct node_sealed **end = &r->batches;
	size_t bytes = 0, count = 0;
	for (uint64_t no = r->from; answer == 0 && no <= r->to && no <= head.last_batch; no++) {
		answer = read_one(r, txn, head.number, no, end);
		if (answer)
			break;
		bytes += (*end)->bytes;
		end = &(*end)->next;
		if (bytes >= NODE_REPLAY_BYTES || ++count == NODE_REPLAY_BATCHES)
			break;
	}
	return answer;
}

static void on_work(uv_work_t *work)
{
	struct node_replay *r = (struct node_replay *)work;
	struct torap_kv_txn txn;
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
}

static void on_after_work(uv_work_t *work, int status)
{
	struct node_replay *r = (struct node_replay *)work;
	assert(status == 0); /* Nobody cancels it. */
	(void)status;
	r->busy = false;
	r->done(r);
}

void node_replay_ask(struct node_replay *r)
{
	assert(!r->busy);
	r->busy = true;
	r->failed = false;
	r->batches = NULL;
	int e = uv_queue_work(r->loop, &r->work, on_work, on_after_work);
	assert(e == 0); /* It fails only without a work callback. */
	(void)e;
}
