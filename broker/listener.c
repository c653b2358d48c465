#include "broker/listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/audience.h"
#include "broker/broker.h"
#include "broker/door.h"
#include "broker/feed.h"
#include "broker/pace.h"
#include "broker/session.h"
#include "broker/sessions.h"
#include "broker/writer.h"
#include "link/message.h"
#include "loop/app.h"
#include "loop/ztraffic.h"
#include "wire/envelope.h"
#include "zmtp/listener.h"

enum {
	PROTOCOL_VERSION = 1,
	CLOSE_AFTER_MS = 1500,    /* a door: when its connections are cut, and gone */
	REFUSALS_QUEUED_MAX = 64, /* that a peer without a session has not taken: it is cut */
	FAULTS_MAX = 3,           /* messages that cannot be read of a peer without a session: it is cut */
	CUT_AFTER_MS = 300,       /* until the last refusal has most likely reached it */
};

static const char gone_text[] = "this endpoint is closed; the broker listens elsewhere, with another key";

struct broker_listener {
	struct broker *broker;
	struct broker_door *doors;
	unsigned doors_open; /* while it closes */
	struct broker_pace *pace;
};

static void pulse(void *hint, struct broker_session *s)
{
	struct torap_mono now = *(struct torap_mono *)hint;
	/* A large batch on a slow link: what is not a message yet is a sign of life, too. */
	if (torap_pulse_dead(&s->pulse, now)) {
		struct torap_ztraffic traffic;
		if (broker_session_traffic(s, &traffic) && traffic.quiet_ms < s->pulse.dead_ms)
			s->pulse.last_heard.us = now.us - traffic.quiet_ms * TORAP_US_PER_MS;
	}
	if (torap_pulse_dead(&s->pulse, now)) {
		s->broker->counts.silent++;
		broker_session_end(s, "silent", 0, NULL);
	} else if (torap_pulse_heartbeat_due(&s->pulse, now) && !(s->feed && s->feed->clogged)) {
		broker_session_send(s, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
	}
}

static void close_doors(struct broker_listener *l, struct torap_mono now)
{
	for (struct broker_door **at = &l->doors; *at;) {
		struct broker_door *d = *at;
		if (!d->leaving || !torap_mono_reached(d->close_at, now)) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		broker_door_close(d, NULL, NULL);
	}
}

void broker_listener_tick(struct broker_listener *l, struct torap_mono now)
{
	broker_sessions_each(l->broker->sessions, pulse, &now);
	broker_pace_sweep(l->pace, now);
	close_doors(l, now);
}

/* What a hello needs to be looked at any further.  0, or the code of a refusal. */
static int judge_hello(const struct torap_hello *h, const char **reason)
{
	if (h->version != PROTOCOL_VERSION) {
		*reason = "this broker speaks version 1";
		return TORAP__REFUSAL__CODE__VERSION;
	}
	if (h->role != TORAP__ROLE__ROLE_WRITER && h->role != TORAP__ROLE__ROLE_SUBSCRIBER) {
		*reason = "a hello needs a role";
		return TORAP__REFUSAL__CODE__MALFORMED;
	}
	return 0;
}

/* A writer has one session a lane, also while it goes over to another key; a feed's keys are different subscribers. */
static bool is_same_session(const struct broker_session *a, const struct broker_session *b)
{
	if (a->role != b->role || a->lane != b->lane)
		return false;
	return memcmp(a->key, b->key, sizeof a->key) == 0 ||
	       (a->role == TORAP__ROLE__ROLE_WRITER && strcmp(a->name, b->name) == 0);
}

static void replace(void *hint, struct broker_session *s)
{
	const struct broker_session *newer = hint;
	if (s == newer || s->ended || !is_same_session(s, newer))
		return;
	s->broker->counts.replaced++;
	broker_session_end(s, "replaced", TORAP__REFUSAL__CODE__REPLACED, "a newer session of the same peer");
}

/* That of the same peer on another connection: a key belongs to one feed. */
static void replace_older(struct broker_listener *l, struct broker_session *newer)
{
	if (!newer->feed) {
		broker_sessions_each(l->broker->sessions, replace, newer);
		return;
	}
	for (struct broker_feed *f =
			broker_audience_first(l->broker->audience, newer->feed->place, newer->lane);
		f; f = f->next_same)
		replace(newer, f->session);
}

static struct broker_session *session_create(struct broker_listener *l, struct broker_door *door,
	struct torap_zmtp_peer *peer, const struct torap_hello *h)
{
	struct broker_session *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->broker = l->broker;
	s->door = door;
	s->peer = peer;
	memcpy(s->key, torap_zmtp_key(peer), sizeof s->key);
	s->role = h->role;
	s->lane = h->lane;
	snprintf(s->name, sizeof s->name, "%s", h->name);
	snprintf(s->software, sizeof s->software, "%s", h->software);
	s->since = torap_app_wall();
	torap_pulse_init(&s->pulse, BROKER_HEARTBEAT_MS, BROKER_DEAD_MS, torap_app_mono());
	return s;
}

/* Says no to a peer that has no session, or whose session this does not end.  False: it takes no more answers, and is cut. */
static bool refuse(struct torap_zmtp_peer *peer, int code, const char *reason)
{
	struct broker_session *s = torap_zmtp_mark(peer);
	bool takes = s || torap_zmtp_queued(peer) < REFUSALS_QUEUED_MAX;
	if (takes && broker_door_refuse(peer, code, reason, NULL))
		return true;
	if (!s)
		torap_zmtp_cut(peer, 0);
	else if (!s->ended) {
		s->broker->counts.gone++;
		broker_session_end(s, "gone", 0, NULL);
	}
	return false;
}

/* Gives it to its part: 0, or the code of a refusal. */
static int admit(struct broker_session *s, struct torap_hello *h, const char **reason)
{
	return h->role == TORAP__ROLE__ROLE_WRITER ? broker_writer_create(&s->writer, s, h, reason)
						   : broker_feed_create(&s->feed, s, h, reason);
}

/* The session of a connection, NULL: it has none. */
static struct broker_session *session_of(const struct torap_zmtp_peer *peer)
{
	struct broker_session *s = torap_zmtp_mark(peer);
	return s && !s->ended ? s : NULL;
}

/* Who says hello begins anew, whatever becomes of it. */
static void take_over(struct broker_session *newer)
{
	struct broker_session *older = torap_zmtp_mark(newer->peer);
	if (older)
		broker_session_end_alone(older, "said hello again", 0, NULL);
	torap_zmtp_set_mark(newer->peer, newer);
	torap_zmtp_set_urgent(newer->peer, newer->lane == TORAP__LANE__LANE_CRITICAL);
}

static int greet(struct broker_listener *l, struct broker_door *door, struct torap_zmtp_peer *peer,
	struct torap_hello *h, struct broker_session **out, const char **reason)
{
	struct broker *b = l->broker;
	int code = judge_hello(h, reason);
	if (code)
		return code;
	*reason = "too many sessions";
	if (broker_sessions_full(b->sessions))
		return TORAP__REFUSAL__CODE__BUSY;
	*reason = "out of memory";
	struct broker_session *s = session_create(l, door, peer, h);
	if (!s)
		return TORAP__REFUSAL__CODE__BUSY;
	*out = s;
	broker_sessions_add(b->sessions, s);
	take_over(s);
	code = admit(s, h, reason);
	/* Only who is admitted pushes out another. */
	if (!code && !s->ended)
		replace_older(l, s);
	return code;
}

static void on_hello(struct broker_listener *l, struct broker_door *door, struct torap_zmtp_peer *peer,
	struct torap_hello *h)
{
	struct broker *b = l->broker;
	struct broker_session *s = NULL;
	const char *reason = "";
	b->counts.hellos++;
	int code = greet(l, door, peer, h, &s, &reason);
	if (!code)
		return;
	b->counts.hellos_refused++;
	torap_info("HELLO-REFUSED", "%s, lane %s: %s", h->name, torap_lane_name(h->lane), reason);
	if (s)
		broker_session_end(s, "refused", code, reason);
	else
		(void)refuse(peer, code, reason);
}

static void malformed(struct broker_listener *l, struct torap_zmtp_peer *peer, const struct torap_error *why)
{
	struct broker_session *s = session_of(peer);
	l->broker->counts.malformed++;
	if (s) {
		broker_session_end(s, "malformed", TORAP__REFUSAL__CODE__MALFORMED, why->text);
		return;
	}
	bool ending = torap_zmtp_mark(peer); /* with its session, in this turn */
	if (refuse(peer, TORAP__REFUSAL__CODE__MALFORMED, why->text) && !ending &&
		torap_zmtp_fault(peer) >= FAULTS_MAX)
		torap_zmtp_cut(peer, CUT_AFTER_MS);
}

/* Before it costs anything: a megabyte of empty positions is much to decode, and what is taken is said in events and in the log.  Hellos that do
 * not say their role and lane share a bucket. */
static bool is_in_pace(
	struct broker_listener *l, struct torap_zmtp_peer *peer, struct torap_buffer **frames, size_t count)
{
	uint8_t role = 0, lane = 0;
	if (count == 2)
		torap_hello_peek(&role, &lane, torap_buffer_bytes(frames[1]));
	if (broker_pace_take(l->pace, torap_zmtp_key(peer), role, lane, torap_app_mono()))
		return true;
	l->broker->counts.hellos++;
	l->broker->counts.hellos_too_many++;
	(void)refuse(peer, TORAP__REFUSAL__CODE__BUSY, "too many hellos of this key, role and lane");
	return false;
}

static void decode_hello(struct broker_listener *l, struct broker_door *door, struct torap_zmtp_peer *peer,
	struct torap_buffer **frames, size_t count)
{
	struct torap_error err;
	struct torap_hello hello;
	if (!is_in_pace(l, peer, frames, count))
		return;
	if (count != 2) {
		torap_errorf(&err, 0, "a hello has two frames");
		malformed(l, peer, &err);
	} else if (torap_hello_decode(&hello, torap_buffer_bytes(frames[1]), &err)) {
		malformed(l, peer, &err);
	} else {
		on_hello(l, door, peer, &hello);
		torap_hello_finish(&hello);
	}
}

static void on_message(void *hint, struct torap_zmtp_peer *peer, struct torap_buffer **frames, size_t count)
{
	struct broker_door *door = hint;
	struct broker_listener *l = door->broker->listener;
	struct broker_session *s = session_of(peer);
	struct torap_error err;
	struct torap_envelope envelope;
	if (door->leaving) {
		(void)refuse(peer, TORAP__REFUSAL__CODE__NOT_ADMITTED, gone_text);
		return;
	}
	if (s)
		torap_pulse_heard(&s->pulse, torap_app_mono());
	if (torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err)) {
		malformed(l, peer, &err);
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HELLO) {
		decode_hello(l, door, peer, frames, count);
	} else if (!s) {
		l->broker->counts.strangers++;
		(void)refuse(peer, TORAP__REFUSAL__CODE__NO_SESSION, "say hello first");
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT) {
		return;
	} else if (s->writer) {
		if (broker_writer_message(s->writer, &envelope, frames + 1, count - 1, &err))
			malformed(l, peer, &err);
	} else if (broker_feed_message(s->feed, &envelope, frames + 1, count - 1, &err)) {
		malformed(l, peer, &err);
	}
}

static void on_gone(void *hint, struct torap_zmtp_peer *peer)
{
	struct broker_session *s = torap_zmtp_mark(peer);
	(void)hint;
	if (s)
		broker_session_gone(s);
}

static void on_turn(void *hint)
{
	const struct broker_door *door = hint;
	broker_turn(door->broker);
}

static bool on_admit(void *hint, const uint8_t key[static TORAP_CURVE_KEY_SIZE], const char *address)
{
	const struct broker_door *door = hint;
	bool known = broker_rules_admit(&door->broker->rules, key, torap_app_wall());
	if (!known)
		torap_debug("KEY-REFUSED", "a key that nobody here knows, from %s", address);
	return known;
}

static const struct torap_zmtp_options calls = {
	.admit = on_admit,
	.on_message = on_message,
	.on_gone = on_gone,
	.on_turn = on_turn,
};

int broker_listener_open(struct broker_listener **out, struct broker *b, const struct broker_doors_wish *wish,
	struct torap_error *err)
{
	struct broker_listener *l = calloc(1, sizeof *l);
	if (!l)
		return torap_errorf(err, -ENOMEM, "listener: out of memory");
	l->broker = b;
	l->pace = broker_pace_create();
	int r = l->pace ? broker_doors_prepare(&l->doors, b, wish, &calls, err)
			: torap_errorf(err, -ENOMEM, "listener: out of memory");
	if (r) {
		broker_pace_destroy(l->pace);
		free(l);
		return r;
	}
	broker_listener_settle(l, wish, true);
	*out = l;
	return 0;
}

int broker_listener_prepare(
	struct broker_listener *l, const struct broker_doors_wish *wish, struct torap_error *err)
{
	return broker_doors_prepare(&l->doors, l->broker, wish, &calls, err);
}

static void leave_door(void *hint, struct broker_session *s)
{
	if (s->door == hint)
		broker_session_end(
			s, "its endpoint is closed", TORAP__REFUSAL__CODE__NOT_ADMITTED, gone_text);
}

static void let_door_go(struct broker_listener *l, struct broker_door *d)
{
	d->leaving = true;
	d->close_at = torap_mono_add_ms(torap_app_mono(), CLOSE_AFTER_MS);
	broker_sessions_each(l->broker->sessions, leave_door, d);
	torap_notice(
		"LISTENING-ENDS", "%s is no endpoint of %s any more", d->endpoint, l->broker->config->name);
}

static void begin_door(const struct broker_listener *l, struct broker_door *d)
{
	char endpoint[128];
	d->fresh = false;
	torap_zmtp_endpoint(d->listener, endpoint, sizeof endpoint);
	torap_notice(
		"LISTENING", "%s takes writers and subscribers at %s", l->broker->config->name, endpoint);
}

void broker_listener_settle(struct broker_listener *l, const struct broker_doors_wish *wish, bool take)
{
	if (!take) {
		broker_doors_undo(&l->doors);
		return;
	}
	for (struct broker_door *d = l->doors; d; d = d->next) {
		if (d->fresh)
			begin_door(l, d);
		else if (!d->leaving && !broker_door_wished(d, wish))
			let_door_go(l, d);
	}
}

const struct broker_door *broker_listener_doors(const struct broker_listener *l)
{
	return l->doors;
}

static void on_door_closed(void *hint)
{
	struct broker_listener *l = hint;
	if (--l->doors_open > 0)
		return;
	l->broker->listener = NULL;
	broker_pace_destroy(l->pace);
	free(l);
}

static void stop(void *hint, struct broker_session *s)
{
	(void)hint;
	broker_session_end_alone(s, "the broker stops", 0, NULL); /* What was sent to it may still leave. */
}

void broker_listener_close(struct broker_listener *l)
{
	if (!l)
		return;
	broker_sessions_each(l->broker->sessions, stop, NULL);
	broker_sessions_bury(l->broker->sessions);
	for (struct broker_door *d = l->doors; d; d = d->next)
		l->doors_open++;
	while (l->doors) {
		struct broker_door *d = l->doors;
		l->doors = d->next;
		broker_door_close(d, on_door_closed, l);
	}
}
