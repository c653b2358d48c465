#include "loop/zlink.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "link/message.h"
#include "loop/app.h"
#include "loop/ztraffic.h"
#include "zmtp/dialler.h"

enum {
	TICK_MS = 100,
	NEXT_PEER_MS =
		5000, /* with several brokers: so long for a connection to one before the next is tried */
	WAITING_MS_MAX = 2000, /* not flowing for so long is said */
	SOON_MS_MAX = 5000,
	SMALL_BUFFER = 64 << 10, /* bulk and normal: no megabyte of backlog in front of anything */
};

struct torap_zlink {
	struct torap_zlink_options options;
	size_t next_peer;
	struct torap_zlink_peer dialled_peer; /* a copy: the list may be another by now */
	bool anew;                            /* begins anew at… */
	struct torap_mono anew_at;            /* …this moment */
	struct torap_dialler dialler;
	struct torap_mono dialled;
	struct torap_mono waits_since;
	enum torap_dial_reason told; /* to the operator, since it flowed last */
	struct torap_mono told_resume;
	struct torap_zmtp_dialler *connection;
	uv_timer_t timer;
	bool closing;
	void (*on_closed)(void *hint);
	void *on_closed_hint;
};

static void step(struct torap_zlink *l, enum torap_dial_input in, int refusal);

uint8_t torap_zlink_lane(const struct torap_zlink *l)
{
	return l->options.lane;
}

const struct torap_zlink_peer *torap_zlink_peer(const struct torap_zlink *l)
{
	return &l->dialled_peer;
}

const struct torap_dialler *torap_zlink_dialler(const struct torap_zlink *l)
{
	return &l->dialler;
}

bool torap_zlink_flowing(const struct torap_zlink *l)
{
	return l->dialler.state == TORAP_DIAL_FLOWING;
}

static void forget_peer(struct torap_zlink *l)
{
	free(l->dialled_peer.name);
	free(l->dialled_peer.endpoint);
	l->dialled_peer = (struct torap_zlink_peer){ 0 };
}

static int take_peer(struct torap_zlink *l, struct torap_error *err)
{
	const struct torap_zlink_peer *peer = &l->options.peers[l->next_peer];
	struct torap_zlink_peer copy = *peer;
	copy.name = strdup(peer->name);
	copy.endpoint = strdup(peer->endpoint);
	if (!copy.name || !copy.endpoint) {
		free(copy.name);
		free(copy.endpoint);
		return torap_errorf(err, -ENOMEM, "out of memory");
	}
	forget_peer(l);
	l->dialled_peer = copy;
	l->next_peer = (l->next_peer + 1) % l->options.peers_count;
	return 0;
}

/* Connections. */

static void hang_up(struct torap_zlink *l)
{
	l->connection = torap_zmtp_hang_up(l->connection);
}

static void on_connection_message(void *hint, struct torap_buffer **frames, size_t count);
static void on_connection_open(void *hint);
static void on_connection_gone(void *hint, const char *why, bool strange);

static int dial(struct torap_zlink *l, struct torap_error *err)
{
	const struct torap_zlink_peer *b = &l->dialled_peer;
	int r = take_peer(l, err);
	if (r)
		return r;
	l->anew = false; /* Whatever it was to begin anew for, it does. */
	struct torap_zmtp_dial_options options = {
		.turn = l->options.turn,
		.secret_key = l->options.secret_key,
		.public_key = l->options.public_key,
		.server_key = b->key,
		.buffer_bytes = l->options.lane == TORAP__LANE__LANE_CRITICAL ? 0 : SMALL_BUFFER,
		.urgent = l->options.lane == TORAP__LANE__LANE_CRITICAL,
		.on_message = on_connection_message,
		.on_open = on_connection_open,
		.on_gone = on_connection_gone,
		.hint = l,
	};
	l->dialled = torap_app_mono();
	return torap_zmtp_dial(&l->connection, b->endpoint, &options, err);
}

/* Only to say hello is one needed: pauses are spent without. */
static void dial_next(struct torap_zlink *l)
{
	struct torap_error err;
	if (dial(l, &err)) /* The hello then fails. */
		torap_warn("LINK-DIAL", "%s lane: %s", torap_lane_name(l->options.lane), err.text);
}

/* Sending. */

static bool send_frames(struct torap_zlink *l, uint32_t type, struct torap_buffer *body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), body };
	bool sent = l->connection && frames[0] && torap_zmtp_say(l->connection, frames, body ? 2 : 1);
	torap_buffer_unref(frames[0]);
	return sent;
}

void torap_zlink_send(struct torap_zlink *l, uint32_t type, struct torap_buffer *body)
{
	step(l, send_frames(l, type, body) ? TORAP_DIAL_IN_SENT : TORAP_DIAL_IN_LOST, 0);
}

static void say_hello(struct torap_zlink *l)
{
	struct torap_buffer *body = l->options.hello(l->options.hint, l->options.lane);
	if (!body) {
		torap_warn("LINK-HELLO", "%s lane: out of memory for a hello; trying again",
			torap_lane_name(l->options.lane));
		return;
	}
	if (!l->connection)
		dial_next(l);
	torap_zlink_send(l, TORAP__MESSAGE_TYPE__MESSAGE_HELLO, body);
	torap_buffer_unref(body);
}

/* The machine. */

static void tell_change(struct torap_zlink *l, enum torap_dial_state before)
{
	const struct torap_dialler *d = &l->dialler;
	const struct torap_zlink_peer *b = torap_zlink_peer(l);
	if (d->state == TORAP_DIAL_FLOWING && before != TORAP_DIAL_FLOWING) {
		torap_notice("LINK-FLOWING", "%s lane of broker %s is flowing",
			torap_lane_name(l->options.lane), b->name);
	} else if (before == TORAP_DIAL_FLOWING && d->state != TORAP_DIAL_FLOWING) {
		torap_warn("LINK-LOST", "%s lane of broker %s is %s: %s; connecting again by itself",
			torap_lane_name(l->options.lane), b->name, torap_dial_state_name(d->state),
			torap_dial_reason_name(d->reason));
		l->told = d->reason;
		l->waits_since = torap_app_mono();
	}
}

/* A link that comes up in a moment is not worth a line; one that does not, is, once for each reason. */
static void tell_waiting(struct torap_zlink *l, struct torap_mono now)
{
	const struct torap_dialler *d = &l->dialler;
	if (d->state == TORAP_DIAL_FLOWING || d->reason == l->told ||
		!torap_mono_reached(torap_mono_add_ms(l->waits_since, WAITING_MS_MAX), now))
		return;
	l->told = d->reason;
	torap_notice("LINK-WAITS", "%s lane of broker %s is %s: %s; trying again by itself",
		torap_lane_name(l->options.lane), torap_zlink_peer(l)->name, torap_dial_state_name(d->state),
		torap_dial_reason_name(d->reason));
}

static void step(struct torap_zlink *l, enum torap_dial_input in, int refusal)
{
	if (l->closing)
		return;
	enum torap_dial_state before = l->dialler.state;
	struct torap_dial_out out;
	torap_dialler_step(&l->dialler, in, refusal, torap_app_mono(), &out);
	tell_change(l, before);
	if (l->options.on_change && l->dialler.state != before)
		l->options.on_change(l->options.hint, l, before);
	if (out.reset)
		hang_up(l);
	if (out.say_hello)
		say_hello(l);
	if (out.heartbeat)
		torap_zlink_send(l, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
}

/* Bytes of a message that is not here yet are a sign of life, too. */
static void hear_bytes(struct torap_zlink *l, struct torap_mono now)
{
	struct torap_ztraffic traffic;
	struct torap_dial_out out;
	if (!l->connection || !torap_ztraffic_read(&traffic, torap_zmtp_dialler_fd(l->connection)))
		return;
	now.us -= traffic.quiet_ms * TORAP_US_PER_MS;
	if (now.us > l->dialler.last_heard.us)
		torap_dialler_step(&l->dialler, TORAP_DIAL_IN_HEARD, 0, now, &out);
}

static bool is_same(const struct torap_zlink_peer *a, const struct torap_zlink_peer *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->endpoint, b->endpoint) == 0 &&
	       memcmp(a->key, b->key, sizeof a->key) == 0;
}

/* Where the list has the peer that is dialled; their count: nowhere any more. */
static size_t place_of_dialled(const struct torap_zlink *l)
{
	size_t i = 0;
	while (i < l->options.peers_count && !is_same(&l->options.peers[i], &l->dialled_peer))
		i++;
	return i;
}

static void begin_anew(struct torap_zlink *l)
{
	l->next_peer = place_of_dialled(l) % l->options.peers_count;
	step(l, TORAP_DIAL_IN_CLOSE, 0);
}

static bool should_try_the_next(const struct torap_zlink *l, struct torap_mono now)
{
	return l->options.peers_count > 1 && l->connection && !l->dialler.open &&
	       torap_mono_reached(torap_mono_add_ms(l->dialled, NEXT_PEER_MS), now);
}

static void on_tick(uv_timer_t *timer)
{
	struct torap_zlink *l = timer->data;
	struct torap_mono now = torap_app_mono();
	if (should_try_the_next(l, now))
		step(l, TORAP_DIAL_IN_LOST, 0);
	hear_bytes(l, now);
	if (l->anew && torap_mono_reached(l->anew_at, now))
		begin_anew(l);
	step(l, TORAP_DIAL_IN_TICK, 0);
	tell_waiting(l, now);
}

void torap_zlink_welcomed(struct torap_zlink *l)
{
	step(l, TORAP_DIAL_IN_WELCOME, 0);
}

void torap_zlink_refuse(struct torap_zlink *l, int code)
{
	step(l, TORAP_DIAL_IN_REFUSED, code);
}

void torap_zlink_begin_anew_soon(struct torap_zlink *l)
{
	l->anew = true;
	l->anew_at = torap_mono_add_ms(torap_app_mono(), randombytes_uniform(SOON_MS_MAX));
}

bool torap_zlink_redirect(struct torap_zlink *l, const struct torap_zlink_peer *peers, size_t count)
{
	assert(count > 0);
	l->options.peers = peers;
	l->options.peers_count = count;
	size_t place = place_of_dialled(l);
	l->next_peer = place < count ? (place + 1) % count : 0;
	if (place < count)
		return false;
	torap_zlink_begin_anew_soon(l);
	return true;
}

/* RESUME ends nothing, so that it may come at any rate. */
static bool may_tell(struct torap_zlink *l, int code)
{
	struct torap_mono now = torap_app_mono();
	if (code != TORAP__REFUSAL__CODE__RESUME)
		return true;
	if (l->told_resume.us && !torap_mono_reached(torap_mono_add_ms(l->told_resume, 1000), now))
		return false;
	l->told_resume = now;
	return true;
}

static void on_refusal(struct torap_zlink *l, struct torap_buffer **frames, size_t count)
{
	struct torap_refusal refusal;
	struct torap_error err;
	if (count != 1 || torap_refusal_decode(&refusal, torap_buffer_bytes(frames[0]), &err)) {
		step(l, TORAP_DIAL_IN_BROKEN, 0);
		return;
	}
	if (refusal.code != TORAP__REFUSAL__CODE__NO_SESSION && may_tell(l, refusal.code))
		torap_warn("LINK-REFUSED", "%s lane: broker %s refuses: %s", torap_lane_name(l->options.lane),
			torap_zlink_peer(l)->name, refusal.reason);
	step(l, TORAP_DIAL_IN_REFUSED, refusal.code);
	torap_refusal_finish(&refusal);
}

static void on_connection_open(void *hint)
{
	step(hint, TORAP_DIAL_IN_OPEN, 0);
}

static void on_connection_gone(void *hint, const char *why, bool strange)
{
	struct torap_zlink *l = hint;
	if (strange)
		torap_warn("LINK-MALFORMED", "%s lane: broker %s: %s", torap_lane_name(l->options.lane),
			torap_zlink_peer(l)->name, why);
	else
		torap_debug("LINK-GONE", "%s lane of broker %s: %s", torap_lane_name(l->options.lane),
			torap_zlink_peer(l)->name, why);
	hang_up(l);
	step(l, strange ? TORAP_DIAL_IN_BROKEN : TORAP_DIAL_IN_LOST, 0);
}

static void on_connection_message(void *hint, struct torap_buffer **frames, size_t count)
{
	struct torap_zlink *l = hint;
	struct torap_envelope envelope;
	struct torap_error err;
	step(l, TORAP_DIAL_IN_HEARD, 0);
	if (torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err)) {
		torap_warn("LINK-MALFORMED", "%s lane: broker %s: %s", torap_lane_name(l->options.lane),
			torap_zlink_peer(l)->name, err.text);
		step(l, TORAP_DIAL_IN_BROKEN, 0);
		return;
	}
	frames++;
	count--;
	switch (envelope.type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT:
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL:
		on_refusal(l, frames, count);
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_WELCOME:
		if (l->dialler.state == TORAP_DIAL_GREETING)
			l->options.on_message(l->options.hint, l, &envelope, frames, count);
		return;
	default:
		/* What was on its way when the session ended belongs to no session. */
		if (torap_zlink_flowing(l))
			l->options.on_message(l->options.hint, l, &envelope, frames, count);
		return;
	}
}

int torap_zlink_open(
	struct torap_zlink **out, const struct torap_zlink_options *options, struct torap_error *err)
{
	struct torap_zlink *l = calloc(1, sizeof *l);
	if (!l)
		return torap_errorf(err, -ENOMEM, "out of memory");
	l->options = *options;
	uint64_t seed;
	randombytes_buf(&seed, sizeof seed);
	torap_dialler_init(&l->dialler, &torap_dial_defaults, seed, torap_app_mono());
	l->waits_since = torap_app_mono();
	l->told = TORAP_DIAL_NOT_YET;
	int r = dial(l, err);
	if (r) {
		forget_peer(l);
		free(l);
		return r;
	}
	uv_timer_init(options->loop, &l->timer);
	l->timer.data = l;
	uv_timer_start(&l->timer, on_tick, 0, TICK_MS);
	*out = l;
	return 0;
}

static void on_timer_closed(uv_handle_t *timer)
{
	struct torap_zlink *l = timer->data;
	void (*on_closed)(void *hint) = l->on_closed;
	void *hint = l->on_closed_hint;
	forget_peer(l);
	free(l);
	if (on_closed)
		on_closed(hint);
}

void torap_zlink_close(struct torap_zlink *l, void (*on_closed)(void *hint), void *hint)
{
	if (!l) {
		if (on_closed)
			on_closed(hint);
		return;
	}
	l->closing = true;
	l->on_closed = on_closed;
	l->on_closed_hint = hint;
	hang_up(l);
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
