/* What goes to the committer's thread, and what comes back from it.  A job owns all that its `apply` reads. */
#include "agents/follow/inside.h"
#include "agents/follow/mended.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

static void end_full(struct follow *f)
{
	struct torap_error err;
	follow_store_full(f->kv, &err);
	follow_end(f, err.text);
}

/* Batches. */

struct batch_job {
	struct torap_commit_job job;
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

static void on_batch_done(struct torap_commit_job *job, int result)
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
	case TORAP_JOURNAL_OTHER: {
		char text[TORAP_STREAM_TEXT_SIZE];
		f->totals.proofs++;
		torap_fail("HISTORY-CHANGED",
			"%s batch %" PRIu64
			" came again and is another, signed by its writer: a fork; both are kept",
			torap_stream_id_format(&m->stream, text), m->batch_no);
		follow_commit_proof(
			f, &m->stream, TORAP_PROOF_MANIFEST, m->batch_no, j->batch->signed_manifest);
		break;
	}
	case TORAP_KV_FULL:
		end_full(f);
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
	torap_batch_destroy(j->batch);
	free(j);
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
		.job = { .apply = apply_batch, .done = on_batch_done },
		.f = f,
		.stream = s,
		.batch = batch,
		.received_at = torap_app_wall(),
		.grant = f->lanes[s->id.lane].grant,
	};
	torap_committer_submit(f->committer, &j->job);
}

/* Welcomes and grants. */

struct welcome_job {
	struct torap_commit_job job;
	struct follow *f;
	uint8_t lane;
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
	int r = follow_store_put_started(txn, j->lane);
	for (size_t i = 0; r == 0 && i < j->positions_count; i++)
		r = follow_store_pin(txn, &j->positions[i], j->late);
	if (r == 0 && j->grant.body)
		r = follow_grant_put(txn, &j->grant);
	if (r == 0 && j->trust)
		r = follow_store_put_trust(txn, j->trust_version, torap_buffer_bytes(j->trust));
	return r;
}

static void on_welcome_done(struct torap_commit_job *job, int result)
{
	struct welcome_job *j = (struct welcome_job *)job;
	if (result)
		end_full(j->f);
	torap_buffer_unref(j->grant.body);
	torap_buffer_unref(j->trust);
	free(j->positions);
	free(j);
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
		.job = { .apply = apply_welcome, .done = on_welcome_done },
		.f = f,
		.lane = lane,
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
	torap_committer_submit(f->committer, &j->job);
}

/* Single documents: heads and proofs. */

struct document_job {
	struct torap_commit_job job;
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

static void on_document_done(struct torap_commit_job *job, int result)
{
	struct document_job *j = (struct document_job *)job;
	if (result)
		end_full(j->f);
	torap_buffer_unref(j->document);
	free(j);
}

static void commit_document(struct follow *f, const struct document_job *from)
{
	struct document_job *j = malloc(sizeof *j);
	if (!j) {
		follow_end(f, "out of memory");
		return;
	}
	*j = *from;
	j->job = (struct torap_commit_job){ .apply = apply_document, .done = on_document_done };
	j->f = f;
	torap_buffer_ref(j->document);
	torap_committer_submit(f->committer, &j->job);
}

void follow_commit_head(struct follow *f, const struct torap_stream_id *stream, struct torap_buffer *head)
{
	commit_document(f, &(struct document_job){ .stream = *stream, .document = head });
}

void follow_commit_proof(struct follow *f, const struct torap_stream_id *stream, enum torap_proof sort,
	uint64_t number, struct torap_buffer *document)
{
	commit_document(f, &(struct document_job){ .stream = *stream,
				   .document = document,
				   .is_proof = true,
				   .sort = sort,
				   .number = number });
}
