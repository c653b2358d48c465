#include "node/carrier.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/keys.h"
#include "link/message.h"
#include "loop/ztraffic.h"
#include "node/batcher.h"
#include "node/carrier_flow.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "zmtp/dialler.h"

enum {
	PROTOCOL_VERSION = 1,
	SMALL_BUFFER = TORAP_WINDOW_KERNEL_MAX / 2, /* of normal and bulk; the kernel takes twice as much */
	SAME_RESUME_MS = 2000, /* one gap makes a refusal for each batch in flight; they mean the same */
	CREDIT_MIN = 1 << 10,
	REKEY_MS_MAX = 5000,
};

static void on_message(void *hint, struct torap_buffer **frames, size_t count);
static void on_open(void *hint);
static void on_gone(void *hint, const char *why, bool strange);

static void log_state(const struct node_carrier *c, enum torap_dial_state before)
{
	const struct torap_dialler *d = &c->dialler;
	if (d->state == before)
		return;
	const char *lane = torap_lane_name(c->options.lane);
	if (d->state == TORAP_DIAL_FLOWING)
		torap_notice("LINK-UP", "broker %s, lane %s: flowing", c->options.broker, lane);
	else if (d->state == TORAP_DIAL_REFUSED)
		torap_warn("LINK-REFUSED", "broker %s, lane %s: %s%s%s; tries again in some seconds",
			c->options.broker, lane, torap_dial_reason_name(d->reason), *c->refusal ? ": " : "",
			c->refusal);
	else if (before == TORAP_DIAL_FLOWING)
		torap_warn("LINK-LOST", "broker %s, lane %s: %s; tries again by itself, events are kept",
			c->options.broker, lane, torap_dial_reason_name(d->reason));
}

static void dial(struct node_carrier *c)
{
	struct torap_error err;
	const struct node_carrier_options *o = &c->options;
	bool critical = o->lane == TORAP__LANE__LANE_CRITICAL;
	struct torap_zmtp_dial_options dial = {
		.turn = o->turn,
		.secret_key = o->keys->curve_secret,
		.public_key = o->keys->curve_public,
		.server_key = o->broker_key,
		.buffer_bytes = critical ? 0 : SMALL_BUFFER,
		.urgent = critical,
		.on_message = on_message,
		.on_open = on_open,
		.on_gone = on_gone,
		.hint = c,
	};
	c->kernel_bytes = TORAP_WINDOW_KERNEL_MAX;
	c->rekey = false; /* These are the newest. */
	if (torap_zmtp_dial(&c->connection, o->endpoint, &dial, &err))
		torap_fail("LINK-FAILED", "broker %s: %s; tries again by itself", o->broker, err.text);
}

int node_carrier_send(
	struct node_carrier *c, struct torap_buffer *const *frames, size_t count, struct node_now now)
{
	struct torap_dial_out out;
	if (!c->connection || !torap_zmtp_say(c->connection, frames, count))
		return -ENOTCONN;
	torap_dialler_step(&c->dialler, TORAP_DIAL_IN_SENT, 0, now.mono, &out);
	return 0;
}

/* An envelope and a body (or none), both given up. */
static int send_message(struct node_carrier *c, struct torap_buffer *envelope, struct torap_buffer *body,
	bool has_body, struct node_now now)
{
	struct torap_buffer *frames[2] = { envelope, body };
	int r = envelope && (body || !has_body) ? node_carrier_send(c, frames, has_body ? 2 : 1, now)
						: -ENOMEM;
	torap_buffer_unref(envelope);
	torap_buffer_unref(body);
	return r;
}

static int say_hello(struct node_carrier *c, struct node_now now)
{
	size_t count;
	const struct node_stream *streams = node_batcher_streams(c->options.batcher, c->options.lane, &count);
	struct torap_hello hello = { .version = PROTOCOL_VERSION,
		.role = TORAP__ROLE__ROLE_WRITER,
		.lane = (uint8_t)c->options.lane,
		.software = "torap-node " TORAP_VERSION,
		.positions_count = count };
	snprintf(hello.name, sizeof hello.name, "%s", c->options.writer);
	hello.positions = calloc(count, sizeof *hello.positions);
	if (!hello.positions)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct node_stream *s = &streams[i];
		hello.positions[i].stream = s->id;
		hello.positions[i].at.next_batch = s->sealed.batch_no + 1;
		hello.positions[i].at.next_seq = s->sealed.next_seq;
		hello.positions[i].at.has_digest = s->sealed.batch_no > 0;
		memcpy(hello.positions[i].at.last_digest, s->digest, sizeof s->digest);
	}
	struct torap_buffer *body = torap_hello_encode(&hello);
	free(hello.positions);
	if (!c->connection)
		dial(c);
	return send_message(c, torap_envelope_plain(TORAP__MESSAGE_TYPE__MESSAGE_HELLO), body, true, now);
}

static void say_heartbeat(struct node_carrier *c, struct node_now now)
{
	if (send_message(c, torap_envelope_plain(TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT), NULL, false, now))
		node_carrier_step(c, TORAP_DIAL_IN_LOST, 0, now);
}

void node_carrier_step(struct node_carrier *c, enum torap_dial_input in, int refusal, struct node_now now)
{
	struct torap_dial_out out;
	enum torap_dial_state before = c->dialler.state;
	torap_dialler_step(&c->dialler, in, refusal, now.mono, &out);
	if (out.ended)
		node_flow_reset(c);
	if (out.reset)
		c->connection = torap_zmtp_hang_up(c->connection);
	log_state(c, before);
	if (out.say_hello && say_hello(c, now))
		node_carrier_step(c, TORAP_DIAL_IN_LOST, 0, now);
	if (out.heartbeat)
		say_heartbeat(c, now);
}

/* What the broker says of each of our streams; of one that it does not name it has nothing. */
static struct node_claim *make_claims(
	const struct node_carrier *c, const struct torap_stream_position *positions, size_t count)
{
	size_t streams_count;
	const struct node_stream *streams =
		node_batcher_streams(c->options.batcher, c->options.lane, &streams_count);
	struct node_claim *claims = calloc(c->streams_count, sizeof *claims);
	for (size_t i = 0; claims && i < c->streams_count; i++) {
		claims[i] =
			(struct node_claim){ .index = (uint32_t)i, .stream = streams[i].id, .next_batch = 1 };
		for (size_t p = 0; p < count; p++) {
			if (!torap_stream_id_equal(&positions[p].stream, &streams[i].id))
				continue;
			claims[i].next_batch = positions[p].at.next_batch;
			claims[i].has_digest = positions[p].at.has_digest;
			memcpy(claims[i].digest, positions[p].at.last_digest, TORAP_DIGEST_SIZE);
		}
	}
	return claims;
}

static void take_welcome(struct node_carrier *c, const struct torap_welcome *welcome, struct node_now now)
{
	struct node_claim *claims = make_claims(c, welcome->positions, welcome->positions_count);
	uint64_t credit = welcome->credit_bytes < CREDIT_MIN ? CREDIT_MIN : welcome->credit_bytes;
	if (welcome->version != PROTOCOL_VERSION) {
		free(claims);
		node_carrier_step(c, TORAP_DIAL_IN_REFUSED, TORAP__REFUSAL__CODE__VERSION, now);
		return;
	}
	if (!claims)
		return; /* Out of memory: the greeting runs out of time and is tried again. */
	*c->refusal = 0;
	node_carrier_step(c, TORAP_DIAL_IN_WELCOME, 0, now);
	node_flow_resume(c, claims, c->streams_count, credit, now);
	for (size_t i = 0; i < welcome->positions_count; i++) {
		node_flow_asked(c, &welcome->positions[i]);
		c->options.on_stream(c->options.hint, c->options.broker, &welcome->positions[i].stream);
	}
}

static void on_welcome(struct node_carrier *c, struct torap_bytes body, struct node_now now)
{
	struct torap_welcome welcome;
	struct torap_error err;
	if (c->dialler.state != TORAP_DIAL_GREETING)
		return;
	if (torap_welcome_decode(&welcome, body, &err)) {
		snprintf(c->refusal, sizeof c->refusal, "its welcome cannot be read: %.200s", err.text);
		node_carrier_step(c, TORAP_DIAL_IN_BROKEN, 0, now);
		return;
	}
	take_welcome(c, &welcome, now);
	torap_welcome_finish(&welcome);
}

static void on_ack(struct node_carrier *c, struct torap_bytes body, struct node_now now)
{
	struct torap_stream_position *positions;
	size_t count;
	struct torap_error err;
	int r = torap_ack_decode(&positions, &count, body, &err);
	if (r == 0) {
		for (size_t i = 0; i < count && r == 0; i++)
			r = node_flow_ack(c, &positions[i], now);
		torap_positions_destroy(positions, count);
	}
	if (r) {
		snprintf(c->refusal, sizeof c->refusal, "its acknowledgement cannot be right");
		node_carrier_step(c, TORAP_DIAL_IN_BROKEN, 0, now);
	} else if (node_flow_pump(c, now)) {
		node_carrier_step(c, TORAP_DIAL_IN_LOST, 0, now);
	}
}

/* The broker misses something before what we sent: all streams go on from where it stands. */
static void go_back(struct node_carrier *c, const struct torap_stream_position *resume, struct node_now now)
{
	int index = node_flow_find(c, &resume->stream);
	bool again = c->resumed_at.us &&
		     !torap_mono_reached(torap_mono_add_ms(c->resumed_at, SAME_RESUME_MS), now.mono);
	if (index < 0 || !c->has_window || again)
		return;
	struct node_claim *claims = make_claims(c, resume, 1);
	if (!claims)
		return;
	for (size_t i = 0; i < c->streams_count; i++)
		if ((int)i != index)
			claims[i].next_batch = c->streams[i].acked.batch_no + 1;
	c->resumed_at = now.mono;
	node_flow_resume(c, claims, c->streams_count, c->window.credit_bytes, now);
}

static void on_refusal(struct node_carrier *c, struct torap_bytes body, struct node_now now)
{
	struct torap_refusal refusal;
	struct torap_error err;
	if (torap_refusal_decode(&refusal, body, &err)) {
		snprintf(c->refusal, sizeof c->refusal, "its refusal cannot be read: %.200s", err.text);
		node_carrier_step(c, TORAP_DIAL_IN_BROKEN, 0, now);
		return;
	}
	if (refusal.code == TORAP__REFUSAL__CODE__RESUME && refusal.has_resume) {
		go_back(c, &refusal.resume, now);
	} else {
		/* The peer's own words: no control characters into the log. */
		for (char *at = refusal.reason; *at; at++)
			if ((unsigned char)*at < ' ')
				*at = ' ';
		snprintf(c->refusal, sizeof c->refusal, "%.255s", refusal.reason);
	}
	if (refusal.code == TORAP__REFUSAL__CODE__REPLACED)
		c->options.on_replaced(c->options.hint, c->options.broker);
	node_carrier_step(c, TORAP_DIAL_IN_REFUSED, refusal.code, now);
	torap_refusal_finish(&refusal);
}

static void on_credit(struct node_carrier *c, struct torap_bytes body, struct node_now now)
{
	uint64_t credit;
	struct torap_error err;
	if (torap_credit_decode(&credit, body, &err))
		node_carrier_step(c, TORAP_DIAL_IN_BROKEN, 0, now);
	else if (c->has_window)
		torap_window_credit(&c->window, credit < CREDIT_MIN ? CREDIT_MIN : credit);
}

static void on_message(void *hint, struct torap_buffer **frames, size_t count)
{
	struct node_carrier *c = hint;
	struct node_now now;
	struct torap_envelope envelope;
	struct torap_error err;
	c->options.now(c->options.hint, &now);
	if (torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err)) {
		snprintf(c->refusal, sizeof c->refusal, "%.255s", err.text);
		node_carrier_step(c, TORAP_DIAL_IN_BROKEN, 0, now);
		return;
	}
	node_carrier_step(c, TORAP_DIAL_IN_HEARD, 0, now);
	struct torap_bytes body = count > 1 ? torap_buffer_bytes(frames[1]) : torap_bytes(NULL, 0);
	switch (envelope.type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_WELCOME:
		on_welcome(c, body, now);
		break;
	case TORAP__MESSAGE_TYPE__MESSAGE_ACK:
		on_ack(c, body, now);
		break;
	case TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL:
		on_refusal(c, body, now);
		break;
	case TORAP__MESSAGE_TYPE__MESSAGE_CREDIT:
		on_credit(c, body, now);
		break;
	case TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT:
		break;
	case TORAP__MESSAGE_TYPE__MESSAGE_RUN:
		c->strange += !envelope.has_stream ||
			      !c->options.on_run(c->options.hint, &envelope.stream, envelope.batch_no, body);
		break;
	default:
		c->strange++;
	}
}

static void on_open(void *hint)
{
	struct node_carrier *c = hint;
	struct node_now now;
	c->options.now(c->options.hint, &now);
	node_carrier_step(c, TORAP_DIAL_IN_OPEN, 0, now);
}

static void on_gone(void *hint, const char *why, bool strange)
{
	struct node_carrier *c = hint;
	struct node_now now;
	c->options.now(c->options.hint, &now);
	c->connection = torap_zmtp_hang_up(c->connection);
	if (strange) /* log_state() says it. */
		snprintf(c->refusal, sizeof c->refusal, "%s", why);
	else
		torap_debug("LINK-GONE", "broker %s, lane %s: %s", c->options.broker,
			torap_lane_name(c->options.lane), why);
	node_carrier_step(c, strange ? TORAP_DIAL_IN_BROKEN : TORAP_DIAL_IN_LOST, 0, now);
}

int node_carrier_find(const struct node_carrier *c, const struct torap_stream_id *stream)
{
	return node_flow_find(c, stream);
}

bool node_carrier_ask(
	struct node_carrier *c, const struct torap_stream_id *stream, uint64_t batch_no, struct node_now now)
{
	struct torap_stream_position p = {
		.stream = *stream, .at = { .next_batch = batch_no + 1 }, .holes = &batch_no, .holes_count = 1
	};
	return c->resumed && send_message(c, torap_envelope_plain(TORAP__MESSAGE_TYPE__MESSAGE_ACK),
				     torap_ack_encode(&p, 1), true, now) == 0;
}

void node_carrier_fetched(struct node_carrier *c, const struct torap_stream_id *stream, uint64_t batch_no,
	bool mended, struct node_now now)
{
	int i = node_flow_find(c, stream);
	if (i < 0 || !c->streams[i].waits || c->streams[i].next_send != batch_no)
		return;
	node_flow_fetched(c, (uint32_t)i, mended, now);
	if (node_flow_pump(c, now))
		node_carrier_step(c, TORAP_DIAL_IN_LOST, 0, now);
}

void node_carrier_rekey(struct node_carrier *c, struct node_now now)
{
	c->rekey = true;
	c->rekey_at = torap_mono_add_ms(now.mono, randombytes_uniform(REKEY_MS_MAX));
}

int node_carrier_streams(struct node_carrier *c, struct node_now now)
{
	size_t count;
	node_batcher_streams(c->options.batcher, c->options.lane, &count);
	struct node_carried *more = realloc(c->streams, count * sizeof *more);
	if (!more)
		return -ENOMEM;
	c->streams = more;
	for (size_t i = 0; c->resumed && i < c->streams_count; i++)
		if (c->streams[i].ended)
			node_flow_last_head(c, i, now);
	for (; c->streams_count < count; c->streams_count++)
		c->streams[c->streams_count] =
			(struct node_carried){ .next_send = 1, .acked = { .next_seq = 1 } };
	return 0;
}

int node_carrier_open(struct node_carrier *c, const struct node_carrier_options *options, struct node_now now)
{
	*c = (struct node_carrier){ .options = *options };
	c->replay.loop = options->loop;
	c->replay.kv = options->kv;
	c->replay.trust = options->trust;
	c->replay.done = node_flow_answered;
	c->replay.hint = c;
	uint64_t seed = (uint64_t)now.wall.us * 31 + options->lane;
	torap_dialler_init(&c->dialler, &torap_dial_defaults, seed, now.mono);
	return node_carrier_streams(c, now);
}

void node_carrier_receipt(struct node_carrier *c, size_t stream, const struct node_mark *acked)
{
	c->streams[stream].acked = *acked;
	c->streams[stream].next_send = acked->batch_no + 1;
}

void node_carrier_close(struct node_carrier *c)
{
	c->closing = true;
	node_flow_reset(c);
	c->connection = torap_zmtp_hang_up(c->connection);
}

void node_carrier_finish(struct node_carrier *c)
{
	free(c->claims);
	free(c->next_claims);
	free(c->sent);
	free(c->again);
	free(c->streams);
}

/* Bytes of a message that is not here yet are a sign of life, too. */
static void hear_bytes(struct node_carrier *c, const struct torap_ztraffic *traffic, struct node_now now)
{
	struct node_now then = now;
	then.mono.us -= traffic->quiet_ms * TORAP_US_PER_MS;
	if (then.mono.us > c->dialler.last_heard.us)
		node_carrier_step(c, TORAP_DIAL_IN_HEARD, 0, then);
}

/* A broker that beats its heart and acknowledges nothing is as good as gone, unless what it is to acknowledge is still on its way. */
static bool is_stalled(struct node_carrier *c, const struct torap_ztraffic *traffic, struct node_now now)
{
	if (!c->has_window) {
		c->stall = (struct torap_stall){ 0 };
		return false;
	}
	return torap_stall_waits(&c->stall, &c->window, now.mono) &&
	       torap_stall_look(&c->stall, traffic->delivered, now.mono);
}

/* On a link that turns out to be slow, even less may lie in the kernel, where an alarm cannot overtake it. */
static void fit_buffer(struct node_carrier *c, const struct torap_ztraffic *traffic, struct node_now now)
{
	if (!c->has_window || c->options.lane == TORAP__LANE__LANE_CRITICAL)
		return;
	torap_window_carried(&c->window, traffic->delivered, now.mono);
	size_t bytes = torap_window_kernel_bytes(&c->window, traffic->rtt_us);
	if (bytes == 0)
		bytes = TORAP_WINDOW_KERNEL_MAX;
	if (bytes > c->kernel_bytes / 4 * 5 || bytes < c->kernel_bytes / 5 * 4) {
		torap_ztraffic_buffer(torap_zmtp_dialler_fd(c->connection), bytes);
		c->kernel_bytes = bytes;
	}
}

void node_carrier_tick(struct node_carrier *c, struct node_now now)
{
	if (c->closing)
		return;
	struct torap_ztraffic traffic;
	if (c->connection && torap_ztraffic_read(&traffic, torap_zmtp_dialler_fd(c->connection))) {
		hear_bytes(c, &traffic, now);
		fit_buffer(c, &traffic, now);
		if (is_stalled(c, &traffic, now)) {
			c->stall = (struct torap_stall){ 0 };
			node_carrier_step(c, TORAP_DIAL_IN_STALLED, 0, now);
		}
	}
	if (c->rekey && torap_mono_reached(c->rekey_at, now.mono)) {
		c->rekey = false;
		node_carrier_step(c, TORAP_DIAL_IN_CLOSE, 0, now);
	}
	node_carrier_step(c, TORAP_DIAL_IN_TICK, 0, now);
}

void node_carrier_sealed(struct node_carrier *c, const struct node_sealed *s, struct node_now now)
{
	if (c->closing)
		return;
	const struct node_carried *at = &c->streams[c->streams_count - 1];
	/* Just after a start batches may be dated ahead of the clock (wire/seal.h). */
	if (at->acked.batch_no + 1 == s->mark.batch_no)
		c->behind_since = s->mark.sealed_at.us < now.wall.us ? s->mark.sealed_at : now.wall;
	if (node_flow_pump(c, now))
		node_carrier_step(c, TORAP_DIAL_IN_LOST, 0, now);
}

void node_carrier_head(struct node_carrier *c, struct torap_buffer *head, struct node_now now)
{
	if (!c->resumed || c->streams[c->streams_count - 1].skipped)
		return;
	size_t count;
	const struct node_stream *streams = node_batcher_streams(c->options.batcher, c->options.lane, &count);
	struct torap_buffer *envelope =
		torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_HEAD, &streams[count - 1].id, 0);
	if (send_message(c, envelope, torap_buffer_ref(head), true, now))
		node_carrier_step(c, TORAP_DIAL_IN_LOST, 0, now);
}

struct node_lag node_carrier_lag(const struct node_carrier *c, struct node_now now)
{
	struct node_lag lag = { 0 };
	bool behind = false;
	size_t count;
	const struct node_stream *streams = node_batcher_streams(c->options.batcher, c->options.lane, &count);
	for (size_t i = 0; i < c->streams_count; i++) {
		const struct node_carried *at = &c->streams[i];
		if (at->skipped || at->ended)
			continue;
		/* Of the stream that goes on, what is durable and not sealed yet is missing there, too. */
		uint64_t next_seq = i + 1 == count
					    ? node_batcher_next_seq(c->options.batcher, c->options.lane)
					    : streams[i].sealed.next_seq;
		lag.events += next_seq - at->acked.next_seq;
		lag.bytes += streams[i].sealed.bytes - at->acked.bytes;
		behind = behind || at->acked.batch_no < streams[i].sealed.batch_no;
	}
	if (behind && now.wall.us > c->behind_since.us)
		lag.seconds = (double)(now.wall.us - c->behind_since.us) / TORAP_US_PER_S;
	return lag;
}
