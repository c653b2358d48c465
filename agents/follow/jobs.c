/* What goes to the committer's thread, and what comes back from it.  A job owns all that its `apply` reads. */
#include "agents/follow/inside.h"
#include "agents/follow/mended.h"
#include "agents/follow/shelf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "conf/trust.h"
#include "loop/app.h"
#include "store/provenance.h"

/* Batches. */

enum { PROOFS_WAITING_MAX = 256 }; /* for room; what a writer can provoke is bounded */

struct batch_job {
	struct follow_job job;
	struct follow *f;
	struct follow_stream *stream;
	struct torap_batch *batch;
	struct torap_wall received_at;
	uint32_t grant;
	bool is_hole; /* afterwards: granted frames of it are missing */
};

static int apply_batch(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct batch_job *j = (struct batch_job *)job;
	const struct torap_manifest *m = j->batch->manifest;
	int r = follow_store_append(txn, j->batch, j->received_at, j->grant);
	if (r && r != TORAP_JOURNAL_MERGED && r != TORAP_JOURNAL_OLD)
		return r;
	int found = follow_hole_has(txn, &m->stream, m->batch_no, &j->is_hole);
	return found ? found : r;
}

static void count_batch(struct follow *f, const struct batch_job *j)
{
	f->totals.batches++;
	f->totals.events += j->batch->manifest->count;
	f->totals.bytes += torap_batch_size(j->batch);
}

/* The broker that said so is asked again in a while, another one at once. */
static void note_hole(struct follow *f, const struct batch_job *j)
{
	const struct torap_manifest *m = j->batch->manifest;
	struct torap_mono now = torap_app_mono();
	char text[TORAP_STREAM_TEXT_SIZE];
	if (!j->is_hole) {
		torap_holes_remove(&j->stream->holes, m->batch_no);
		return;
	}
	if (torap_holes_add(&j->stream->holes, m->batch_no, torap_mono_add_ms(now, TORAP_HOLES_AGAIN_MS)) !=
		TORAP_HOLES_NEW)
		return;
	f->totals.holes++;
	if (!torap_mono_reached(torap_mono_add_ms(f->hole_told, 1000), now))
		return;
	f->hole_told = now;
	torap_warn("FRAMES-MISSING",
		"%s batch %" PRIu64
		" came without granted frames, damaged or not held at the broker; asked for again; %" PRIu64
		" such batches in all",
		torap_stream_id_format(&m->stream, text), m->batch_no, f->totals.holes);
}

static void free_batch(struct follow_job *job)
{
	struct batch_job *j = (struct batch_job *)job;
	j->f->lanes[j->stream->id.lane].waiting_bytes -= torap_batch_size(j->batch);
	torap_batch_destroy(j->batch);
	free(j);
}

/* It came again and is another.  Two that are signed are a fork; of one that a bit may have made there is nothing to be said. */
static bool is_fork(const struct follow *f, const struct torap_manifest *m)
{
	struct torap_kv_txn txn;
	struct torap_journal_head head;
	struct torap_batch *there = NULL;
	torap_kv_begin(&txn, f->kv, false);
	bool fork = torap_journal_head(&txn, &m->stream, &head) == 0 &&
		    torap_journal_read(&txn, head.number, m->batch_no, torap_journal_want_none, NULL, &there,
			    NULL, NULL) == 0 &&
		    torap_provenance_of(&txn, head.number, there, torap_trust_lookup, f->trust) ==
			    TORAP_PROVENANCE_SIGNED;
	torap_kv_abort(&txn);
	torap_batch_destroy(there);
	return fork;
}

static void on_other(struct follow *f, const struct batch_job *j)
{
	const struct torap_manifest *m = j->batch->manifest;
	char text[TORAP_STREAM_TEXT_SIZE];
	torap_stream_id_format(&m->stream, text);
	if (!is_fork(f, m)) {
		f->totals.duplicates++;
		torap_warn("BATCH-UNPROVEN",
			"%s batch %" PRIu64
			" came again, and what is here under this number is damaged: run torap verify",
			text, m->batch_no);
		return;
	}
	f->totals.proofs++;
	if (follow_commit_proof(f, j->stream, TORAP_PROOF_MANIFEST, m->batch_no, j->batch->signed_manifest))
		torap_fail("HISTORY-CHANGED",
			"%s batch %" PRIu64
			" came again and is another, signed by its writer: a fork; both are kept",
			text, m->batch_no);
}

static void on_batch_done(struct follow_job *job, int result)
{
	struct batch_job *j = (struct batch_job *)job;
	struct follow *f = j->f;
	const struct torap_manifest *m = j->batch->manifest;
	switch (result) {
	case 0:
		follow_stream_flushed(j->stream, j->batch);
		count_batch(f, j);
		break;
	case TORAP_JOURNAL_MERGED:
		f->totals.mended++;
		break;
	case TORAP_JOURNAL_OLD:
		f->totals.duplicates++;
		break;
	case TORAP_JOURNAL_OTHER:
		on_other(f, j);
		break;
	case TORAP_JOURNAL_CROWDED:
		follow_end(f, "the feed has more streams than one directory can hold");
		break;
	default:
		follow_end(f, "the directory does not continue where its cursor stands: run torap verify");
		break;
	}
	if (result == 0 || result == TORAP_JOURNAL_MERGED || result == TORAP_JOURNAL_OLD) {
		if (result != TORAP_JOURNAL_OLD)
			follow_writer_flushed(j->stream, j->batch, j->received_at);
		note_hole(f, j);
		j->stream->ack_due = true;
		f->lanes[m->stream.lane].ack_due = true;
	}
	free_batch(job);
}

void follow_commit_batch(struct follow *f, struct follow_stream *s, struct torap_batch **take)
{
	struct torap_batch *batch = *take;
	*take = NULL;
	struct batch_job *j = calloc(1, sizeof *j);
	if (!j) {
		torap_batch_destroy(batch);
		follow_end(f, "out of memory");
		return;
	}
	*j = (struct batch_job){
		.job = { .job = { .apply = apply_batch }, .done = on_batch_done, .drop = free_batch },
		.f = f,
		.stream = s,
		.batch = batch,
		.received_at = torap_app_wall(),
		.grant = f->lanes[s->id.lane].grant,
	};
	f->lanes[s->id.lane].waiting_bytes += torap_batch_size(batch);
	follow_shelf_submit(&f->shelf, &j->job);
}

/* Welcomes and grants. */

struct welcome_job {
	struct follow_job job;
	struct follow *f;
	uint8_t lane;
	struct torap_wall at;
	bool late;                               /* what begins after batch 1 begins late */
	struct torap_stream_position *positions; /* without holes */
	size_t positions_count;
	struct follow_grant grant;  /* .body NULL: none */
	struct torap_buffer *trust; /* NULL: none */
	uint64_t trust_version;
};

static int apply_welcome(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct welcome_job *j = (struct welcome_job *)job;
	int r = follow_store_put_started(txn, j->lane, j->at);
	for (size_t i = 0; r == 0 && i < j->positions_count; i++)
		r = follow_store_pin(txn, &j->positions[i], j->late);
	if (r == 0 && j->grant.body)
		r = follow_grant_put(txn, &j->grant);
	if (r == 0 && j->trust)
		r = follow_store_put_trust(txn, j->trust_version, torap_buffer_bytes(j->trust));
	return r;
}

static void free_welcome(struct follow_job *job)
{
	struct welcome_job *j = (struct welcome_job *)job;
	torap_buffer_unref(j->grant.body);
	torap_buffer_unref(j->trust);
	free(j->positions);
	free(j);
}

static void on_welcome_done(struct follow_job *job, int result)
{
	struct welcome_job *j = (struct welcome_job *)job;
	if (result)
		follow_end(j->f, "the directory cannot be read where its streams begin: run torap verify");
	free_welcome(job);
}

void follow_commit_welcome(struct follow *f, uint8_t lane, struct torap_stream_position *positions,
	size_t count, bool late, const struct follow_grant *grant, const struct torap_trust *trust)
{
	struct welcome_job *j = calloc(1, sizeof *j);
	struct torap_stream_position *copy = calloc(count + 1, sizeof *copy);
	if (!j || !copy) {
		free(j);
		free(copy);
		follow_end(f, "out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++)
		copy[i] = (struct torap_stream_position){ .stream = positions[i].stream,
			.at = positions[i].at };
	*j = (struct welcome_job){
		.job = { .job = { .apply = apply_welcome },
			.done = on_welcome_done,
			.drop = free_welcome,
			.leads = true },
		.f = f,
		.lane = lane,
		.at = torap_app_wall(),
		.late = late,
		.positions = copy,
		.positions_count = count,
	};
	if (grant) {
		j->grant = *grant;
		torap_buffer_ref(j->grant.body);
	}
	if (trust) {
		j->trust = torap_buffer_ref(trust->signed_bytes);
		j->trust_version = trust->version;
	}
	follow_shelf_submit(&f->shelf, &j->job);
}

/* Single documents: heads and proofs. */

struct document_job {
	struct follow_job job;
	struct follow *f;
	struct torap_stream_id stream;
	struct torap_buffer *document;
	bool is_proof;
	enum torap_proof sort;
	uint64_t number;
};

static int apply_document(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct document_job *j = (struct document_job *)job;
	struct torap_bytes document = torap_buffer_bytes(j->document);
	return j->is_proof ? follow_store_put_proof(txn, &j->stream, j->sort, j->number, document)
			   : follow_store_put_head(txn, &j->stream, document);
}

static void free_document(struct follow_job *job)
{
	struct document_job *j = (struct document_job *)job;
	torap_buffer_unref(j->document);
	free(j);
}

static void on_document_done(struct follow_job *job, int result)
{
	struct document_job *j = (struct document_job *)job;
	if (result)
		follow_end(j->f, "a document cannot be written into the directory: run torap verify");
	free_document(job);
}

static void tell_lost(const struct document_job *j)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	torap_fail("STORE-FULL", "a proof against %s could not be kept",
		torap_stream_id_format(&j->stream, text));
}

static void drop_document(struct follow_job *job)
{
	struct document_job *j = (struct document_job *)job;
	if (j->is_proof)
		tell_lost(j);
	free_document(job);
}

/* While there is no room whoever brings a proof may bring it again and again: once is enough, and there is a most.  True: not this one. */
static bool is_too_much(const struct follow *f, const struct document_job *proof)
{
	size_t count = 0;
	for (const struct follow_job *job = follow_shelf_first(&f->shelf); job; job = job->next) {
		const struct document_job *j = (const struct document_job *)job;
		if (job->drop != drop_document || !j->is_proof)
			continue;
		count++;
		if (j->sort == proof->sort && j->number == proof->number &&
			torap_bytes_equal(
				torap_buffer_bytes(j->document), torap_buffer_bytes(proof->document)))
			return true;
	}
	if (count >= PROOFS_WAITING_MAX)
		tell_lost(proof);
	return count >= PROOFS_WAITING_MAX;
}

static void commit_document(struct follow *f, const struct document_job *from)
{
	if (from->is_proof && is_too_much(f, from))
		return;
	struct document_job *j = malloc(sizeof *j);
	if (!j) {
		follow_end(f, "out of memory");
		return;
	}
	*j = *from;
	j->job = (struct follow_job){
		.job = { .apply = apply_document }, .done = on_document_done, .drop = drop_document
	};
	j->f = f;
	torap_buffer_ref(j->document);
	follow_shelf_submit(&f->shelf, &j->job);
}

void follow_commit_head(struct follow *f, const struct torap_stream_id *stream, struct torap_buffer *head)
{
	commit_document(f, &(struct document_job){ .stream = *stream, .document = head });
}

bool follow_commit_proof(struct follow *f, struct follow_stream *s, enum torap_proof sort, uint64_t number,
	struct torap_buffer *document)
{
	if (s->proofs >= FOLLOW_PROOFS_MAX)
		return false;
	s->proofs++;
	commit_document(f, &(struct document_job){ .stream = s->id,
				   .document = document,
				   .is_proof = true,
				   .sort = sort,
				   .number = number });
	return true;
}
