#include "broker/mend.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "broker/broker.h"
#include "broker/own.h"
#include "broker/streams.h"
#include "broker/upstream.h"
#include "broker/writer.h"
#include "link/message.h"
#include "loop/app.h"

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

void broker_mend_merged(struct broker *b, struct broker_stream *stream, uint64_t batch_no)
{
	b->counts.mended++;
	b->mend.mended++;
	b->mend.mended_in = stream;
	b->mend.mended_batch = batch_no;
	/* Damaged manifests that stand in a row are mended from the last one on: each proves the one before. */
	torap_holes_hurry_one(&stream->holes, batch_no - 1, torap_app_mono());
}

static void ask(struct torap_stream_position *p, struct broker_stream *s, struct torap_holes_turn turn)
{
	size_t most = s->holes.count < TORAP_HOLES_ASKED_MAX ? s->holes.count : TORAP_HOLES_ASKED_MAX;
	p->holes = most ? malloc(most * sizeof *p->holes) : NULL;
	if (!p->holes)
		return;
	p->holes_count = torap_holes_ask_in_turn(&s->holes, turn, p->holes, most, torap_app_mono());
	while (p->holes_count && p->holes[p->holes_count - 1] >= p->at.next_batch)
		p->holes_count--;
}

void broker_mend_ask(struct torap_stream_position *p, struct broker_stream *stream)
{
	ask(p, stream, (struct torap_holes_turn){ 0, 1 });
}

static struct torap_holes_turn turn_of(const struct broker *b, unsigned source)
{
	return (struct torap_holes_turn){ source, 1 + broker_upstreams_count(b->upstreams) };
}

void broker_mend_ask_in_turn(
	struct broker *b, struct torap_stream_position *p, struct broker_stream *stream, unsigned source)
{
	ask(p, stream, turn_of(b, source));
}

static void tell(struct broker *b)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct broker_mend *m = &b->mend;
	if (m->found) {
		torap_warn("BATCH-DAMAGED",
			"%s batch %" PRIu64
			": frames are damaged or missing (%u batches since the last line); asked for again from who brings it, feeds get the rest",
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

/* Whoever brings the stream, one after the other: what one has not, the next may have. */
static void ask_due(struct broker *b, struct broker_stream *stream, struct torap_mono now)
{
	for (unsigned source = 0; source < turn_of(b, 0).peers; source++) {
		struct torap_holes_turn turn = turn_of(b, source);
		if (!torap_holes_due_in_turn(&stream->holes, turn, now))
			continue;
		if (!(source == 0 ? broker_writer_ask(stream)
				  : broker_upstreams_ask(b->upstreams, source - 1, stream)))
			torap_holes_pass(&stream->holes, turn, now);
	}
}

void broker_mend_tick(struct broker *b, struct torap_mono now)
{
	tell(b);
	for (size_t i = 0; i < b->streams->count; i++)
		if (b->streams->all[i]->holes.count)
			ask_due(b, b->streams->all[i], now);
}
