#include "agents/kit/kit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "agents/kit/offers.h"
#include "agents/kit/rows.h"
#include "agents/kit/waiting.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "link/dialler.h"
#include "link/message.h"
#include "loop/app.h"
#include "loop/zdealer.h"
#include "loop/zsocket.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"

enum {
	TICK_MS = 100,
	WAITING_MAX = 16384,
	VERDICT_MS = 30000,
};

/* A node on the same host: worth asking often. */
static const struct torap_dial_options dial_options = {
	.heartbeat_ms = 1000,
	.dead_ms = 4000,
	.greeting_ms = 3000,
	.retry_ms_min = 50,
	.retry_ms_max = 1000,
	.refused_ms = 5000,
};

struct kit {
	struct kit_options options; /* strings owned */
	void *context;
	struct torap_zdealer *connection;
	struct torap_dialler dialler;
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_check_t check; /* the end of a turn: what was offered goes out */
	uv_idle_t idle;   /* runs while something was offered, so that the turn ends */
	struct kit_waiting waiting;
	struct kit_rows rows;
	struct kit_offers offers;
	struct kit_counters counters;
	bool closing;
	unsigned handles; /* that libuv has not let go of */
	void (*on_closed)(void *hint);
	void *closed_hint;
};

static void step(struct kit *k, enum torap_dial_input in, int refusal);
static void on_ready(void *hint, int zmq_events);

/* The end. */

static void let_go(struct kit *k)
{
	if (--k->handles)
		return;
	if (k->context)
		zmq_ctx_term(k->context);
	kit_offers_clear(&k->offers);
	kit_waiting_finish(&k->waiting);
	kit_rows_clear(&k->rows);
	free((char *)k->options.agent);
	free((char *)k->options.protocol);
	free((char *)k->options.endpoint);
	void (*on_closed)(void *hint) = k->on_closed;
	void *hint = k->closed_hint;
	free(k);
	if (on_closed)
		on_closed(hint);
}

static void on_handle_closed(uv_handle_t *handle)
{
	let_go(handle->data);
}

static void on_hung_up(void *hint)
{
	let_go(hint);
}

/* The connection. */

static void hang_up(struct kit *k)
{
	if (k->connection)
		k->connection = torap_zdealer_close(k->connection, on_hung_up, k);
}

static int dial(struct kit *k, struct torap_error *err)
{
	struct torap_zsocket_options options = { 0 };
	int r = torap_zdealer_open(
		&k->connection, k->loop, k->context, k->options.endpoint, &options, on_ready, k, err);
	if (r)
		return r;
	k->handles++;
	return 0;
}

static void redial(struct kit *k)
{
	struct torap_error err;
	hang_up(k);
	if (dial(k, &err)) /* The next hello finds no socket, fails, and leads here again. */
		torap_warn("KIT-DIAL", "%s", err.text);
}

static bool send_message(struct kit *k, uint32_t type, struct torap_buffer *body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), body };
	bool sent =
		k->connection && frames[0] &&
		torap_zmessage_send(torap_zdealer_socket(k->connection), NULL, 0, frames, body ? 2 : 1) == 0;
	torap_buffer_unref(frames[0]);
	return sent;
}

static bool say_hello(struct kit *k)
{
	Torap__AgentHello hello = TORAP__AGENT_HELLO__INIT;
	hello.agent = (char *)k->options.agent;
	hello.version = (char *)TORAP_VERSION;
	hello.protocol = (char *)k->options.protocol;
	hello.protocol_version = 1;
	hello.takes_requests = k->options.on_request != NULL;
	struct torap_buffer *body = torap_buffer_create(torap__agent_hello__get_packed_size(&hello));
	if (!body)
		return false;
	torap__agent_hello__pack(&hello, body->data);
	bool sent = send_message(k, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_HELLO, body);
	torap_buffer_unref(body);
	return sent;
}

/* Verdicts. */

static void judge(struct kit *k, struct kit_tag tag, enum kit_verdict verdict, const char *reason)
{
	k->options.on_verdict(k->options.hint, tag, verdict, reason);
}

/* Everything that waited since `before`: the device shall repeat it. */
static void give_up(struct kit *k, struct torap_mono before, const char *reason)
{
	struct kit_tag tag;
	unsigned from = 0;
	while (kit_waiting_take_old(&k->waiting, before, &from, &tag)) {
		k->counters.lost++;
		judge(k, tag, KIT_REFUSED, reason);
	}
}

static void forget_offers(struct kit *k)
{
	kit_offers_clear(&k->offers);
	if (!k->closing)
		uv_idle_stop(&k->idle);
}

static void on_answer(struct kit *k, struct torap_bytes body)
{
	Torap__Answer *answer = torap__answer__unpack(NULL, body.size, body.data);
	if (!answer) {
		k->counters.strange++;
		return;
	}
	for (size_t i = 0; i < answer->n_verdicts; i++) {
		const Torap__Verdict *v = answer->verdicts[i];
		struct kit_tag tag;
		bool known = v->word == TORAP__VERDICT__WORD__DURABLE ||
			     v->word == TORAP__VERDICT__WORD__DUPLICATE ||
			     v->word == TORAP__VERDICT__WORD__REFUSED;
		if (!known || !kit_waiting_take(&k->waiting, v->id, &tag)) {
			k->counters.strange++; /* Or it came after we had given up on it. */
			continue;
		}
		switch (v->word) {
		case TORAP__VERDICT__WORD__DURABLE:
			k->counters.durable++;
			judge(k, tag, KIT_DURABLE, "");
			break;
		case TORAP__VERDICT__WORD__DUPLICATE:
			k->counters.duplicate++;
			judge(k, tag, KIT_DUPLICATE, "");
			break;
		default:
			k->counters.refused++;
			judge(k, tag, KIT_REFUSED, v->reason);
			break;
		}
	}
	torap__answer__free_unpacked(answer, NULL);
}

static void on_rows(struct kit *k, struct torap_bytes body)
{
	struct torap_error err;
	bool complete = false;
	if (kit_rows_add(&k->rows, body, &complete, &err)) {
		k->counters.strange++;
		torap_warn("KIT-ROWS", "the node's registry rows are refused: %s", err.text);
		kit_rows_clear(&k->rows);
		step(k, TORAP_DIAL_IN_BROKEN, 0);
		return;
	}
	if (!complete)
		return;
	struct kit_row *list = k->options.on_rows ? kit_rows_list(&k->rows) : NULL;
	if (list)
		k->options.on_rows(k->options.hint, list, k->rows.count);
	free(list);
	kit_rows_clear(&k->rows);
	step(k, TORAP_DIAL_IN_WELCOME, 0);
}

static void on_request(struct kit *k, struct torap_bytes body)
{
	Torap__AgentRequest *request =
		k->options.on_request ? torap__agent_request__unpack(NULL, body.size, body.data) : NULL;
	if (!request || !request->id) {
		k->counters.strange++;
	} else {
		k->counters.requests++;
		k->options.on_request(k->options.hint, request);
	}
	if (request)
		torap__agent_request__free_unpacked(request, NULL);
}

static void on_refusal(struct kit *k, struct torap_bytes body)
{
	struct torap_refusal refusal;
	struct torap_error err;
	if (torap_refusal_decode(&refusal, body, &err)) {
		k->counters.strange++;
		return;
	}
	torap_warn("KIT-REFUSED", "the node refuses: %s", refusal.reason);
	step(k, TORAP_DIAL_IN_REFUSED, refusal.code);
	torap_refusal_finish(&refusal);
}

static void on_message(struct kit *k, struct torap_zmessage *m)
{
	static const struct torap_bytes none;
	struct torap_envelope envelope;
	struct torap_error err;
	if (!m->count || torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err)) {
		k->counters.strange++;
		return;
	}
	struct torap_bytes body = m->count > 1 ? torap_buffer_bytes(m->frames[1]) : none;
	step(k, TORAP_DIAL_IN_HEARD, 0);
	switch (envelope.type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_ANSWER:
		on_answer(k, body);
		break;
	case TORAP__MESSAGE_TYPE__MESSAGE_AGENT_ROWS:
		on_rows(k, body);
		break;
	case TORAP__MESSAGE_TYPE__MESSAGE_AGENT_REQUEST:
		on_request(k, body);
		break;
	case TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL:
		on_refusal(k, body);
		break;
	case TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT:
		break;
	default:
		k->counters.strange++;
	}
}

static void on_ready(void *hint, int zmq_events)
{
	struct kit *k = hint;
	(void)zmq_events;
	for (int i = 0; i < TORAP_ZLOOP_BURST && k->connection && !k->closing; i++) {
		struct torap_zmessage m;
		int r = torap_zmessage_receive(&m, torap_zdealer_socket(k->connection), false);
		if (r == TORAP_ZSOCKET_NONE)
			return;
		if (r == TORAP_ZSOCKET_BAD)
			k->counters.strange++;
		if (r)
			continue;
		on_message(k, &m);
		torap_zmessage_finish(&m);
	}
}

static void end_link(struct kit *k)
{
	const char *reason = torap_dial_reason_name(k->dialler.reason);
	forget_offers(k);
	kit_rows_clear(&k->rows);
	give_up(k, (struct torap_mono){ INT64_MAX }, "node is away");
	if (k->options.on_link)
		k->options.on_link(k->options.hint, false, reason);
}

/* Does what the dialler says.  Sending tells it how that went, which may make it say more. */
static void step(struct kit *k, enum torap_dial_input in, int refusal)
{
	struct torap_dial_out out = { 0 };
	torap_dialler_step(&k->dialler, in, refusal, torap_app_mono(), &out);
	if (out.ended)
		end_link(k);
	if (out.reset)
		redial(k);
	if (out.say_hello)
		step(k, say_hello(k) ? TORAP_DIAL_IN_SENT : TORAP_DIAL_IN_SEND_FAILED, 0);
	if (out.began) {
		k->counters.links++;
		if (k->options.on_link)
			k->options.on_link(k->options.hint, true, "fine");
	}
	if (out.heartbeat) {
		bool sent = send_message(k, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
		step(k, sent ? TORAP_DIAL_IN_SENT : TORAP_DIAL_IN_SEND_FAILED, 0);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct kit *k = timer->data;
	step(k, TORAP_DIAL_IN_TICK, 0);
	give_up(k, torap_mono_add_ms(torap_app_mono(), -(int64_t)k->options.verdict_ms), "no verdict");
}

/* Offers. */

static bool send_offer(struct kit *k, unsigned i)
{
	struct torap_buffer *body = kit_offers_take(&k->offers, i);
	bool sent = body && send_message(k, TORAP__MESSAGE_TYPE__MESSAGE_OFFER, body);
	torap_buffer_unref(body);
	k->counters.messages += sent;
	return sent;
}

static void on_check(uv_check_t *check)
{
	struct kit *k = check->data;
	if (!k->offers.count)
		return;
	bool sent = true;
	for (unsigned i = 0; i < k->offers.count && sent; i++)
		sent = send_offer(k, i);
	forget_offers(k);
	step(k, sent ? TORAP_DIAL_IN_SENT : TORAP_DIAL_IN_SEND_FAILED, 0);
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* Its being active is all: the loop does not sleep before on_check(). */
}

int kit_offer(struct kit *k, Torap__Observation *observation, struct kit_tag tag)
{
	if (!kit_up(k)) {
		k->counters.away++;
		return KIT_AWAY;
	}
	uint64_t id = kit_waiting_add(&k->waiting, tag, torap_app_mono());
	if (!id) {
		k->counters.full++;
		return KIT_FULL;
	}
	observation->id = id;
	size_t size = torap__observation__get_packed_size(observation);
	size_t picture = observation->image ? observation->image->data.len : 0;
	bool fits = size - picture <= TORAP_OBSERVATION_SIZE_MAX && picture <= TORAP_OBSERVATION_IMAGE_MAX;
	int r = fits ? kit_offers_add(&k->offers, observation, size) : KIT_TOO_BIG;
	if (r) {
		kit_waiting_take(&k->waiting, id, &tag);
		k->counters.too_big += r == KIT_TOO_BIG;
		k->counters.full += r == KIT_FULL;
		return r;
	}
	uv_idle_start(&k->idle, on_idle);
	k->counters.offered++;
	return 0;
}

bool kit_done(struct kit *k, uint64_t request)
{
	Torap__AgentDone done = TORAP__AGENT_DONE__INIT;
	done.id = request;
	struct torap_buffer *body =
		kit_up(k) ? torap_buffer_create(torap__agent_done__get_packed_size(&done)) : NULL;
	if (!body)
		return false;
	torap__agent_done__pack(&done, body->data);
	bool sent = send_message(k, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_DONE, body);
	torap_buffer_unref(body);
	return sent;
}

unsigned kit_room(const struct kit *k)
{
	return kit_up(k) ? k->waiting.room - k->waiting.count : 0;
}

bool kit_up(const struct kit *k)
{
	return k->dialler.state == TORAP_DIAL_FLOWING && !k->closing;
}

const struct kit_counters *kit_counters(const struct kit *k)
{
	return &k->counters;
}

/* The begin. */

static int copy_options(struct kit *k, const struct kit_options *options, struct torap_error *err)
{
	k->options = *options;
	k->options.agent = strdup(options->agent);
	k->options.protocol = strdup(options->protocol);
	k->options.endpoint = strdup(options->endpoint);
	if (!k->options.waiting_max)
		k->options.waiting_max = WAITING_MAX;
	if (!k->options.verdict_ms)
		k->options.verdict_ms = VERDICT_MS;
	if (!k->options.agent || !k->options.protocol || !k->options.endpoint ||
		kit_waiting_init(&k->waiting, k->options.waiting_max))
		return torap_errorf(err, -ENOMEM, "out of memory");
	return 0;
}

static void start_handles(struct kit *k, uv_loop_t *loop)
{
	k->loop = loop;
	uv_timer_init(loop, &k->timer);
	uv_check_init(loop, &k->check);
	uv_idle_init(loop, &k->idle);
	k->timer.data = k->check.data = k->idle.data = k;
	k->handles = 3;
	/* Before any socket is watched: libuv runs the youngest first, so what arrives and is answered goes out in one turn. */
	uv_check_start(&k->check, on_check);
	uv_timer_start(&k->timer, on_tick, 0, TICK_MS);
}

int kit_open(struct kit **out, uv_loop_t *loop, const struct kit_options *options, struct torap_error *err)
{
	struct kit *k = calloc(1, sizeof *k);
	if (!k)
		return torap_errorf(err, -ENOMEM, "out of memory");
	start_handles(k, loop);
	int r = copy_options(k, options, err);
	if (r)
		goto fail;
	k->context = zmq_ctx_new();
	if (!k->context) {
		r = torap_errorf(err, -ENOMEM, "cannot make a ZeroMQ context: %s", strerror(errno));
		goto fail;
	}
	torap_dialler_init(&k->dialler, &dial_options, uv_hrtime(), torap_app_mono());
	r = dial(k, err);
	if (r)
		goto fail;
	*out = k;
	return 0;
fail:
	kit_close(k, NULL, NULL);
	return r;
}

void kit_close(struct kit *k, void (*on_closed)(void *hint), void *hint)
{
	if (!k) {
		if (on_closed)
			on_closed(hint);
		return;
	}
	assert(!k->closing);
	k->closing = true;
	k->on_closed = on_closed;
	k->closed_hint = hint;
	uv_close((uv_handle_t *)&k->timer, on_handle_closed);
	uv_close((uv_handle_t *)&k->check, on_handle_closed);
	uv_close((uv_handle_t *)&k->idle, on_handle_closed);
	hang_up(k);
}
