#include "broker/history.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "broker/broker.h"
#include "broker/own.h"
#include "broker/streams.h"
#include "store/committer.h"
#include "store/proofs.h"

enum { PROOFS_MAX = 16 }; /* of a stream, while the process lives: a writer gone mad signs without an end */

struct proof_job {
	struct torap_commit_job job;
	struct torap_stream_id stream;
	enum torap_proof sort;
	uint64_t number;
	struct torap_buffer *document;
};

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct proof_job *j = (struct proof_job *)job;
	return torap_proof_put(
		txn, BROKER_TABLE_PROOFS, &j->stream, j->sort, j->number, torap_buffer_bytes(j->document));
}

static void done(struct torap_commit_job *job, int result)
{
	struct proof_job *j = (struct proof_job *)job;
	char text[TORAP_STREAM_TEXT_SIZE];
	if (result)
		torap_fail("STORE-FULL", "a proof against %s could not be kept",
			torap_stream_id_format(&j->stream, text));
	torap_buffer_unref(j->document);
	free(j);
}

static void keep(struct broker *b, struct broker_stream *s, enum torap_proof sort, uint64_t number,
	struct torap_buffer *document)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	if (s->proofs >= PROOFS_MAX)
		return;
	struct proof_job *j = malloc(sizeof *j);
	if (!j) {
		torap_fail("PROOF-LOST", "out of memory: a proof against %s is not kept",
			torap_stream_id_format(&s->id, text));
		return;
	}
	s->proofs++;
	*j = (struct proof_job){
		.job = { .apply = apply, .done = done },
		.stream = s->id,
		.sort = sort,
		.number = number,
		.document = torap_buffer_ref(document),
	};
	torap_committer_submit(b->committer, &j->job);
}

/* True: it is the first that is seen of this stream. */
static bool is_first_fork(struct broker *b, struct broker_stream *s, uint64_t batch_no, const char *from)
{
	b->counts.forks++;
	if (s->forked)
		return false;
	s->forked = true;
	broker_own_history(b->own, s, batch_no, "fork", from);
	return true;
}

void broker_history_fork(
	struct broker *b, struct broker_stream *s, const struct torap_batch *batch, const char *from)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	uint64_t batch_no = batch->manifest->batch_no;
	keep(b, s, TORAP_PROOF_MANIFEST, batch_no, batch->signed_manifest);
	if (is_first_fork(b, s, batch_no, from))
		torap_fail("HISTORY-FORKED",
			"%s batch %" PRIu64
			", from %s, is signed by its writer and contradicts what is here; both are kept, the one "
			"that was first is passed on",
			torap_stream_id_format(&s->id, text), batch_no, from);
}

static void keep_heads(struct broker *b, struct broker_stream *s, const struct torap_head *head,
	struct torap_buffer *signed_head, struct torap_buffer *before, struct torap_wall before_at)
{
	keep(b, s, TORAP_PROOF_HEAD, (uint64_t)head->at.us, signed_head);
	if (before)
		keep(b, s, TORAP_PROOF_HEAD, (uint64_t)before_at.us, before);
}

static void rolled_back(
	struct broker *b, struct broker_stream *s, const struct torap_head *head, const char *from, bool said)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	b->counts.rollbacks++;
	if (said)
		return;
	torap_warn("WRITER-ROLLBACK",
		"%s signed a head at batch %" PRIu64 ", and %" PRIu64 " are here (from %s)",
		torap_stream_id_format(&s->id, text), head->last_batch, broker_stream_last(s), from);
	if (!s->rollback_told)
		broker_own_history(b->own, s, head->last_batch, "rollback", from);
	s->rollback_told = true;
}

static void forked(struct broker *b, struct broker_stream *s, const struct torap_head *head, const char *from)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	if (is_first_fork(b, s, head->last_batch, from))
		torap_fail("HISTORY-FORKED",
			"a head of %s, from %s, says another batch %" PRIu64
			" than is here; both are signed by its writer, and kept",
			torap_stream_id_format(&s->id, text), from, head->last_batch);
}

void broker_history_head(struct broker *b, struct broker_stream *s, const struct torap_head *head,
	struct torap_buffer *signed_head, const char *from)
{
	struct torap_buffer *before = s->head ? torap_buffer_ref(s->head) : NULL;
	struct torap_wall before_at = s->head_read.at;
	bool said = s->rolled_back;
	b->counts.heads++;
	enum broker_head_answer answer = broker_stream_head(s, head, signed_head);
	if (answer == BROKER_HEAD_NEW || answer == BROKER_HEAD_ROLLBACK)
		s->rolled_back = answer == BROKER_HEAD_ROLLBACK;
	if (answer == BROKER_HEAD_ROLLBACK)
		rolled_back(b, s, head, from, said);
	if (answer == BROKER_HEAD_FORK)
		forked(b, s, head, from);
	if ((answer == BROKER_HEAD_ROLLBACK && !said) || answer == BROKER_HEAD_FORK)
		keep_heads(b, s, head, signed_head, before, before_at);
	torap_buffer_unref(before);
}

void broker_history_own_head(struct broker *b, struct broker_stream *s, const struct torap_head *head,
	struct torap_buffer *signed_head, const char *from)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	if (head->last_batch <= broker_stream_last(s))
		return;
	keep(b, s, TORAP_PROOF_HEAD, (uint64_t)head->at.us, signed_head);
	if (is_first_fork(b, s, head->last_batch, from))
		torap_fail("HISTORY-FORKED",
			"a head of our own %s, from %s, says batch %" PRIu64 ", and %" PRIu64
			" are here: this store is an older copy; begin with a new one",
			torap_stream_id_format(&s->id, text), from, head->last_batch, broker_stream_last(s));
}
