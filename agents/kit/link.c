#include "agents/kit/link.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "link/message.h"
#include "loop/app.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "zmtp/dialler.h"
#include "zmtp/turn.h"

enum { TICK_MS = 100 };

/* A node on the same host: worth asking often. */
static const struct torap_dial_options dial_options = {
	.heartbeat_ms = 1000,
	.dead_ms = 4000,
	.opening_ms = 3000,
	.greeting_ms = 3000,
	.retry_ms_min = 50,
	.retry_ms_max = 1000,
	.refused_ms = 5000,
};

static void step(struct kit_link *l, enum torap_dial_input in, int refusal);

/* The connection. */

static void on_message(void *hint, struct torap_buffer **frames, size_t count);

static void on_open(void *hint)
{
	step(hint, TORAP_DIAL_IN_OPEN, 0);
}

static void on_gone(void *hint, const char *why, bool strange)
{
	struct kit_link *l = hint;
	if (strange)
		torap_warn("KIT-MALFORMED", "the node at %s: %s", l->endpoint, why);
	else
		torap_debug("KIT-GONE", "the node at %s: %s", l->endpoint, why);
	l->connection = torap_zmtp_hang_up(l->connection);
	step(l, strange ? TORAP_DIAL_IN_BROKEN : TORAP_DIAL_IN_LOST, 0);
}

static int dial(struct kit_link *l, struct torap_error *err)
{
	struct torap_zmtp_dial_options options = { .turn = l->turn,
		.urgent = true,
		.on_message = on_message,
		.on_open = on_open,
		.on_gone = on_gone,
		.hint = l };
	return torap_zmtp_dial(&l->connection, l->endpoint, &options, err);
}

bool kit_link_send(struct kit_link *l, uint32_t type, struct torap_buffer *body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), body };
	bool sent = l->connection && frames[0] && torap_zmtp_say(l->connection, frames, body ? 2 : 1);
	torap_buffer_unref(frames[0]);
	return sent;
}

static bool say_hello(struct kit_link *l)
{
	struct torap_error err;
	if (!l->connection && dial(l, &err)) /* Then it is not sent, which the dialler hears. */
		torap_warn("KIT-DIAL", "%s", err.text);
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

static bool take_message(struct kit_link *l, struct torap_buffer **frames, size_t count)
{
	static const struct torap_bytes none;
	struct torap_envelope envelope;
	struct torap_error err;
	if (torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err))
		return false;
	struct torap_bytes body = count > 1 ? torap_buffer_bytes(frames[1]) : none;
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

static void on_message(void *hint, struct torap_buffer **frames, size_t count)
{
	struct kit_link *l = hint;
	if (!take_message(l, frames, count))
		++*l->owner.strange;
}

/* Does what the dialler says.  Sending tells it how that went, which may make it say more. */
static void step(struct kit_link *l, enum torap_dial_input in, int refusal)
{
	struct torap_dial_out out = { 0 };
	torap_dialler_step(&l->dialler, in, refusal, torap_app_mono(), &out);
	if (out.ended)
		l->owner.on_change(l->owner.hint, false, torap_dial_reason_name(l->dialler.reason));
	if (out.reset)
		l->connection = torap_zmtp_hang_up(l->connection);
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
	step(l, sent ? TORAP_DIAL_IN_SENT : TORAP_DIAL_IN_LOST, 0);
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
	*l = (struct kit_link){ .owner = *owner, .loop = loop };
	torap_dialler_init(&l->dialler, &dial_options, uv_hrtime(), torap_app_mono());
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
}

int kit_link_open(struct kit_link *l, const char *endpoint, struct torap_error *err)
{
	l->endpoint = endpoint;
	int r = torap_zmtp_turn_create(&l->turn, l->loop, err);
	if (r)
		return r;
	uv_timer_start(&l->timer, on_tick, 0, TICK_MS);
	return dial(l, err);
}

static void on_timer_closed(uv_handle_t *timer)
{
	struct kit_link *l = timer->data;
	l->on_closed(l->owner.hint);
}

void kit_link_close(struct kit_link *l, void (*on_closed)(void *hint))
{
	l->closing = true;
	l->on_closed = on_closed;
	l->connection = torap_zmtp_hang_up(l->connection);
	torap_zmtp_turn_close(l->turn);
	l->turn = NULL;
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
