#include "broker/feed_send.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "broker/broker.h"
#include "broker/course.h"
#include "broker/cut.h"
#include "broker/feed.h"
#include "broker/mend.h"
#include "broker/reader.h"
#include "broker/routing.h"
#include "broker/session.h"
#include "broker/streams.h"
#include "link/message.h"
#include "link/run.h"
#include "loop/app.h"
#include "wire/envelope.h"

enum {
	READ_BYTES_MIN = 64 << 10,
	READ_BYTES_MAX = 1 << 20,
	READ_AGAIN_MS = 10000,
	STEPS_MAX = 256, /* in one turn: then others have theirs */
};

void broker_feed_ready(struct broker_feed *f)
{
	if (f->ready || !f->welcomed || f->session->ended)
		return;
	f->ready = true;
	f->next_ready = f->broker->ready;
	f->broker->ready = f;
}

static void push(struct broker_feed *f, struct broker_follow *w)
{
	w->next_active = NULL;
	*f->active_end = w;
	f->active_end = &w->next_active;
}

static struct broker_follow *pop(struct broker_feed *f)
{
	struct broker_follow *w = f->active_first;
	if (!w)
		return NULL;
	f->active_first = w->next_active;
	if (!f->active_first)
		f->active_end = &f->active_first;
	return w;
}

void broker_feed_activate(struct broker_feed *f, struct broker_follow *w)
{
	if (!w->active) {
		w->active = true;
		push(f, w);
	}
	broker_feed_ready(f);
}

static const struct torap_batch *batch_at(
	const struct broker_feed *f, const struct broker_follow *w, uint64_t batch_no)
{
	const struct torap_journal_entry *entry =
		f->held && f->read_for == w ? broker_read_entry(f->held, batch_no) : NULL;
	const struct broker_recent *recent = entry ? NULL : broker_stream_recent(w->stream, batch_no);
	if (!entry && !recent)
		return NULL;
	return entry ? entry->batch : recent->batch;
}

struct view {
	struct broker_feed *feed;
	struct broker_follow *follow;
};

static enum broker_look look(void *hint, uint64_t batch_no, size_t *bytes)
{
	const struct view *v = hint;
	struct broker_feed *f = v->feed;
	struct broker_routing *routing = f->broker->routing;
	struct broker_recent *recent = broker_stream_recent(v->follow->stream, batch_no);
	const struct torap_batch *batch = batch_at(f, v->follow, batch_no);
	if (!batch)
		return BROKER_LOOK_ABSENT;
	bool match = recent ? broker_recent_matches(recent, routing, f->place)
			    : broker_cut_matches(routing, f->place, batch);
	*bytes = match ? broker_cut_size(routing, f->place, batch) : batch->signed_manifest->size;
	return match ? BROKER_LOOK_MATCH : BROKER_LOOK_QUIET;
}

/* It went out: it counts until it is acknowledged. */
static bool sent(struct broker_feed *f, struct broker_follow *w, uint64_t last, size_t bytes)
{
	if (torap_window_sent(&f->window, w->stream->index, last, bytes, torap_app_mono())) {
		broker_session_end(f->session, "out of memory", 0, NULL);
		return false;
	}
	f->count->bytes += bytes;
	w->next = last + 1;
	return true;
}

bool broker_feed_send_view(struct broker_feed *f, const struct torap_batch *view)
{
	struct torap_buffer *frames[TORAP_BATCH_MESSAGE_MAX];
	unsigned count = torap_batch_to_frames(frames, view);
	if (!count) {
		broker_session_end(f->session, "out of memory", 0, NULL);
		return false;
	}
	bool ok = broker_session_send_frames(f->session, frames, count);
	torap_buffer_unref(frames[0]);
	return ok;
}

static bool send_batch(struct broker_feed *f, struct broker_follow *w, uint64_t batch_no)
{
	const struct torap_batch *batch = batch_at(f, w, batch_no);
	struct torap_batch view;
	size_t bytes = broker_cut_make(&view, f->broker->routing, f->place, batch);
	if (!broker_feed_send_view(f, &view) || !sent(f, w, batch_no, bytes))
		return false;
	f->count->batches++;
	return true;
}

/* Quiet feeds of a stream mostly need the same run: it is encoded and compressed once. */
static struct torap_buffer *encode_run(
	struct broker_feed *f, struct broker_follow *w, uint64_t from, uint64_t to)
{
	struct broker_stream *s = w->stream;
	struct torap_buffer *manifests[TORAP_RUN_MANIFESTS_MAX];
	if (s->run && s->run_from == from && s->run_to == to)
		return torap_buffer_ref(s->run);
	for (uint64_t at = from; at <= to; at++)
		manifests[at - from] = batch_at(f, w, at)->signed_manifest;
	struct torap_buffer *plain = torap_run_encode(manifests, to - from + 1);
	if (!plain)
		return NULL;
	struct torap_buffer *run = torap_run_compress(f->broker->compressor, plain);
	torap_buffer_unref(plain);
	torap_buffer_unref(s->run);
	s->run = torap_buffer_ref(run);
	s->run_from = from;
	s->run_to = to;
	return run;
}

static bool send_run(struct broker_feed *f, struct broker_follow *w, uint64_t from, uint64_t to)
{
	struct torap_buffer *frames[2] = {
		torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_RUN, &w->stream->id, from),
		encode_run(f, w, from, to),
	};
	bool ok = frames[0] && frames[1];
	size_t bytes = ok ? frames[1]->size : 0;
	if (!ok)
		broker_session_end(f->session, "out of memory", 0, NULL);
	else
		ok = broker_session_send_frames(f->session, frames, 2) && sent(f, w, to, bytes);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(frames[1]);
	f->count->runs += ok;
	return ok;
}

void broker_feed_forget_reads(struct broker_feed *f)
{
	f->held = broker_read_destroy(f->held);
	if (f->reading)
		f->reading->stale = true;
	if (f->again_reading)
		f->again_reading->stale = true;
}

static void read_failed(struct broker_feed *f, struct broker_follow *w, const struct broker_read *r)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	f->broker->counts.reads_failed++;
	w->damaged = true;
	w->again = torap_mono_add_ms(torap_app_mono(), READ_AGAIN_MS);
	broker_mend_found(f->broker, w->stream, r->from);
	if (w->told)
		return;
	w->told = true;
	torap_fail("STORE-DAMAGED",
		"%s batch %" PRIu64
		" cannot be read: %s; asked for again from its writer; feed %s gets no more of this stream until then, tried every 10 s",
		torap_stream_id_format(&w->stream->id, text), r->from,
		r->result ? r->error.text : "it is gone", f->session->name);
}

/* A frame that is missing stops nothing: it goes out as damaged, and again when it has come again. */
static void look_for_holes(struct broker_feed *f, struct broker_follow *w, const struct broker_read *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (torap_batch_is_damaged(r->entries[i].batch))
			broker_mend_found(f->broker, w->stream, r->from + i);
}

static void on_read(struct broker_read *r, void *hint)
{
	struct broker_feed *f = hint;
	struct broker *b = f->broker;
	struct broker_follow *w = f->read_for;
	f->reading = NULL;
	b->counts.reads++;
	b->counts.read_batches += r->count;
	look_for_holes(f, w, r);
	if (r->count > 0 && !r->stale) {
		f->held = r;
		w->told = false;
	} else {
		if (!r->stale)
			read_failed(f, w, r);
		broker_read_destroy(r);
	}
	broker_feed_activate(f, w);
	broker_turn(b);
}

/* As much as the window takes now: so that what was read can be sent at once and memory stays small. */
static void start_reading(struct broker_feed *f, struct broker_follow *w)
{
	const struct torap_window *window = &f->window;
	size_t room = READ_BYTES_MIN;
	if (window->limit_bytes > window->in_flight_bytes + room)
		room = window->limit_bytes - window->in_flight_bytes;
	if (room > READ_BYTES_MAX)
		room = READ_BYTES_MAX;
	struct broker *b = f->broker;
	f->read_for = w;
	if (broker_read_start(&f->reading, &b->app->loop, b->kv, w->stream->number, w->next, room, &b->rules,
		    f->place, on_read, f))
		broker_session_end(f->session, "out of memory", 0, NULL);
}

static void drop_what_was_sent(struct broker_feed *f)
{
	if (f->held && f->read_for->next >= f->held->from + f->held->count)
		f->held = broker_read_destroy(f->held);
}

enum outcome { IDLE, BLOCKED, MOVED };

/* A stream that was not here when the feed began may have begun in the middle. */
static void skip_to_begin(struct broker_follow *w)
{
	if (w->next >= w->stream->first_batch)
		return;
	w->next = w->begin = w->stream->first_batch;
	w->acked = w->next - 1;
}

static enum outcome step_once(struct broker_feed *f, struct broker_follow *w)
{
	struct view view = { f, w };
	if (w->damaged || !w->relevant)
		return IDLE;
	skip_to_begin(w);
	drop_what_was_sent(f);
	/* What was read does not wait: other streams want to be read. */
	bool flush = w->flush || (f->held && f->read_for == w);
	struct broker_step step =
		broker_course_step(w->next, broker_stream_last(w->stream), flush, look, &view);
	if (step.what == BROKER_STEP_NONE)
		return IDLE;
	if (!torap_window_open(&f->window, step.bytes + 1))
		return BLOCKED;
	if (step.what == BROKER_STEP_READ) {
		/* One read at a time: what another stream has read is sent first. */
		if (!f->reading && !f->held)
			start_reading(f, w);
		return BLOCKED;
	}
	bool ok = step.what == BROKER_STEP_RUN ? send_run(f, w, step.from, step.to)
					       : send_batch(f, w, step.from);
	if (!ok)
		return BLOCKED;
	drop_what_was_sent(f);
	return MOVED;
}

void broker_feed_pump(struct broker_feed *f)
{
	unsigned steps = 0, blocked = 0;
	size_t waiting = 0;
	for (const struct broker_follow *w = f->active_first; w; w = w->next_active)
		waiting++;
	/* Until every stream in the queue was found blocked since the last one that moved. */
	while (blocked < waiting && !f->session->ended) {
		if (steps++ == STEPS_MAX) {
			broker_feed_ready(f);
			torap_wake_send(&f->broker->commits);
			return;
		}
		struct broker_follow *w = pop(f);
		enum outcome outcome = step_once(f, w);
		if (outcome == IDLE) {
			w->active = w->flush = false;
			waiting--;
			continue;
		}
		push(f, w);
		blocked = outcome == BLOCKED ? blocked + 1 : 0;
	}
	broker_feed_again_pump(f);
}
