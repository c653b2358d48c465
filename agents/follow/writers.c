#include "agents/follow/writers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "agents/follow/inside.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"
#include "wire/open.h"

void follow_writer_head(const struct follow_stream *s, const struct torap_head *head)
{
	struct follow_writer *w = s->writer;
	if (head->at.us <= w->head_at.us)
		return;
	w->carried = true;
	w->head_at = head->at;
	w->ever_heard = true;
	torap_canary_head(&w->canary, head->canary_s, torap_app_mono());
}

static bool has_canary(const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	for (unsigned g = 0; g < m->groups_count; g++)
		if (torap_kind_is_canary(m->groups[g].class.kind) && batch->frames[m->groups[g].first_frame])
			return true;
	return false;
}

static int on_event(void *hint, const struct torap_opened *event)
{
	int64_t *occurred_us = hint;
	if (event->open && torap_kind_is_canary(event->group->class.kind))
		*occurred_us = event->open->occurred_at_us;
	return 0;
}

void follow_writer_flushed(
	const struct follow_stream *s, const struct torap_batch *batch, struct torap_wall received_at)
{
	struct follow_writer *w = s->writer;
	int64_t occurred_us = 0;
	struct torap_error err;
	/* A batch that does not open is its writer's fault, and no canary has come. */
	if (!has_canary(batch) || torap_batch_open(batch, on_event, &occurred_us, &err) || occurred_us == 0)
		return;
	w->canaries++;
	w->came = torap_app_mono();
	w->occurred = (struct torap_wall){ occurred_us };
	w->sealed = (struct torap_wall){ batch->manifest->sealed_at_us };
	w->received = received_at;
	w->flushed = torap_app_wall();
	torap_canary_came(&w->canary, w->came);
}

void follow_writers_carried(
	struct follow *f, uint8_t lane, const struct torap_stream_position *positions, size_t count)
{
	for (size_t i = 0; i < f->streams.count; i++)
		if (f->streams.list[i]->id.lane == lane)
			f->streams.list[i]->writer->carried = false;
	for (size_t i = 0; i < count; i++)
		follow_streams_find(&f->streams, &positions[i].stream)->writer->carried = true;
}

/* A broker of our list that we are not linked to in this lane. */
static bool is_other_broker(
	const struct follow *f, const struct follow_lane *lane, const struct torap_trust_writer *w)
{
	if (lane->link && torap_trust_has_curve(w, torap_zlink_peer(lane->link)->key))
		return false;
	for (size_t i = 0; i < f->config->brokers_count; i++)
		if (torap_trust_has_curve(w, f->config->brokers[i].key))
			return true;
	return false;
}

static bool is_expected(
	const struct follow *f, const struct torap_stream_id *id, const struct follow_writer *writer)
{
	const struct follow_lane *lane = &f->lanes[id->lane];
	const struct torap_trust_writer *w = f->trust ? torap_trust_writer(f->trust, id->writer) : NULL;
	return w && torap_grant_touches(lane->granted, lane->granted_count, w->regions, w->regions_count) &&
	       (writer->carried || !is_other_broker(f, lane, w));
}

static void tell(const struct torap_stream_id *id, struct follow_writer *w)
{
	const struct torap_canary *c = &w->canary;
	const char *lane = torap_lane_name(id->lane);
	if (c->reason == TORAP_CANARY_OVERDUE && !w->told)
		torap_warn("CANARY-OVERDUE",
			"%s, lane %s: its heads come, and no canary for %" PRId64
			" s, although one is due every %" PRIu32
			" s: what it says does not arrive here, or arrives late",
			id->writer, lane, torap_canary_limit_ms(c) / 1000, c->period_s);
	else if (w->told && !c->overdue)
		torap_notice("CANARY-BACK", "%s, lane %s: its canaries come again", id->writer, lane);
	else if (c->reason == TORAP_CANARY_SILENT && !w->ever_heard)
		torap_warn(
			"WRITER-SILENT", "%s, lane %s: no head since this process started", id->writer, lane);
	w->told = c->overdue;
}

static void judge(struct follow *f, const struct torap_stream_id *id, struct follow_writer *w, bool expected)
{
	const struct torap_zlink *l = f->lanes[id->lane].link;
	if (!expected || !w->expected) {
		torap_canary_init(&w->canary, torap_app_mono());
		w->expected = expected;
		w->told = false;
	}
	if (expected && torap_canary_judge(&w->canary, l && torap_zlink_flowing(l), torap_app_mono()))
		tell(id, w);
}

int follow_writers_expect(struct follow *f)
{
	size_t count = f->config->writers_count;
	for (size_t i = 0; i < f->streams.count; i++)
		f->streams.list[i]->writer->named = false;
	free(f->unheard.writers);
	f->unheard = (struct follow_unheard){ .writers = calloc(count + 1, sizeof *f->unheard.writers) };
	if (!f->unheard.writers)
		return -ENOMEM;
	f->unheard.count = count;
	return 0;
}

/* Where it has a stream that one is judged, and it stands in for it no more. */
static void judge_named(struct follow *f, const char *id, struct follow_writer *lanes)
{
	for (unsigned lane = TORAP__LANE__LANE_CRITICAL; lane < TORAP_LANES; lane++) {
		struct follow_writer *w = follow_streams_writer(&f->streams, id, lane);
		struct torap_stream_id stream;
		if (w) {
			w->named = true;
			lanes[lane].expected = false;
		} else if (torap_stream_id_make(&stream, id, lane, 0)) {
			judge(f, &stream, &lanes[lane], true);
		}
	}
}

void follow_writers_judge(struct follow *f)
{
	for (size_t i = 0; i < f->unheard.count; i++)
		judge_named(f, f->config->writers[i], f->unheard.writers[i]);
	for (size_t i = 0; i < f->streams.count; i++) {
		const struct follow_stream *s = f->streams.list[i];
		if (follow_streams_ends_lane(&f->streams, i))
			judge(f, &s->id, s->writer, s->writer->named || is_expected(f, &s->id, s->writer));
	}
}
