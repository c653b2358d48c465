#include "agents/follow/inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/follow/mended.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"
#include "zmtp/turn.h"

enum { SECOND_MS = 1000, SILENT_MS = TORAP_HEAD_SILENT_MS };

void follow_end(struct follow *f, const char *why)
{
	if (f->ended)
		return;
	f->ended = true;
	f->options.on_end(f->options.hint, why);
}

struct follow_totals follow_totals(const struct follow *f)
{
	struct follow_totals t = f->totals;
	t.printed = f->output ? follow_output_events(f->output) : 0;
	return t;
}

/* Acknowledgements: one for all streams of a lane that were flushed together. */

static void acknowledge_lane(struct follow *f, uint8_t n)
{
	struct follow_lane *lane = &f->lanes[n];
	struct torap_stream_position *positions = calloc(f->streams.count + 1, sizeof *positions);
	size_t count = 0, asked = 0;
	if (!positions)
		return; /* Stays due: the next commit tries again. */
	for (size_t i = 0; i < f->streams.count; i++) {
		struct follow_stream *s = f->streams.list[i];
		if (s->id.lane != n || !s->ack_due)
			continue;
		s->ack_due = false;
		positions[count] =
			(struct torap_stream_position){ .stream = s->id, .at = *follow_stream_owed(s) };
		if (asked < TORAP_HOLES_MAX)
			follow_ask_holes(s, &positions[count]);
		asked += positions[count++].holes_count;
	}
	lane->ack_due = false;
	struct torap_buffer *body = torap_ack_encode(positions, count);
	torap_positions_destroy(positions, count);
	if (body)
		torap_zlink_send(lane->link, TORAP__MESSAGE_TYPE__MESSAGE_ACK, body);
	else
		torap_zlink_refuse(
			lane->link, TORAP__REFUSAL__CODE__BUSY); /* Out of memory: the next hello says it. */
	torap_buffer_unref(body);
}

void follow_acknowledge(struct follow *f)
{
	for (int n = TORAP__LANE__LANE_CRITICAL; n < TORAP_LANES; n++)
		if (f->lanes[n].ack_due && f->lanes[n].link && torap_zlink_flowing(f->lanes[n].link))
			acknowledge_lane(f, n);
}

/* The loop. */

static void on_committed(struct torap_wake *wake)
{
	struct follow *f = wake->poll.data;
	torap_committer_collect(f->committer);
	if (f->closing)
		return;
	follow_acknowledge(f);
	follow_look_at_room(f);
	if (f->output)
		follow_output_wake(f->output);
}

static void wake(void *hint)
{
	struct follow *f = hint;
	torap_wake_send(&f->committed);
}

static void store_heads(struct follow *f)
{
	if (follow_shelf_waits(&f->shelf))
		return; /* They stay dirty. */
	for (size_t i = 0; i < f->streams.count; i++) {
		struct follow_stream *s = f->streams.list[i];
		if (!s->head_dirty)
			continue;
		s->head_dirty = false;
		follow_commit_head(f, &s->id, s->head_bytes);
	}
}

/* A writer says a head every two seconds; that none comes over a link that flows is an alarm, once. */
static void look_for_silence(struct follow *f)
{
	struct torap_mono now = torap_app_mono();
	for (size_t i = 0; i < f->streams.count; i++) {
		struct follow_stream *s = f->streams.list[i];
		const struct torap_zlink *l = f->lanes[s->id.lane].link;
		if (!s->head_heard.us)
			continue;
		if (!l || !torap_zlink_flowing(l))
			s->head_heard = now; /* Our own silence is not the writer's. */
		if (s->silent || !torap_mono_reached(torap_mono_add_ms(s->head_heard, SILENT_MS), now))
			continue;
		char text[TORAP_STREAM_TEXT_SIZE];
		s->silent = true;
		torap_warn("WRITER-SILENT", "%s says nothing any more: no head for %d s",
			torap_stream_id_format(&s->id, text), SILENT_MS / 1000);
	}
}

/* An acknowledgement that says nothing new asks for what is missing. */
static void look_for_holes(struct follow *f)
{
	if (follow_shelf_waits(&f->shelf))
		return; /* What comes for them could not be taken. */
	struct torap_mono now = torap_app_mono();
	for (size_t i = 0; i < f->streams.count; i++) {
		struct follow_stream *s = f->streams.list[i];
		if (torap_holes_due(&s->holes, now))
			s->ack_due = f->lanes[s->id.lane].ack_due = true;
	}
	follow_acknowledge(f);
}

static void on_second(uv_timer_t *timer)
{
	struct follow *f = timer->data;
	follow_shelf_try(&f->shelf);
	follow_look_at_room(f);
	look_for_holes(f);
	store_heads(f);
	look_for_silence(f);
	follow_writers_judge(f);
}

static void on_output_end(void *hint, const char *why)
{
	follow_end(hint, why);
}

static struct torap_buffer *on_hello(void *hint, uint8_t lane)
{
	return follow_hello(hint, lane);
}

static void on_message(void *hint, struct torap_zlink *l, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count)
{
	struct follow *f = hint;
	if (!f->ended)
		follow_receive(f, l, envelope, frames, count);
}

/* What the directory says at the start. */

static int on_stored_cursor(void *hint, const struct follow_cursor *c)
{
	struct follow *f = hint;
	struct follow_stream *s = follow_streams_add(&f->streams, &c->stream);
	if (!s)
		return -ENOMEM;
	follow_stream_begin(s, &c->at);
	return 0;
}

static int on_stored_hole(void *hint, const struct torap_stream_id *stream, uint64_t batch_no)
{
	struct follow *f = hint;
	struct follow_stream *s = follow_streams_find(&f->streams, stream);
	/* Of more than are remembered, the others have their turn after a restart. */
	if (s)
		torap_holes_add(&s->holes, batch_no, torap_app_mono());
	return 0;
}

static int load_trust(struct follow *f, struct torap_kv_txn *txn, struct torap_error *err)
{
	struct torap_bytes bytes;
	int r = follow_store_last_trust(txn, &bytes);
	if (r)
		return r == TORAP_KV_MISSING ? 0 : torap_errorf(err, r, "%s: cannot be read", f->config->dir);
	/* It was in force when it was stored.  Whether it still is, the broker's own word decides at the next welcome. */
	struct torap_wall then = { 0 };
	r = torap_trust_decode(&f->trust, bytes, f->config->root, then, err);
	if (r)
		torap_error_prefix(err, "%s: the stored trust file: ", f->config->dir);
	return r;
}

static int on_stored_head(void *hint, struct torap_bytes key, struct torap_bytes row)
{
	struct follow *f = hint;
	struct torap_head head;
	(void)key;
	if (!f->trust || torap_verify_head(&head, row, torap_trust_lookup, f->trust) != TORAP_VERDICT_GOOD)
		return 0; /* torap verify says so; here the next head replaces it. */
	struct follow_stream *s = follow_streams_find(&f->streams, &head.stream);
	struct torap_buffer *bytes = s ? torap_buffer_copy(row) : NULL;
	if (bytes) {
		follow_stream_head(s, &head, bytes);
		s->head_dirty = false;
	}
	torap_buffer_unref(bytes);
	return 0;
}

static int load(struct follow *f, struct torap_error *err)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, f->kv, false);
	int r = follow_store_cursors(&txn, on_stored_cursor, f);
	if (r == 0)
		r = follow_holes(&txn, on_stored_hole, f);
	if (r == 0)
		r = follow_grant_last(&txn, &f->last_grant);
	for (int n = TORAP__LANE__LANE_CRITICAL; r == 0 && n < TORAP_LANES; n++) {
		struct torap_wall at;
		r = follow_store_started(&txn, n, &at);
		f->lanes[n].started = at.us != 0;
	}
	if (r)
		r = torap_errorf(err, r < 0 ? r : -EIO, "%s: the cursor cannot be read; run torap verify",
			f->config->dir);
	else
		r = load_trust(f, &txn, err);
	if (r == 0) {
		r = torap_kv_walk(&txn, FOLLOW_HEADS, torap_bytes(NULL, 0), on_stored_head, f);
		if (r)
			torap_errorf(
				err, r, "%s: the heads cannot be read; run torap verify", f->config->dir);
	}
	torap_kv_abort(&txn);
	if (r == 0 && f->options.start_given && f->lanes[TORAP__LANE__LANE_CRITICAL].started)
		torap_notice("FROM-IGNORED", "%s has a cursor already: going on from there", f->config->dir);
	return r;
}

/* Reload. */

static void take_links(struct follow *f, bool rekeyed)
{
	const struct follow_config *c = f->config;
	for (int n = TORAP__LANE__LANE_CRITICAL; n < TORAP_LANES; n++) {
		struct torap_zlink *l = f->lanes[n].link;
		if (!torap_zlink_redirect(l, c->brokers, c->brokers_count) && rekeyed)
			torap_zlink_begin_anew_soon(l);
	}
}

void follow_reload(struct follow *f)
{
	struct torap_error err;
	struct follow_config *next = NULL;
	if (f->closing)
		return;
	int r = follow_config_load(&next, f->config->path, &err);
	if (!r)
		r = follow_config_judge_reload(f->config, next, &err);
	if (r) {
		torap_fail("RELOAD-REFUSED", "%s; what was in force stays in force", err.text);
		follow_config_destroy(next);
		return;
	}
	bool rekeyed =
		memcmp(f->config->keys.curve_public, next->keys.curve_public, TORAP_CURVE_KEY_SIZE) != 0;
	follow_config_take(f->config, next);
	if (follow_writers_expect(f))
		follow_end(f, "out of memory");
	take_links(f, rekeyed);
	follow_config_destroy(next);
	torap_notice("RELOADED", "%s: feed %s, %zu brokers%s", f->config->path, f->config->feed,
		f->config->brokers_count,
		rekeyed ? "; another CURVE key, its links begin anew within some seconds" : "");
}

/* Open and close. */

static int open_links(struct follow *f, struct torap_error *err)
{
	struct torap_zlink_options options = {
		.loop = f->loop,
		.turn = f->turns,
		.secret_key = f->config->keys.curve_secret,
		.public_key = f->config->keys.curve_public,
		.peers = f->config->brokers,
		.peers_count = f->config->brokers_count,
		.hello = on_hello,
		.on_message = on_message,
		.hint = f,
	};
	for (int n = TORAP__LANE__LANE_CRITICAL; n < TORAP_LANES; n++) {
		options.lane = (uint8_t)n;
		int r = torap_zlink_open(&f->lanes[n].link, &options, err);
		if (r)
			return r;
	}
	return 0;
}

static int open_parts(struct follow *f, struct torap_error *err)
{
	int r = follow_store_open(&f->kv, f->config->dir, f->config->dir_bytes, false, err);
	if (!r)
		r = load(f, err);
	if (!r && follow_writers_expect(f))
		r = torap_errorf(err, -ENOMEM, "out of memory");
	if (!r)
		r = torap_committer_start(&f->committer, f->kv, wake, f, err);
	follow_shelf_init(&f->shelf, f->committer);
	if (!r && f->options.has_output) {
		struct follow_output_options output = f->options.output;
		output.on_end = on_output_end;
		output.hint = f;
		r = follow_output_open(&f->output, f->loop, f->kv, f->committer, &output, err);
	}
	if (!r && f->config->metrics)
		r = torap_http_open(&f->http, f->loop, f->config->metrics, follow_routes, f, err);
	if (!r)
		r = open_links(f, err);
	return r;
}

static void free_follow(struct follow *f)
{
	for (int n = 0; n < TORAP_LANES; n++)
		torap_grant_rows_destroy(f->lanes[n].granted, f->lanes[n].granted_count);
	follow_streams_finish(&f->streams);
	free(f->unheard.writers);
	torap_trust_unref(f->trust);
	torap_buffer_unref(f->last_grant.body);
	free(f);
}

/* Last: the two handles that were with us from the beginning. */
static void on_handle_closed(uv_handle_t *handle)
{
	struct follow *f = handle->data;
	if (--f->closing_parts > 0)
		return;
	void (*on_closed)(void *hint) = f->on_closed;
	void *hint = f->on_closed_hint;
	free_follow(f);
	if (on_closed)
		on_closed(hint);
}

static void on_output_closed(void *hint)
{
	struct follow *f = hint;
	f->output = NULL;
	follow_shelf_close(&f->shelf);
	f->committer = torap_committer_stop(f->committer);
	f->kv = torap_kv_close(f->kv);
	f->closing_parts = 2;
	torap_wake_close(&f->committed, on_handle_closed);
	torap_wake_finish(&f->committed);
	uv_close((uv_handle_t *)&f->second, on_handle_closed);
}

static void on_link_closed(void *hint)
{
	struct follow *f = hint;
	if (--f->closing_parts > 0)
		return;
	follow_output_close(f->output, on_output_closed, f);
}

void follow_close(struct follow *f, void (*on_closed)(void *hint), void *hint)
{
	if (!f) {
		if (on_closed)
			on_closed(hint);
		return;
	}
	assert(!f->closing);
	f->closing = true;
	f->ended = true;
	f->on_closed = on_closed;
	f->on_closed_hint = hint;
	torap_http_close(f->http);
	if (f->committer)
		store_heads(f);
	f->closing_parts = TORAP_LANES - 1;
	for (int n = TORAP__LANE__LANE_CRITICAL; n < TORAP_LANES; n++) {
		struct torap_zlink *l = f->lanes[n].link;
		f->lanes[n].link = NULL;
		torap_zlink_close(l, on_link_closed, f);
	}
	torap_zmtp_turn_close(f->turns);
}

int follow_open(
	struct follow **out, uv_loop_t *loop, const struct follow_options *options, struct torap_error *err)
{
	struct follow *f = calloc(1, sizeof *f);
	if (!f)
		return torap_errorf(err, -ENOMEM, "out of memory");
	f->options = *options;
	f->config = options->config;
	f->loop = loop;
	int r = torap_zmtp_turn_create(&f->turns, loop, err);
	if (r) {
		free(f);
		return r;
	}
	r = torap_wake_open(&f->committed, loop, on_committed, err);
	if (r) {
		torap_zmtp_turn_close(f->turns);
		free(f);
		return r;
	}
	f->committed.poll.data = f;
	uv_timer_init(loop, &f->second);
	f->second.data = f;
	uv_timer_start(&f->second, on_second, SECOND_MS, SECOND_MS);

	r = open_parts(f, err);
	if (r) {
		follow_close(f, NULL, NULL); /* in its own time; the loop has to run for it */
		return r;
	}
	*out = f;
	return 0;
}
