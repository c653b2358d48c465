#include "agents/kit/kit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/kit/link.h"
#include "agents/kit/offers.h"
#include "agents/kit/rows.h"
#include "agents/kit/waiting.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "loop/app.h"
#include "proto/session.pb-c.h"

enum { WAITING_MAX = 16384, VERDICT_MS = 30000 };

struct kit {
	struct kit_options options; /* strings owned */
	struct kit_link link;
	uv_check_t check; /* the end of a turn: what was offered goes out */
	uv_idle_t idle;   /* runs while something was offered, so that the turn ends */
	struct kit_waiting waiting;
	struct kit_rows rows;
	struct kit_offers offers;
	struct kit_counters counters;
	bool closing;
	unsigned parts; /* link and handles that the loop has not let go of */
	void (*on_closed)(void *hint);
	void *closed_hint;
};

/* The end. */

static void let_go(void *hint)
{
	struct kit *k = hint;
	if (--k->parts)
		return;
	kit_offers_clear(&k->offers);
	kit_waiting_finish(&k->waiting);
	kit_rows_clear(&k->rows);
	free((char *)k->options.agent);
	free((char *)k->options.protocol);
	free((char *)k->options.endpoint);
	void (*on_closed)(void *hint) = k->on_closed;
	void *closed_hint = k->closed_hint;
	free(k);
	if (on_closed)
		on_closed(closed_hint);
}

static void on_handle_closed(uv_handle_t *handle)
{
	let_go(handle->data);
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
		judge(k, tag, KIT_LATER, reason);
	}
}

static void forget_offers(struct kit *k)
{
	kit_offers_clear(&k->offers);
	if (!k->closing)
		uv_idle_stop(&k->idle);
}

/* proto/README.md, "Agents": the two reasons that pass by themselves. */
static bool passes(const char *reason)
{
	return strcmp(reason, "busy") == 0 || strcmp(reason, "disk full") == 0;
}

static bool on_answer(struct kit *k, struct torap_bytes body)
{
	Torap__Answer *answer = torap__answer__unpack(NULL, body.size, body.data);
	if (!answer)
		return false;
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
			judge(k, tag, passes(v->reason) ? KIT_LATER : KIT_REFUSED, v->reason);
			break;
		}
	}
	torap__answer__free_unpacked(answer, NULL);
	return true;
}

/* What comes. */

static bool on_rows(struct kit *k, struct torap_bytes body)
{
	struct torap_error err;
	bool complete = false;
	if (kit_rows_add(&k->rows, body, &complete, &err)) {
		torap_warn("KIT-ROWS", "the node's registry rows are refused: %s", err.text);
		kit_rows_clear(&k->rows);
		kit_link_break(&k->link);
		return false;
	}
	if (!complete)
		return true;
	struct kit_row *list = k->options.on_rows ? kit_rows_list(&k->rows) : NULL;
	if (list)
		k->options.on_rows(k->options.hint, list, k->rows.count);
	free(list);
	kit_rows_clear(&k->rows);
	kit_link_welcomed(&k->link);
	return true;
}

static bool on_request(struct kit *k, struct torap_bytes body)
{
	Torap__AgentRequest *request =
		k->options.on_request ? torap__agent_request__unpack(NULL, body.size, body.data) : NULL;
	bool good = request && request->id;
	if (good) {
		k->counters.requests++;
		k->options.on_request(k->options.hint, request);
	}
	if (request)
		torap__agent_request__free_unpacked(request, NULL);
	return good;
}

static bool on_message(void *hint, uint32_t type, struct torap_bytes body)
{
	switch (type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_ANSWER:
		return on_answer(hint, body);
	case TORAP__MESSAGE_TYPE__MESSAGE_AGENT_ROWS:
		return on_rows(hint, body);
	case TORAP__MESSAGE_TYPE__MESSAGE_AGENT_REQUEST:
		return on_request(hint, body);
	default:
		return false;
	}
}

/* The link. */

static struct torap_buffer *make_hello(void *hint)
{
	const struct kit *k = hint;
	Torap__AgentHello hello = TORAP__AGENT_HELLO__INIT;
	hello.agent = (char *)k->options.agent;
	hello.version = (char *)TORAP_VERSION;
	hello.protocol = (char *)k->options.protocol;
	hello.protocol_version = 1;
	hello.takes_requests = k->options.on_request != NULL;
	struct torap_buffer *body = torap_buffer_create(torap__agent_hello__get_packed_size(&hello));
	if (body)
		torap__agent_hello__pack(&hello, body->data);
	return body;
}

static void on_change(void *hint, bool up, const char *reason)
{
	struct kit *k = hint;
	if (up) {
		k->counters.links++;
	} else {
		forget_offers(k);
		kit_rows_clear(&k->rows);
		give_up(k, (struct torap_mono){ INT64_MAX }, "node is away");
	}
	if (k->options.on_link)
		k->options.on_link(k->options.hint, up, reason);
}

static void on_tick(void *hint)
{
	struct kit *k = hint;
	give_up(k, torap_mono_add_ms(torap_app_mono(), -(int64_t)k->options.verdict_ms), "no verdict");
}

/* Offers. */

static bool send_offer(struct kit *k, unsigned i)
{
	struct torap_buffer *body = kit_offers_take(&k->offers, i);
	bool sent = body && kit_link_send(&k->link, TORAP__MESSAGE_TYPE__MESSAGE_OFFER, body);
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
	kit_link_sent(&k->link, sent);
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
	bool sent = kit_link_send(&k->link, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_DONE, body);
	torap_buffer_unref(body);
	return sent;
}

unsigned kit_room(const struct kit *k)
{
	return kit_up(k) ? k->waiting.room - k->waiting.count : 0;
}

bool kit_up(const struct kit *k)
{
	return kit_link_up(&k->link);
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

/* The check stands before any socket is watched: libuv runs the youngest first, so what arrives and is answered goes out in one turn. */
static void start_handles(struct kit *k, uv_loop_t *loop)
{
	const struct kit_link_owner owner = { k, &k->counters.strange, make_hello, on_message, on_change,
		on_tick };
	uv_check_init(loop, &k->check);
	uv_idle_init(loop, &k->idle);
	k->check.data = k->idle.data = k;
	uv_check_start(&k->check, on_check);
	kit_link_init(&k->link, loop, &owner);
	k->parts = 3;
}

int kit_open(struct kit **out, uv_loop_t *loop, const struct kit_options *options, struct torap_error *err)
{
	struct kit *k = calloc(1, sizeof *k);
	if (!k)
		return torap_errorf(err, -ENOMEM, "out of memory");
	start_handles(k, loop);
	int r = copy_options(k, options, err);
	r = r ? r : kit_link_open(&k->link, k->options.endpoint, err);
	if (r) {
		kit_close(k, NULL, NULL);
		return r;
	}
	*out = k;
	return 0;
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
	uv_close((uv_handle_t *)&k->check, on_handle_closed);
	uv_close((uv_handle_t *)&k->idle, on_handle_closed);
	kit_link_close(&k->link, let_go);
}
