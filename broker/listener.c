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
#include "loop/zloop.h"
#include "wire/envelope.h"

enum {
	PROTOCOL_VERSION = 1,
	CLOSE_AFTER_MS = 1500, /* a door: when its connections are cut, and gone */
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
		if (broker_wire_traffic(s->wire, &traffic) && traffic.quiet_ms < s->pulse.dead_ms)
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
	broker_sessions_tick(l->broker->sessions, now);
	broker_pace_sweep(l->pace, now);
	close_doors(l, now);
}

/* libzmq's own routing ids are never used again.  One that the dialler chose could be taken by another key as soon as this
 * connection ends and before its session does, and what is sent to the session would be sent there. */
static bool is_own_routing_id(const struct torap_zmessage *m)
{
	return m->peer_size == 5 && m->peer[0] == 0;
}

/* What a hello needs to be looked at any further.  0, or the code of a refusal. */
static int judge_hello(const struct torap_zmessage *m, const struct torap_hello *h, const char **reason)
{
	if (h->version != PROTOCOL_VERSION) {
		*reason = "this broker speaks version 1";
		return TORAP__REFUSAL__CODE__VERSION;
	}
	if (!m->has_key) {
		*reason = "a session needs a CURVE key";
		return TORAP__REFUSAL__CODE__NOT_ADMITTED;
	}
	if (!is_own_routing_id(m)) {
		*reason = "a dialler chooses no routing id";
		return TORAP__REFUSAL__CODE__MALFORMED;
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

/* The older session of the same connection, and that of the same peer: a key belongs to one feed. */
static void replace_older(struct broker_listener *l, struct broker_session *newer)
{
	for (struct broker_session *s = newer->next; s; s = s->next) {
		if (s->ended || s->door != newer->door || s->peer_size != newer->peer_size ||
			memcmp(s->peer, newer->peer, s->peer_size) != 0)
			continue;
		s->keep_wire = true;
		broker_session_end(s, "said hello again", 0, NULL);
	}
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
	const struct torap_zmessage *m, const struct torap_hello *h)
{
	struct broker_session *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->broker = l->broker;
	s->door = door;
	memcpy(s->peer, m->peer, m->peer_size);
	s->peer_size = m->peer_size;
	memcpy(s->key, m->key, sizeof s->key);
	s->wire = broker_wire(m->fd);
	s->role = h->role;
	s->lane = h->lane;
	snprintf(s->name, sizeof s->name, "%s", h->name);
	snprintf(s->software, sizeof s->software, "%s", h->software);
	s->since = torap_app_wall();
	torap_pulse_init(&s->pulse, BROKER_HEARTBEAT_MS, BROKER_DEAD_MS, torap_app_mono());
	return s;
}

/* Gives it to its part: 0, or the code of a refusal. */
static int admit(struct broker_session *s, struct torap_hello *h, const char **reason)
{
	return h->role == TORAP__ROLE__ROLE_WRITER ? broker_writer_create(&s->writer, s, h, reason)
						   : broker_feed_create(&s->feed, s, h, reason);
}

/* Before anything is said of it in events or in the log. */
static bool is_paced(struct broker_listener *l, const struct torap_zmessage *m, const struct torap_hello *h)
{
	return !m->has_key || broker_pace_take(l->pace, m->key, h->role, h->lane, torap_app_mono());
}

static void on_hello(struct broker_listener *l, struct broker_door *door, const struct torap_zmessage *m,
	struct torap_hello *h)
{
	struct broker *b = l->broker;
	const char *reason = "";
	b->counts.hellos++;
	if (!is_paced(l, m, h)) {
		b->counts.hellos_too_many++;
		broker_door_refuse(door, m->peer, m->peer_size, TORAP__REFUSAL__CODE__BUSY,
			"too many hellos of this key, role and lane", NULL);
		return;
	}
	int code = judge_hello(m, h, &reason);
	if (!code && broker_sessions_full(b->sessions)) {
		reason = "too many sessions";
		code = TORAP__REFUSAL__CODE__BUSY;
	}
	struct broker_session *s = code ? NULL : session_create(l, door, m, h);
	if (!code && !s) {
		reason = "out of memory";
		code = TORAP__REFUSAL__CODE__BUSY;
	}
	if (!code) {
		broker_sessions_add(b->sessions, s);
		code = admit(s, h, &reason);
		/* Only who is admitted pushes out another. */
		if (!code && !s->ended)
			replace_older(l, s);
	}
	if (!code)
		return;
	b->counts.hellos_refused++;
	torap_info("HELLO-REFUSED", "%s, lane %s: %s", h->name, torap_lane_name(h->lane), reason);
	if (s)
		broker_session_end(s, "refused", code, reason);
	else
		broker_door_refuse(door, m->peer, m->peer_size, code, reason, NULL);
}

static void malformed(struct broker_door *door, const struct torap_zmessage *m, struct broker_session *s,
	const struct torap_error *why)
{
	door->broker->counts.malformed++;
	if (s)
		broker_session_end(s, "malformed", TORAP__REFUSAL__CODE__MALFORMED, why->text);
	else
		broker_door_refuse(
			door, m->peer, m->peer_size, TORAP__REFUSAL__CODE__MALFORMED, why->text, NULL);
}

static void decode_hello(struct broker_listener *l, struct broker_door *door, const struct torap_zmessage *m,
	struct broker_session *s)
{
	struct torap_error err;
	struct torap_hello hello;
	if (m->count != 2) {
		torap_errorf(&err, 0, "a hello has two frames");
		malformed(door, m, s, &err);
	} else if (torap_hello_decode(&hello, torap_buffer_bytes(m->frames[1]), &err)) {
		malformed(door, m, s, &err);
	} else {
		on_hello(l, door, m, &hello);
		torap_hello_finish(&hello);
	}
}

static void on_message(struct broker_listener *l, struct broker_door *door, struct torap_zmessage *m)
{
	struct torap_error err;
	struct torap_envelope envelope;
	struct broker_session *s = broker_sessions_find(l->broker->sessions, door, m->peer, m->peer_size);
	if (s && (!m->has_key || memcmp(s->key, m->key, sizeof s->key) != 0)) {
		broker_session_end(s, "gone", 0, NULL); /* Another connection has its routing id by now. */
		s = NULL;
	}
	if (door->leaving) {
		broker_door_refuse(
			door, m->peer, m->peer_size, TORAP__REFUSAL__CODE__NOT_ADMITTED, gone_text, NULL);
		return;
	}
	if (s)
		torap_pulse_heard(&s->pulse, torap_app_mono());
	if (m->count == 0) {
		torap_errorf(&err, 0, "a message without an envelope");
		malformed(door, m, s, &err);
	} else if (torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err)) {
		malformed(door, m, s, &err);
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HELLO) {
		decode_hello(l, door, m, s);
	} else if (!s) {
		l->broker->counts.strangers++;
		broker_door_refuse(door, m->peer, m->peer_size, TORAP__REFUSAL__CODE__NO_SESSION,
			"say hello first", NULL);
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT) {
		return;
	} else if (s->writer) {
		if (broker_writer_message(s->writer, &envelope, m->frames + 1, m->count - 1, &err))
			malformed(door, m, s, &err);
	} else if (broker_feed_message(s->feed, &envelope, m->frames + 1, m->count - 1, &err)) {
		malformed(door, m, s, &err);
	}
}

static void on_ready(void *hint, int zmq_events)
{
	struct broker_door *door = hint;
	struct broker_listener *l = door->broker->listener;
	(void)zmq_events; /* only ZMQ_POLLIN is asked for */
	for (int i = 0; i < TORAP_ZLOOP_BURST; i++) {
		struct torap_zmessage m;
		int r = torap_zmessage_receive(&m, door->socket, true);
		if (r == TORAP_ZSOCKET_NONE)
			break;
		if (r == -ENOMEM) {
			torap_fail(
				"MESSAGE-LOST", "out of memory for a message; its peer will send it again");
			continue;
		}
		if (r < 0) {
			torap_fail("LISTENER-FAILED", "receiving failed: %s; stopping", strerror(-r));
			torap_app_fail(l->broker->app);
			return;
		}
		if (r) {
			l->broker->counts.malformed++;
			continue;
		}
		on_message(l, door, &m);
		torap_zmessage_finish(&m);
	}
	broker_turn(l->broker);
}

int broker_listener_open(struct broker_listener **out, struct broker *b, const struct broker_doors_wish *wish,
	struct torap_error *err)
{
	struct broker_listener *l = calloc(1, sizeof *l);
	if (!l)
		return torap_errorf(err, -ENOMEM, "listener: out of memory");
	l->broker = b;
	l->pace = broker_pace_create();
	int r = l->pace ? broker_doors_prepare(&l->doors, b, wish, on_ready, err)
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
	return broker_doors_prepare(&l->doors, l->broker, wish, on_ready, err);
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
	if (torap_zsocket_endpoint(d->socket, endpoint, sizeof endpoint))
		torap_notice("LISTENING", "%s takes writers and subscribers at %s", l->broker->config->name,
			endpoint);
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
	broker_session_end(s, "the broker stops", 0, NULL);
}

void broker_listener_close(struct broker_listener *l)
{
	if (!l)
		return;
	broker_sessions_each(l->broker->sessions, stop, NULL);
	broker_sessions_bury(l->broker->sessions, torap_app_mono());
	for (struct broker_door *d = l->doors; d; d = d->next)
		l->doors_open++;
	while (l->doors) {
		struct broker_door *d = l->doors;
		l->doors = d->next;
		broker_door_close(d, on_door_closed, l);
	}
}
