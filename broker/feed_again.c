#include "broker/feed_again.h"

#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "broker/cut.h"
#include "broker/feed.h"
#include "broker/feed_send.h"
#include "broker/mend.h"
#include "broker/reader.h"
#include "broker/routing.h"
#include "broker/session.h"
#include "broker/streams.h"
#include "link/message.h"
#include "loop/app.h"

enum {
	ONE_BATCH = 1,           /* bytes of a read: the first batch always is read */
	WINDOW_AGAIN = 1u << 31, /* beside a stream's index: acknowledged by another rule */
};

static struct broker_again *at(struct broker_feed *f, size_t i)
{
	return &f->again[(f->again_first + i) % BROKER_AGAIN_MAX];
}

/* False: there is no room. */
static bool push(struct broker_feed *f, struct broker_follow *w, uint64_t batch_no, bool asked)
{
	if (!f->again)
		f->again = calloc(BROKER_AGAIN_MAX, sizeof *f->again);
	if (!f->again)
		return false;
	for (size_t i = 0; i < f->again_count; i++)
		if (at(f, i)->follow == w && at(f, i)->batch_no == batch_no) {
			at(f, i)->asked |= asked;
			return true;
		}
	if (f->again_count == BROKER_AGAIN_MAX)
		return false;
	*at(f, f->again_count++) = (struct broker_again){ w, batch_no, asked };
	broker_feed_ready(f);
	return true;
}

/* It cannot ask for what it does not know that we have now: this is not forgotten. */
static void push_later(struct broker_feed *f, struct broker_follow *w, uint64_t batch_no)
{
	if (w->again_to == 0 || batch_no < w->again_from)
		w->again_from = batch_no;
	if (batch_no > w->again_to)
		w->again_to = batch_no;
	f->again_more = true;
}

static void refill(struct broker_feed *f)
{
	f->again_more = false;
	for (size_t i = 0; i < f->follows_room; i++) {
		struct broker_follow *w = f->follows[i];
		while (w && w->again_to && push(f, w, w->again_from, false))
			if (w->again_from++ == w->again_to)
				w->again_to = 0;
		f->again_more |= w && w->again_to;
	}
}

static void pop(struct broker_feed *f)
{
	f->again_first = (f->again_first + 1) % BROKER_AGAIN_MAX;
	f->again_count--;
	f->again_bytes = 0;
}

static struct broker_follow *follow_of(const struct broker_feed *f, const struct broker_stream *stream)
{
	return stream && stream->id.lane == f->lane && stream->place < f->follows_room
		       ? f->follows[stream->place]
		       : NULL;
}

void broker_feed_asked(struct broker_feed *f, const struct torap_stream_position *position)
{
	const struct broker_stream *stream =
		position->holes_count ? broker_streams_find(f->broker->streams, &position->stream) : NULL;
	struct broker_follow *w = follow_of(f, stream);
	for (size_t i = 0; w && i < position->holes_count && i < TORAP_HOLES_ASKED_MAX; i++)
		/* A subscriber may be ahead of us: of what is not here yet it asks again. */
		if (position->holes[i] >= stream->first_batch && position->holes[i] < w->next &&
			position->holes[i] <= broker_stream_last(stream) &&
			!push(f, w, position->holes[i], true))
			return;
}

void broker_feed_mended(struct broker_feed *f, struct broker_stream *stream, uint64_t batch_no)
{
	struct broker_follow *w = follow_of(f, stream);
	if (!w || f->session->ended)
		return;
	if (batch_no < w->begin)
		return;
	if (batch_no < w->next) {
		if (!push(f, w, batch_no, false))
			push_later(f, w, batch_no);
		return;
	}
	if (f->read_for == w)
		broker_feed_forget_reads(f);
	w->damaged = false;
	broker_feed_activate(f, w);
}

void broker_feed_again_acked(struct broker_feed *f, const struct broker_follow *w)
{
	if (f->again_sent != w)
		return;
	torap_window_acked(&f->window, w->stream->index | WINDOW_AGAIN, UINT64_MAX, torap_app_mono());
	f->again_sent = NULL;
}

/* Is it worth sending: is there a granted frame, or word that none will come?  Or may the manifest be what is missed?  Not where granted
 * frames are not held here: then these are what the subscriber asks for, again and again. */
static bool is_answer(const struct torap_batch *view, bool asked)
{
	if (asked && torap_batch_is_damaged(view))
		return true;
	for (unsigned i = 0; i < view->manifest->frames_count; i++)
		if (view->frames[i])
			return true;
	return !torap_batch_lacks(view);
}

/* False: there is no room for it, now that its size is known. */
static bool send_once_more(struct broker_feed *f, struct broker_follow *w, const struct torap_batch *batch)
{
	struct torap_batch view;
	struct broker_routing *routing = f->broker->routing;
	bool asked = at(f, 0)->asked;
	if (!w->relevant || (!asked && !broker_cut_matches(routing, f->place, batch)))
		return true;
	size_t bytes = broker_cut_make(&view, routing, f->place, batch);
	if (!is_answer(&view, asked))
		return true;
	if (!torap_window_open(&f->window, bytes)) {
		f->again_bytes = bytes;
		return false;
	}
	if (!broker_feed_send_view(f, &view))
		return true;
	if (torap_window_sent(&f->window, w->stream->index | WINDOW_AGAIN, batch->manifest->batch_no, bytes,
		    torap_app_mono())) {
		broker_session_end(f->session, "out of memory", 0, NULL);
		return true;
	}
	f->again_sent = w;
	f->count->bytes += bytes;
	f->count->again++;
	return true;
}

static void on_read(struct broker_read *r, void *hint)
{
	struct broker_feed *f = hint;
	struct broker *b = f->broker;
	f->again_reading = NULL;
	/* What was read under another policy is read once more. */
	if (!r->stale && !f->session->ended) {
		struct broker_follow *w = at(f, 0)->follow;
		if (r->count == 0 || torap_batch_is_damaged(r->entries[0].batch))
			broker_mend_found(b, w->stream, r->from);
		if (r->count == 0 || send_once_more(f, w, r->entries[0].batch))
			pop(f);
	}
	broker_read_destroy(r);
	broker_feed_ready(f);
	broker_turn(b);
}

void broker_feed_again_pump(struct broker_feed *f)
{
	if (f->session->ended)
		return;
	if (!f->again_count && f->again_more)
		refill(f);
	if (!f->again_count || f->again_reading || f->again_sent ||
		!torap_window_open(&f->window, f->again_bytes ? f->again_bytes : TORAP_WINDOW_MIN / 2))
		return;
	struct broker *b = f->broker;
	const struct broker_again *next = at(f, 0);
	if (broker_read_start(&f->again_reading, &b->app->loop, b->kv, next->follow->stream->number,
		    next->batch_no, ONE_BATCH, &b->rules, f->place, on_read, f))
		broker_session_end(f->session, "out of memory", 0, NULL);
}

void broker_feed_again_finish(struct broker_feed *f)
{
	f->again_reading = broker_read_abandon(f->again_reading);
	free(f->again);
}
