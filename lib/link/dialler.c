#include "link/dialler.h"

#include <assert.h>
#include <stddef.h>

#include "proto/session.pb-c.h"

enum {
	AT_ONCE_MS = 1000,  /* a peer that forgets us more often is greeted after a pause */
	SETTLED_MS = 10000, /* a link that flowed for so long has nothing to do with the BUSY before it */
	UNREACHABLE_MS_MAX = 2000, /* nobody is there whom it would disturb */
};

const struct torap_dial_options torap_dial_defaults = {
	.heartbeat_ms = 1000,
	.dead_ms = 4000,
	.opening_ms = 10000,
	.greeting_ms = 3000,
	.retry_ms_min = 100,
	.retry_ms_max = 5000,
	.refused_ms = 5000,
};

const char *torap_dial_state_name(enum torap_dial_state s)
{
	static const char *const names[] = {
		[TORAP_DIAL_DOWN] = "down",
		[TORAP_DIAL_GREETING] = "greeting",
		[TORAP_DIAL_FLOWING] = "flowing",
		[TORAP_DIAL_REFUSED] = "refused",
	};
	assert((size_t)s < sizeof names / sizeof *names);
	return names[s];
}

const char *torap_dial_reason_name(enum torap_dial_reason r)
{
	static const char *const names[] = {
		[TORAP_DIAL_NOT_YET] = "not-yet",
		[TORAP_DIAL_UNREACHABLE] = "unreachable",
		[TORAP_DIAL_NO_ANSWER] = "no-answer",
		[TORAP_DIAL_SILENT] = "silent",
		[TORAP_DIAL_NO_SESSION] = "no-session",
		[TORAP_DIAL_BUSY] = "busy",
		[TORAP_DIAL_REPLACED] = "replaced",
		[TORAP_DIAL_NOT_ADMITTED] = "not-admitted",
		[TORAP_DIAL_BAD_SIGNATURE] = "bad-signature",
		[TORAP_DIAL_BROKEN_CHAIN] = "broken-chain",
		[TORAP_DIAL_VERSION] = "version",
		[TORAP_DIAL_PROTOCOL] = "protocol",
		[TORAP_DIAL_RECONFIGURED] = "reconfigured",
		[TORAP_DIAL_STALLED] = "stalled",
		[TORAP_DIAL_FINE] = "fine",
	};
	assert((size_t)r < sizeof names / sizeof *names);
	return names[r];
}

void torap_dialler_init(struct torap_dialler *d, const struct torap_dial_options *options, uint64_t seed,
	struct torap_mono now)
{
	*d = (struct torap_dialler){
		.options = options,
		.state = TORAP_DIAL_DOWN,
		.reason = TORAP_DIAL_NOT_YET,
		.since = now,
		.last_heard = now,
		.last_sent = now,
		.next_try = now,
		.retry_ms = options->retry_ms_min,
		.random = seed | 1,
	};
}

/* ±25 %, so that a thousand links do not come back in step.  Xorshift: needs no quality, but must replay from a seed. */
static uint32_t with_jitter(struct torap_dialler *d, uint32_t ms)
{
	d->random ^= d->random << 13;
	d->random ^= d->random >> 7;
	d->random ^= d->random << 17;
	return ms - ms / 4 + (uint32_t)(d->random % (ms / 2 + 1));
}

static void enter(struct torap_dialler *d, enum torap_dial_state state, enum torap_dial_reason reason,
	struct torap_mono now, struct torap_dial_out *out)
{
	if (d->state == TORAP_DIAL_FLOWING && state != TORAP_DIAL_FLOWING)
		out->ended = true;
	if (d->state != state)
		d->since = now;
	d->state = state;
	d->reason = reason;
}

/* What a connection held is worth nothing after a failure: it is made anew, so that no old message follows a new hello. */
static void fall(struct torap_dialler *d, enum torap_dial_state state, enum torap_dial_reason reason,
	uint32_t pause_ms, struct torap_mono now, struct torap_dial_out *out)
{
	enter(d, state, reason, now, out);
	out->reset = true;
	d->open = false;
	d->next_try = torap_mono_add_ms(now, with_jitter(d, pause_ms));
}

static void retry_later(struct torap_dialler *d, enum torap_dial_reason reason, struct torap_mono now,
	struct torap_dial_out *out)
{
	uint32_t pause_ms = d->retry_ms;
	if (reason == TORAP_DIAL_UNREACHABLE && pause_ms > UNREACHABLE_MS_MAX)
		pause_ms = UNREACHABLE_MS_MAX;
	fall(d, TORAP_DIAL_DOWN, reason, pause_ms, now, out);
	d->retry_ms = d->retry_ms * 2 < d->options->retry_ms_max ? d->retry_ms * 2 : d->options->retry_ms_max;
}

static void forgive(struct torap_dialler *d)
{
	d->retry_ms = d->options->retry_ms_min;
	d->told_busy = false;
}

static void greet(struct torap_dialler *d, struct torap_mono now, struct torap_dial_out *out)
{
	enter(d, TORAP_DIAL_GREETING, d->reason, now, out);
	d->since = now;
	d->last_heard = now;
	out->say_hello = true;
}

static void wait_for_welcome(struct torap_dialler *d, struct torap_mono now, struct torap_dial_out *out)
{
	uint32_t limit_ms = d->open ? d->options->greeting_ms : d->options->opening_ms;
	if (torap_mono_reached(torap_mono_add_ms(d->since, limit_ms), now))
		retry_later(d, d->open ? TORAP_DIAL_NO_ANSWER : TORAP_DIAL_UNREACHABLE, now, out);
}

static void on_tick(struct torap_dialler *d, struct torap_mono now, struct torap_dial_out *out)
{
	switch (d->state) {
	case TORAP_DIAL_DOWN:
	case TORAP_DIAL_REFUSED:
		if (torap_mono_reached(d->next_try, now))
			greet(d, now, out);
		return;
	case TORAP_DIAL_GREETING:
		wait_for_welcome(d, now, out);
		return;
	case TORAP_DIAL_FLOWING:
		if (torap_mono_reached(torap_mono_add_ms(d->since, SETTLED_MS), now))
			forgive(d);
		if (torap_mono_reached(torap_mono_add_ms(d->last_heard, d->options->dead_ms), now))
			retry_later(d, TORAP_DIAL_SILENT, now, out);
		else if (torap_mono_reached(torap_mono_add_ms(d->last_sent, d->options->heartbeat_ms), now))
			out->heartbeat = true;
		return;
	}
}

static void on_refusal(struct torap_dialler *d, int code, struct torap_mono now, struct torap_dial_out *out)
{
	enum torap_dial_reason reason;
	switch (code) {
	case TORAP__REFUSAL__CODE__RESUME:
		return; /* Not the link's matter: its user goes back to the number. */
	case TORAP__REFUSAL__CODE__NO_SESSION:
		/* The peer restarted, or our hello was lost with its old connection.  This connection is good: greet at once, but
		 * not as an answer to a NO_SESSION that overtook our hello. */
		if (d->state != TORAP_DIAL_FLOWING)
			return;
		if (d->greeted_at_once.us &&
			!torap_mono_reached(torap_mono_add_ms(d->greeted_at_once, AT_ONCE_MS), now)) {
			retry_later(d, TORAP_DIAL_NO_SESSION, now, out);
			return;
		}
		enter(d, TORAP_DIAL_DOWN, TORAP_DIAL_NO_SESSION, now, out);
		greet(d, now, out);
		d->greeted_at_once = now;
		return;
	case TORAP__REFUSAL__CODE__BUSY:
		d->told_busy = true;
		retry_later(d, TORAP_DIAL_BUSY, now, out);
		return;
	case TORAP__REFUSAL__CODE__REPLACED:
		reason = TORAP_DIAL_REPLACED;
		break;
	case TORAP__REFUSAL__CODE__NOT_ADMITTED:
		reason = TORAP_DIAL_NOT_ADMITTED;
		break;
	case TORAP__REFUSAL__CODE__BAD_SIGNATURE:
		reason = TORAP_DIAL_BAD_SIGNATURE;
		break;
	case TORAP__REFUSAL__CODE__BROKEN_CHAIN:
		reason = TORAP_DIAL_BROKEN_CHAIN;
		break;
	case TORAP__REFUSAL__CODE__VERSION:
		reason = TORAP_DIAL_VERSION;
		break;
	default:
		reason = TORAP_DIAL_PROTOCOL;
		break;
	}
	fall(d, TORAP_DIAL_REFUSED, reason, d->options->refused_ms, now, out);
}

void torap_dialler_step(struct torap_dialler *d, enum torap_dial_input in, int refusal, struct torap_mono now,
	struct torap_dial_out *out)
{
	*out = (struct torap_dial_out){ 0 };
	switch (in) {
	case TORAP_DIAL_IN_TICK:
		on_tick(d, now, out);
		return;
	case TORAP_DIAL_IN_HEARD:
		d->last_heard = now;
		return;
	case TORAP_DIAL_IN_SENT:
		d->last_sent = now;
		return;
	case TORAP_DIAL_IN_WELCOME:
		if (d->state != TORAP_DIAL_GREETING)
			return; /* A second welcome says nothing new. */
		enter(d, TORAP_DIAL_FLOWING, TORAP_DIAL_FINE, now, out);
		/* Who cannot take what we have says welcome all the same, and BUSY again at the first batch: pauses go on growing. */
		if (!d->told_busy)
			forgive(d);
		d->last_heard = now;
		d->times_flowing++;
		out->began = true;
		return;
	case TORAP_DIAL_IN_OPEN:
		d->open = true;
		if (d->state == TORAP_DIAL_GREETING)
			d->since = d->last_heard = now;
		return;
	case TORAP_DIAL_IN_LOST:
		d->open = false;
		if (d->state == TORAP_DIAL_GREETING || d->state == TORAP_DIAL_FLOWING)
			retry_later(d, TORAP_DIAL_UNREACHABLE, now, out);
		return;
	case TORAP_DIAL_IN_REFUSED:
		on_refusal(d, refusal, now, out);
		return;
	case TORAP_DIAL_IN_BROKEN:
		fall(d, TORAP_DIAL_REFUSED, TORAP_DIAL_PROTOCOL, d->options->refused_ms, now, out);
		return;
	case TORAP_DIAL_IN_STALLED:
		if (d->state == TORAP_DIAL_FLOWING)
			retry_later(d, TORAP_DIAL_STALLED, now, out);
		return;
	case TORAP_DIAL_IN_CLOSE:
		enter(d, TORAP_DIAL_DOWN, TORAP_DIAL_RECONFIGURED, now, out);
		out->reset = true;
		d->open = false;
		d->next_try = now;
		forgive(d);
		return;
	}
}
