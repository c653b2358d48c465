#include "agents/kit/link.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "base/error.h"
#include "base/log.h"
#include "link/message.h"
#include "loop/app.h"
#include "loop/zdealer.h"
#include "loop/zsocket.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"

enum { TICK_MS = 100 };

/* A node on the same host: worth asking often. */
static const struct torap_dial_options dial_options = {
	.heartbeat_ms = 1000,
	.dead_ms = 4000,
	.greeting_ms = 3000,
	.retry_ms_min = 50,
	.retry_ms_max = 1000,
	.refused_ms = 5000,
};

static void step(struct kit_link *l, enum torap_dial_input in, int refusal);
static void on_ready(void *hint, int zmq_events);

/* The connection. */

static void let_go(struct kit_link *l)
{
	if (--l->handles)
		return;
	if (l->context)
		zmq_ctx_term(l->context);
	l->on_closed(l->owner.hint);
}

static void on_timer_closed(uv_handle_t *timer)
{
	let_go(timer->data);
}

static void on_hung_up(void *hint)
{
	let_go(hint);
}

static void hang_up(struct kit_link *l)
{
	if (l->connection)
		l->connection = torap_zdealer_close(l->connection, on_hung_up, l);
}

static int dial(struct kit_link *l, struct torap_error *err)
{
	struct torap_zsocket_options options = { 0 };
	int r = torap_zdealer_open(
		&l->connection, l->loop, l->context, l->endpoint, &options, on_ready, l, err);
	if (r)
		return r;
	l->handles++;
	return 0;
}

static void redial(struct kit_link *l)
{
	struct torap_error err;
	hang_up(l);
	if (dial(l, &err)) /* The next hello finds no socket, fails, and leads here again. */
		torap_warn("KIT-DIAL", "%s", err.text);
}

bool kit_link_send(struct kit_link *l, uint32_t type, struct torap_buffer *body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), body };
	bool sent =
		l->connection && frames[0] &&
		torap_zmessage_send(torap_zdealer_socket(l->connection), NULL, 0, frames, body ? 2 : 1) == 0;
	torap_buffer_unref(frames[0]);
	return sent;
}

static bool say_hello(struct kit_link *l)
{
	struct torap_buffer *body = l->owner.hello(l->owner.hint);
	bool sent = body && kit_link_send(l, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_HELLO, body);
	torap_buffer_unref(body);
	return sent;
}

/* What comes. */

static bool on_refusal(struct kit_link *l, struct torap_bytes body)
{
	struct torap_refusal refusal;
	struct torap_error err;
	if (torap_refusal_decode(&refusal, body, &err))
		return false;
	torap_warn("KIT-REFUSED", "the node refuses: %s", refusal.reason);
	step(l, TORAP_DIAL_IN_REFUSED, refusal.code);
	torap_refusal_finish(&refusal);
	return true;
}

static bool on_message(struct kit_link *l, struct torap_zmessage *m)
{
	static const struct torap_bytes none;
	struct torap_envelope envelope;
	struct torap_error err;
	if (!m->count || torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err))
		return false;
	struct torap_bytes body = m->count > 1 ? torap_buffer_bytes(m->frames[1]) : none;
	step(l, TORAP_DIAL_IN_HEARD, 0);
	switch (envelope.type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL:
		return on_refusal(l, body);
	case TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT:
		return true;
	default:
		return l->owner.on_message(l->owner.hint, envelope.type, body);
	}
}

static void on_ready(void *hint, int zmq_events)
{
	struct kit_link *l = hint;
	(void)zmq_events;
	for (int i = 0; i < TORAP_ZLOOP_BURST && l->connection && !l->closing; i++) {
		struct torap_zmessage m;
		int r = torap_zmessage_receive(&m, torap_zdealer_socket(l->connection), false);
		if (r == TORAP_ZSOCKET_NONE)
			return;
		if (r == TORAP_ZSOCKET_BAD)
			++*l->owner.strange;
		if (r)
			continue;
		if (!on_message(l, &m))
			++*l->owner.strange;
		torap_zmessage_finish(&m);
	}
}

/* Does what the dialler says.  Sending tells it how that went, which may make it say more. */
static void step(struct kit_link *l, enum torap_dial_input in, int refusal)
{
	struct torap_dial_out out = { 0 };
	torap_dialler_step(&l->dialler, in, refusal, torap_app_mono(), &out);
	if (out.ended)
		l->owner.on_change(l->owner.hint, false, torap_dial_reason_name(l->dialler.reason));
	if (out.reset)
		redial(l);
	if (out.say_hello)
		kit_link_sent(l, say_hello(l));
	if (out.began)
		l->owner.on_change(l->owner.hint, true, "fine");
	if (out.heartbeat)
		kit_link_sent(l, kit_link_send(l, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL));
}

static void on_tick(uv_timer_t *timer)
{
	struct kit_link *l = timer->data;
	step(l, TORAP_DIAL_IN_TICK, 0);
	l->owner.on_tick(l->owner.hint);
}

bool kit_link_up(const struct kit_link *l)
{
	return l->dialler.state == TORAP_DIAL_FLOWING && !l->closing;
}

void kit_link_sent(struct kit_link *l, bool sent)
{
	step(l, sent ? TORAP_DIAL_IN_SENT : TORAP_DIAL_IN_SEND_FAILED, 0);
}

void kit_link_welcomed(struct kit_link *l)
{
	step(l, TORAP_DIAL_IN_WELCOME, 0);
}

void kit_link_break(struct kit_link *l)
{
	step(l, TORAP_DIAL_IN_BROKEN, 0);
}

/* Begin and end. */

void kit_link_init(struct kit_link *l, uv_loop_t *loop, const struct kit_link_owner *owner)
{
	*l = (struct kit_link){ .owner = *owner, .loop = loop, .handles = 1 };
	torap_dialler_init(&l->dialler, &dial_options, uv_hrtime(), torap_app_mono());
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
}

int kit_link_open(struct kit_link *l, const char *endpoint, struct torap_error *err)
{
	l->endpoint = endpoint;
	l->context = zmq_ctx_new();
	if (!l->context)
		return torap_errorf(err, -ENOMEM, "cannot make a ZeroMQ context: %s", strerror(errno));
	uv_timer_start(&l->timer, on_tick, 0, TICK_MS);
	return dial(l, err);
}

void kit_link_close(struct kit_link *l, void (*on_closed)(void *hint))
{
	l->closing = true;
	l->on_closed = on_closed;
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
	hang_up(l);
}
