#include "broker/mend.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/log.h"
#include "broker/broker.h"
#include "broker/feed_again.h"
#include "broker/listener.h"
#include "broker/own.h"
#include "broker/session.h"
#include "broker/streams.h"
#include "broker/writer.h"
#include "loop/app.h"
#include "store/committer.h"
#include "store/journal.h"
#include "store/kv.h"

void broker_mend_found(struct broker *b, struct broker_stream *stream, uint64_t batch_no)
{
	/* What finds no room is found again by the next scan. */
	if (torap_holes_add(&stream->holes, batch_no, torap_app_mono()) != TORAP_HOLES_NEW)
		return;
	b->counts.damaged++;
	b->mend.found++;
	b->mend.found_in = stream;
	b->mend.found_batch = batch_no;
}

/* A batch on its way into the hole. */
struct mending {
	struct torap_commit_job job;
	struct broker *broker;
	struct broker_stream *stream;
	struct torap_batch *batch;
	struct torap_wall received_at;
	size_t bytes;
	bool lacks; /* still, after the merge */
};

/* On the committer's thread. */
static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct mending *m = (struct mending *)((char *)job - offsetof(struct mending, job));
	struct torap_journal_head head;
	struct torap_batch *now = NULL;
	m->lacks = true;
	int r = torap_journal_append(txn, m->batch, m->received_at);
	if (r != TORAP_JOURNAL_MERGED && r != TORAP_JOURNAL_OLD)
		return r;
	int found = torap_journal_head(txn, &m->batch->manifest->stream, &head);
	if (!found)
		found = torap_journal_read(
			txn, head.number, m->batch->manifest->batch_no, NULL, NULL, &now, NULL, NULL);
	m->lacks = found || torap_batch_lacks(now);
	torap_batch_destroy(now);
	return r;
}

struct again {
	struct broker_stream *stream;
	uint64_t batch_no;
};

static void send_again(void *hint, struct broker_session *s)
{
	const struct again *again = hint;
	if (s->feed && s->lane == again->stream->id.lane)
		broker_feed_mended(s->feed, again->stream, again->batch_no);
}

static void merged(struct broker *b, struct mending *m)
{
	struct again again = { m->stream, m->batch->manifest->batch_no };
	b->counts.mended++;
	b->mend.mended++;
	b->mend.mended_in = m->stream;
	b->mend.mended_batch = again.batch_no;
	broker_stream_merged(b->streams, m->stream, m->batch);
	/* Damaged manifests that stand in a row are mended from the last one on: each proves the one before. */
	torap_holes_hurry_one(&m->stream->holes, again.batch_no - 1, torap_app_mono());
	broker_listener_each(b->listener, send_again, &again);
}

static void done(struct torap_commit_job *job, int result)
{
	struct mending *m = (struct mending *)((char *)job - offsetof(struct mending, job));
	struct broker *b = m->broker;
	uint64_t batch_no = m->batch->manifest->batch_no;
	char text[TORAP_STREAM_TEXT_SIZE];
	m->stream->waiting_bytes -= m->bytes;
	if (!m->lacks)
		torap_holes_remove(&m->stream->holes, batch_no);
	if (result == TORAP_JOURNAL_MERGED && !b->stopping)
		merged(b, m);
	if (result == TORAP_JOURNAL_OTHER) {
		b->counts.refused[TORAP_VERDICT_BROKEN_CHAIN]++;
		torap_info("BATCH-UNPROVEN",
			"%s batch %" PRIu64
			" came again, and nothing behind it proves yet that it is the one that is damaged here",
			torap_stream_id_format(&m->stream->id, text), batch_no);
	}
	if (m->stream->writer && !b->stopping)
		broker_writer_owe(m->stream);
	torap_batch_destroy(m->batch);
	free(m);
}

int broker_mend_take(struct broker *b, struct broker_stream *stream, struct torap_batch **take)
{
	struct mending *m = malloc(sizeof *m);
	if (!m)
		return -ENOMEM;
	*m = (struct mending){
		.job = { .apply = apply, .done = done },
		.broker = b,
		.stream = stream,
		.batch = *take,
		.received_at = torap_app_wall(),
		.bytes = torap_batch_size(*take),
	};
	*take = NULL;
	stream->waiting_bytes += m->bytes;
	torap_committer_submit(b->committer, &m->job);
	return 0;
}

static void tell(struct broker *b)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct broker_mend *m = &b->mend;
	if (m->found) {
		torap_warn("BATCH-DAMAGED",
			"%s batch %" PRIu64
			": frames are damaged or missing (%u batches since the last line); asked for again from the writer, feeds get the rest",
			torap_stream_id_format(&m->found_in->id, text), m->found_batch, m->found);
		broker_own_storage(b->own, "damaged", m->found_in, m->found_batch, m->found);
	}
	if (m->mended) {
		torap_notice("BATCH-MENDED",
			"%s batch %" PRIu64 " came again (%u batches since the last line)",
			torap_stream_id_format(&m->mended_in->id, text), m->mended_batch, m->mended);
		broker_own_storage(b->own, "mended", m->mended_in, m->mended_batch, m->mended);
	}
	*m = (struct broker_mend){ 0 };
}

void broker_mend_tick(struct broker *b, struct torap_mono now)
{
	tell(b);
	for (size_t i = 0; i < b->streams->count; i++) {
		struct broker_stream *stream = b->streams->all[i];
		if (stream->writer && torap_holes_due(&stream->holes, now))
			broker_writer_owe(stream);
	}
}
