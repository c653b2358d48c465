#include "broker/feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/absent.h"
#include "broker/audience.h"
#include "broker/broker.h"
#include "broker/feed_send.h"
#include "broker/feed_wire.h"
#include "broker/own.h"
#include "broker/reader.h"
#include "broker/routing.h"
#include "broker/session.h"
#include "broker/streams.h"
#include "link/message.h"
#include "loop/app.h"
#include "wire/envelope.h"

static const struct broker_policy_feed *entry_of(const struct broker_feed *f)
{
	return &f->broker->rules.policy->feeds[f->place];
}

/* Following. */

static struct broker_follow *follow_of(const struct broker_feed *f, const struct broker_stream *stream)
{
	return stream->id.lane == f->lane && stream->place < f->follows_room ? f->follows[stream->place]
									     : NULL;
}

static bool is_relevant(const struct broker_feed *f, const struct broker_stream *stream)
{
	return broker_rules_touch(&f->broker->rules, entry_of(f), stream->id.writer);
}

static const struct torap_stream_position *cursor_of(
	const struct broker_feed *f, const struct torap_stream_id *id)
{
	for (size_t i = 0; i < f->cursor_count; i++)
		if (torap_stream_id_equal(&f->cursor[i].stream, id))
			return &f->cursor[i];
	return NULL;
}

static int make_room(struct broker_feed *f, size_t place)
{
	if (place < f->follows_room)
		return 0;
	size_t room = f->follows_room ? f->follows_room : 16;
	while (room <= place)
		room *= 2;
	struct broker_follow **grown = realloc(f->follows, room * sizeof(struct broker_follow *));
	if (!grown)
		return -ENOMEM;
	memset(grown + f->follows_room, 0, (room - f->follows_room) * sizeof(struct broker_follow *));
	f->follows = grown;
	f->follows_room = room;
	return 0;
}

/* From its begin, or where the subscriber's cursor stands. */
static struct broker_follow *follow(struct broker_feed *f, struct broker_stream *stream)
{
	struct broker_follow *w = make_room(f, stream->place) ? NULL : calloc(1, sizeof *w);
	if (!w) {
		broker_session_end(f->session, "out of memory", 0, NULL);
		return NULL;
	}
	const struct torap_stream_position *at = cursor_of(f, &stream->id);
	w->stream = stream;
	w->relevant = true;
	w->next = at && at->at.next_batch > stream->first_batch ? at->at.next_batch : stream->first_batch;
	w->acked = w->next - 1;
	f->follows[stream->place] = w;
	return w;
}

void broker_feed_appeared(struct broker_feed *f, struct broker_stream *stream)
{
	if (!f->session->ended && is_relevant(f, stream))
		follow(f, stream);
}

/* The welcome: where each stream begins for this subscriber. */

static bool has_digest_before(const struct broker_stream *s, uint64_t next, uint8_t *out)
{
	const struct broker_recent *before = broker_stream_recent(s, next - 1);
	if (before)
		memcpy(out, before->batch->manifest->digest, TORAP_DIGEST_SIZE);
	else if (next == s->flushed.next_batch && s->flushed.has_digest)
		memcpy(out, s->flushed.last_digest, TORAP_DIGEST_SIZE);
	else
		return false;
	return true;
}

static struct torap_stream_position begin_of(const struct broker_feed *f, const struct broker_follow *w)
{
	struct torap_stream_position p = { .stream = w->stream->id, .at = { .next_batch = w->next } };
	const struct torap_stream_position *at = cursor_of(f, &w->stream->id);
	if (at && at->at.next_batch == w->next) {
		p.at.has_digest = at->at.has_digest;
		memcpy(p.at.last_digest, at->at.last_digest, sizeof p.at.last_digest);
	} else {
		p.at.has_digest = has_digest_before(w->stream, w->next, p.at.last_digest);
	}
	return p;
}

static struct torap_buffer *encode_welcome(const struct broker_feed *f, const struct broker_search *found)
{
	struct broker *b = f->broker;
	const struct broker_policy_feed *entry = entry_of(f);
	struct torap_stream_position *positions = calloc(f->follows_room + 1, sizeof *positions);
	if (!positions)
		return NULL;
	size_t count = 0;
	for (size_t i = 0; i < f->follows_room; i++)
		if (f->follows[i] && f->follows[i]->stream->stored) /* It may begin elsewhere. */
			positions[count++] = begin_of(f, f->follows[i]);
	for (size_t i = 0; found && i < found->count; i++)
		for (size_t k = 0; k < count; k++)
			if (torap_stream_id_equal(&positions[k].stream, &found->places[i].stream->id))
				positions[k].at = found->places[i].found;
	struct torap_welcome welcome = {
		.version = 1,
		.positions = positions,
		.positions_count = count,
		.granted = entry->rows,
		.granted_count = entry->rows_count,
		.trust = b->rules.trust->signed_bytes,
		.heartbeat_ms = BROKER_HEARTBEAT_MS,
	};
	snprintf(welcome.broker, sizeof welcome.broker, "%s", b->config->name);
	struct torap_buffer *body = torap_welcome_encode(&welcome);
	free(positions);
	return body;
}

static void begin(struct broker_feed *f, const struct broker_search *found)
{
	if (f->session->ended || !broker_session_send(f->session, TORAP__MESSAGE_TYPE__MESSAGE_WELCOME,
					 encode_welcome(f, found)))
		return;
	f->welcomed = true;
	for (size_t i = 0; i < f->cursor_count; i++)
		broker_feed_asked(f, &f->cursor[i]);
	broker_feed_tick(f, true);
}

static void on_found(struct broker_search *s, void *hint)
{
	struct broker_feed *f = hint;
	f->search = NULL;
	if (s->result) {
		torap_fail("STORE-DAMAGED", "feed %s: the begin of its streams cannot be found",
			f->session->name);
		broker_session_end(f->session, "store damaged", TORAP__REFUSAL__CODE__BUSY,
			"the begin of the streams cannot be found");
	} else {
		for (size_t i = 0; i < s->count; i++) {
			struct broker_follow *w = follow_of(f, s->places[i].stream);
			w->next = w->begin = s->places[i].found.next_batch;
			w->acked = w->next - 1;
		}
		begin(f, s);
	}
	broker_turn(f->broker);
}

/* The streams that a time of start is asked of: those that hold something and that the subscriber does not know. */
static int search(struct broker_feed *f, struct torap_wall at)
{
	struct broker *b = f->broker;
	struct broker_search *s = broker_search_create(f->follows_room);
	if (!s)
		return -ENOMEM;
	s->count = 0;
	for (size_t i = 0; i < f->follows_room; i++) {
		const struct broker_follow *w = f->follows[i];
		if (!w || !w->stream->stored || cursor_of(f, &w->stream->id))
			continue;
		s->places[s->count++] = (struct broker_search_place){ .stream = w->stream,
			.number = w->stream->number,
			.last = broker_stream_last(w->stream) };
	}
	int r = broker_search_start(s, &b->app->loop, b->kv, at, on_found, f);
	if (r)
		free(s);
	else
		f->search = s;
	return r;
}

/* The session. */

static int judge_hello(
	struct broker_session *s, const struct torap_hello *h, uint32_t *place, const char **reason)
{
	const struct broker_policy *policy = s->broker->rules.policy;
	int at = broker_policy_find(policy, h->name);
	*reason = "no such feed for this key, now";
	if (at < 0 || !broker_policy_feed_has(&policy->feeds[at], s->key) ||
		!broker_policy_feed_valid(&policy->feeds[at], torap_app_wall()))
		return TORAP__REFUSAL__CODE__NOT_ADMITTED;
	*place = (uint32_t)at;
	return 0;
}

static bool follow_all(struct broker_feed *f, uint8_t start)
{
	struct broker_streams *streams = f->broker->streams;
	for (size_t i = 0; i < streams->lane_count[f->lane]; i++) {
		struct broker_stream *stream = streams->lanes[f->lane][i];
		if (!is_relevant(f, stream))
			continue;
		struct broker_follow *w = follow(f, stream);
		if (!w)
			return false;
		if (start == TORAP__START__START_NOW && !cursor_of(f, &stream->id)) {
			w->next = w->begin = stream->flushed.next_batch;
			w->acked = w->next - 1;
		}
	}
	return true;
}

static void take_cursor(struct broker_feed *f, struct torap_hello *h)
{
	f->cursor = h->positions;
	f->cursor_count = h->positions_count;
	h->positions = NULL;
	h->positions_count = 0;
}

static void note_access(struct broker_feed *f, bool opened)
{
	char key[2 * TORAP_CURVE_KEY_SIZE + 1];
	torap_hex(key, torap_bytes(f->session->key, sizeof f->session->key));
	broker_own_access(f->broker->own, f->session->name, key, f->lane, opened);
}

int broker_feed_create(
	struct broker_feed **out, struct broker_session *s, struct torap_hello *h, const char **reason)
{
	uint32_t place = 0;
	int code = judge_hello(s, h, &place, reason);
	if (code)
		return code;
	struct broker_feed *f = calloc(1, sizeof *f);
	struct broker_feed_count *count = broker_counts_feed(&s->broker->counts, h->name);
	*reason = "out of memory";
	if (!f || !count) {
		free(f);
		return TORAP__REFUSAL__CODE__BUSY;
	}
	f->broker = s->broker;
	f->session = s;
	f->lane = h->lane;
	f->place = place;
	f->count = count;
	f->active_end = &f->active_first;
	torap_window_init(&f->window, h->credit_bytes, torap_app_mono());
	take_cursor(f, h);
	*out = f;
	broker_audience_join(f->broker->audience, f);
	note_access(f, true);
	count->sessions++;
	if (!follow_all(f, h->start))
		return TORAP__REFUSAL__CODE__BUSY;

	const struct broker_policy_feed *entry = entry_of(f);
	if (torap_grant_falls_short(entry->rows, entry->rows_count, h->expected, h->expected_count))
		torap_warn("FEED-SHORT", "feed %s expects more than the policy grants it", s->name);
	torap_info("FEED-HERE", "%s (%s), lane %s", s->name, s->software, torap_lane_name(s->lane));
	if (h->start != TORAP__START__START_TIME)
		begin(f, NULL);
	else if (search(f, h->start_at))
		return TORAP__REFUSAL__CODE__BUSY;
	return 0;
}

struct broker_feed *broker_feed_destroy(struct broker_feed *f)
{
	if (!f)
		return NULL;
	note_access(f, false);
	broker_audience_leave(f->broker->audience, f);
	broker_absent_left(f->broker, f);
	broker_feed_forget_reads(f);
	f->reading = broker_read_abandon(f->reading);
	broker_feed_again_finish(f);
	if (f->search)
		f->search->on_done = NULL;
	for (size_t i = 0; i < f->follows_room; i++)
		free(f->follows[i]);
	free(f->follows);
	torap_positions_destroy(f->cursor, f->cursor_count);
	torap_window_finish(&f->window);
	free(f);
	return NULL;
}

/* Only who has read a batch knows its digest: one that acknowledges unread would fill its own socket without an end.  Past what was
 * sent in this session is allowed, for what an older one sent may be flushed after the hello. */
static int judge_ack(
	const struct broker_stream *stream, const struct torap_position *at, struct torap_error *err)
{
	uint8_t digest[TORAP_DIGEST_SIZE];
	if (at->next_batch - 1 > broker_stream_last(stream))
		return torap_errorf(err, -EBADMSG, "an acknowledgement of batches that are not here");
	if (has_digest_before(stream, at->next_batch, digest) &&
		(!at->has_digest || memcmp(at->last_digest, digest, sizeof digest) != 0))
		return torap_errorf(
			err, -EBADMSG, "an acknowledgement with another digest than that of its batch");
	return 0;
}

static int on_ack(struct broker_feed *f, struct torap_bytes body, struct torap_error *err)
{
	struct torap_stream_position *positions = NULL;
	size_t count = 0;
	int r = torap_ack_decode(&positions, &count, body, err);
	if (r)
		return r;
	for (size_t i = 0; i < count; i++) {
		uint64_t acked = positions[i].at.next_batch - 1;
		const struct broker_stream *stream =
			broker_streams_find(f->broker->streams, &positions[i].stream);
		struct broker_follow *w = stream ? follow_of(f, stream) : NULL;
		if (w) {
			broker_feed_again_acked(f, w);
			broker_feed_asked(f, &positions[i]);
		}
		if (!w || acked <= w->acked)
			continue; /* It may have it from another broker; said twice it frees nothing. */
		r = judge_ack(stream, &positions[i].at, err);
		if (r)
			break;
		torap_window_acked(&f->window, stream->index, acked, torap_app_mono());
		w->acked = acked < w->next ? acked : w->next - 1;
	}
	torap_positions_destroy(positions, count);
	broker_feed_ready(f);
	return r;
}

int broker_feed_message(struct broker_feed *f, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count, struct torap_error *err)
{
	uint64_t credit;
	int r;
	switch (envelope->type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_ACK:
		return count == 1 ? on_ack(f, torap_buffer_bytes(frames[0]), err)
				  : torap_errorf(err, -EBADMSG, "an acknowledgement has two frames");
	case TORAP__MESSAGE_TYPE__MESSAGE_CREDIT:
		if (count != 1)
			return torap_errorf(err, -EBADMSG, "a credit has two frames");
		r = torap_credit_decode(&credit, torap_buffer_bytes(frames[0]), err);
		if (!r) {
			torap_window_credit(&f->window, credit);
			broker_feed_ready(f);
		}
		return r;
	default:
		f->broker->counts.unknown_types++;
		return 0;
	}
}

void broker_feed_offer(struct broker_feed *f, const struct broker_stream *stream)
{
	struct broker_follow *w = follow_of(f, stream);
	if (w && !f->session->ended)
		broker_feed_activate(f, w);
}

static void pass_on_head(struct broker_feed *f, struct broker_follow *w)
{
	const struct broker_stream *s = w->stream;
	if (!s->head || w->heads == s->heads)
		return;
	struct torap_buffer *frames[2] = {
		torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_HEAD, &s->id, 0),
		s->head,
	};
	if (frames[0] && broker_session_send_frames(f->session, frames, 2))
		w->heads = s->heads;
	torap_buffer_unref(frames[0]);
}

void broker_feed_tick(struct broker_feed *f, bool flush)
{
	if (!f->welcomed || f->session->ended)
		return;
	broker_feed_look_at_wire(f);
	for (size_t i = 0; flush && i < f->follows_room; i++) {
		struct broker_follow *w = f->follows[i];
		if (!w || !w->relevant)
			continue;
		if (!f->clogged)
			pass_on_head(f, w);
		if (w->damaged && torap_mono_reached(w->again, torap_app_mono()))
			w->damaged = false;
		if (w->damaged || w->next > broker_stream_last(w->stream))
			continue;
		w->flush = true;
		broker_feed_activate(f, w);
	}
}

void broker_feed_judge(struct broker_feed *f, struct torap_wall now)
{
	const struct broker_policy_feed *entry = entry_of(f);
	if (strcmp(entry->name, f->session->name) == 0 && broker_policy_feed_has(entry, f->session->key) &&
		broker_policy_feed_valid(entry, now))
		return;
	f->broker->counts.revoked++;
	torap_notice("FEED-ENDED", "%s, lane %s: not granted any more", f->session->name,
		torap_lane_name(f->lane));
	broker_session_end(f->session, "not granted any more", TORAP__REFUSAL__CODE__NOT_ADMITTED,
		"the feed is not granted to this key, now");
}

static void follow_anew(struct broker_feed *f)
{
	struct broker_streams *streams = f->broker->streams;
	for (size_t i = 0; i < streams->lane_count[f->lane]; i++) {
		struct broker_stream *stream = streams->lanes[f->lane][i];
		struct broker_follow *w = follow_of(f, stream);
		bool relevant = is_relevant(f, stream);
		if (w)
			w->relevant = relevant;
		else if (relevant)
			follow(f, stream);
	}
}

void broker_feed_rules(struct broker_feed *f, struct torap_wall now, bool rows_changed)
{
	broker_feed_judge(f, now);
	if (f->session->ended)
		return;
	broker_feed_forget_reads(f);
	follow_anew(f);
	if (!rows_changed || !f->welcomed)
		return;
	const struct broker_policy_feed *entry = entry_of(f);
	torap_notice("FEED-CHANGED", "%s, lane %s: another grant from now on", f->session->name,
		torap_lane_name(f->lane));
	broker_session_send(f->session, TORAP__MESSAGE_TYPE__MESSAGE_GRANT,
		torap_grant_encode(entry->rows, entry->rows_count));
}

struct broker_lag broker_feed_lag(const struct broker_feed *f, struct torap_wall now)
{
	struct broker_lag lag = { 0 };
	for (size_t i = 0; i < f->follows_room; i++) {
		struct broker_follow *w = f->follows[i];
		if (w && w->relevant)
			broker_lag_behind(&lag, f->broker, w->stream, w->acked, &w->lag, now);
	}
	return lag;
}
