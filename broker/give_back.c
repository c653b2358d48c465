#include "broker/give_back.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "broker/broker.h"
#include "broker/session.h"
#include "broker/streams.h"
#include "link/message.h"
#include "link/run.h"
#include "loop/app.h"
#include "store/journal.h"
#include "store/kv.h"
#include "wire/envelope.h"

enum { EVERY_MS = 20 };

/* NULL: it is not here, or cannot be read. */
static struct torap_buffer *find(struct broker *b, const struct broker_stream *stream, uint64_t batch_no)
{
	const struct broker_recent *e = broker_stream_recent(stream, batch_no);
	if (e)
		return torap_buffer_ref(e->batch->signed_manifest);
	struct torap_batch *batch = NULL;
	struct torap_buffer *manifest = NULL;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, b->kv, false);
	if (torap_journal_read(
		    &txn, stream->number, batch_no, torap_journal_want_none, NULL, &batch, NULL, NULL) == 0)
		manifest = torap_buffer_ref(batch->signed_manifest);
	torap_kv_abort(&txn);
	torap_batch_destroy(batch);
	return manifest;
}

static void answer(struct broker_session *s, const struct broker_stream *stream, uint64_t batch_no)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_buffer *manifest = find(s->broker, stream, batch_no);
	if (!manifest)
		return;
	struct torap_buffer *frames[2] = {
		torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_RUN, &stream->id, batch_no),
		torap_run_encode(&manifest, 1),
	};
	if (frames[0] && frames[1] && broker_session_send_frames(s, frames, 2))
		torap_notice("BATCH-GIVEN-BACK",
			"%s cannot read the manifest of %s batch %" PRIu64 " any more, and gets it back",
			s->name, torap_stream_id_format(&stream->id, text), batch_no);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(frames[1]);
	torap_buffer_unref(manifest);
}

int broker_give_back(
	struct broker_give_back *g, struct broker_session *s, struct torap_bytes ack, struct torap_error *err)
{
	struct torap_stream_position *positions = NULL;
	size_t count = 0;
	int r = torap_ack_decode(&positions, &count, ack, err);
	if (r)
		return r;
	const struct torap_stream_position *p = count ? &positions[0] : NULL;
	const struct broker_stream *stream =
		p && p->holes_count ? broker_streams_find(s->broker->streams, &p->stream) : NULL;
	struct torap_mono now = torap_app_mono();
	if (stream && stream->stored && strcmp(p->stream.writer, s->name) == 0 && p->stream.lane == s->lane &&
		p->holes[0] > 0 && p->holes[0] <= broker_stream_last(stream) &&
		torap_mono_reached(g->next, now)) {
		g->next = torap_mono_add_ms(now, EVERY_MS);
		answer(s, stream, p->holes[0]);
	}
	torap_positions_destroy(positions, count);
	return 0;
}
