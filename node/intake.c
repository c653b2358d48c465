#include "node/intake.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "link/message.h"
#include "link/pulse.h"
#include "node/consent.h"
#include "node/offer.h"
#include "node/registry.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "wire/put.h"
#include "zmtp/listener.h"

enum {
	PROTOCOL_VERSION = 1,
	HEARTBEAT_MS = 1000,
	DEAD_MS = 4000,
	ANSWER_VERDICTS = 4096, /* in one message */
	QUEUED_MAX = 64, /* messages that an agent has not taken: it gets no rows and verdicts until it has */
	REFUSALS_QUEUED_MAX = 64, /* that one without a session has not taken: it is cut */
	FAULTS_MAX = 3,           /* messages on a connection that cannot be read: it is cut */
	CUT_AFTER_MS = 300,       /* until the last refusal has most likely reached it */
	HELLO_EVERY_MS = 1000,    /* on one connection: each brings all rows */
	/* For one observation of 64 KiB: 2-byte fields at their worst; and for an image, should it have to be copied. */
	ARENA_LIMIT = (4 << 20) + TORAP_OBSERVATION_IMAGE_MAX + (64 << 10),
	NAME_MAX_BYTES = 31,
};

struct verdict {
	uint64_t id;
	const char *reason;
	uint8_t word;
};

struct session {
	uint64_t number;              /* 0: free */
	struct torap_zmtp_peer *peer; /* whose mark is this session */
	char agent[NAME_MAX_BYTES + 1], protocol[NAME_MAX_BYTES + 1];
	struct torap_pulse pulse;
	struct torap_mono begun;
	struct verdict *verdicts;
	size_t verdicts_count, verdicts_room;
	const struct node_device *rows_after; /* how far the rows have been sent */
	bool rows_due;
	bool takes_requests, ready; /* ready: it had its rows once */
};

struct node_intake {
	struct node_intake_options options;
	struct torap_zmtp_listener *listener;
	struct torap_zmtp_counts connections;
	const struct node_registry *registry;
	struct session sessions[NODE_INTAKE_SESSIONS_MAX];
	uint64_t next_number;
	struct torap_arena arena;
	bool deaf, closing;
	struct node_intake_counts counts;
};

/* The place of a session is part of its number, so that each verdict finds it at once. */
static struct session *find_number(struct node_intake *i, uint64_t number)
{
	struct session *s = &i->sessions[number % NODE_INTAKE_SESSIONS_MAX];
	return s->number == number ? s : NULL;
}

static void end_session(struct node_intake *i, struct session *s, const char *why)
{
	torap_notice("AGENT-GONE", "agent %s (%s): %s", s->agent, s->protocol, why);
	torap_zmtp_set_mark(s->peer, NULL);
	i->counts.lost_verdicts += s->verdicts_count;
	i->counts.sessions--;
	free(s->verdicts);
	*s = (struct session){ 0 };
}

/* Gives up the body.  False: no memory, or the agent does not take it. */
static bool send_to(struct torap_zmtp_peer *peer, uint32_t type, struct torap_buffer *body, bool has_body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), body };
	bool sent = frames[0] && (body || !has_body) && torap_zmtp_send(peer, frames, has_body ? 2 : 1);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(body);
	return sent;
}

static bool send_session(
	struct session *s, uint32_t type, struct torap_buffer *body, bool has_body, struct node_now now)
{
	bool sent = send_to(s->peer, type, body, has_body);
	if (sent)
		torap_pulse_sent(&s->pulse, now.mono);
	return sent;
}

static void cut(struct node_intake *i, struct torap_zmtp_peer *peer, unsigned after_ms, const char *why)
{
	struct session *s = torap_zmtp_mark(peer);
	if (s)
		end_session(i, s, why);
	torap_zmtp_cut(peer, after_ms);
}

/* False: it does not take its answers, and was cut. */
static bool refuse(struct node_intake *i, struct torap_zmtp_peer *peer, int code, const char *reason)
{
	bool takes = torap_zmtp_mark(peer) || torap_zmtp_queued(peer) < REFUSALS_QUEUED_MAX;
	struct torap_refusal refusal = { .code = code };
	snprintf(refusal.reason, sizeof refusal.reason, "%s", reason);
	if (takes &&
		send_to(peer, TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL, torap_refusal_encode(&refusal), true))
		return true;
	cut(i, peer, 0, "does not take its answers");
	return false;
}

static void refuse_fault(struct node_intake *i, struct torap_zmtp_peer *peer, int code, const char *reason)
{
	i->counts.malformed++;
	if (refuse(i, peer, code, reason) && torap_zmtp_fault(peer) >= FAULTS_MAX)
		cut(i, peer, CUT_AFTER_MS, "sends what cannot be read");
}

static void refuse_malformed(struct node_intake *i, struct torap_zmtp_peer *peer, const char *reason)
{
	refuse_fault(i, peer, TORAP__REFUSAL__CODE__MALFORMED, reason);
}

static struct torap_buffer *pack(const ProtobufCMessage *message)
{
	struct torap_buffer *b = torap_buffer_create(protobuf_c_message_get_packed_size(message));
	if (b)
		protobuf_c_message_pack(message, b->data);
	return b;
}

/* What an agent that watches needs; panels' agents are spared it. */
static void set_camera(Torap__AgentRows__Row *row, const struct node_device *d)
{
	if (!*d->camera.purpose)
		return;
	row->url = (char *)d->camera.url;
	row->sub_url = (char *)d->camera.sub_url;
	row->profile = (char *)d->camera.profile;
	row->mode = (char *)d->camera.mode;
	row->term_us = d->camera.term.us;
	row->since_us = d->camera.since.us;
	row->aimed_us = d->camera.aimed.us;
	row->site = (char *)d->site->id;
	row->switch_name = (char *)d->switch_name;
	row->recorder = (char *)d->recorder;
	row->recording = (char *)d->recording;
	row->street = (char *)d->street;
	row->region = d->site->region;
	row->facility = d->site->facility;
	row->private_owner = node_consent_needed(d);
	row->device = (char *)d->id;
}

/* One message of rows.  Returns false when the peer does not take it now: it comes again with the next tick. */
static bool send_some_rows(struct node_intake *i, struct session *s, struct node_now now)
{
	static Torap__AgentRows__Row
		rows[NODE_INTAKE_ROWS]; /* too large for the stack; the loop's thread only */
	Torap__AgentRows__Row *list[NODE_INTAKE_ROWS];
	Torap__AgentRows message = TORAP__AGENT_ROWS__INIT;
	const struct node_device *d = s->rows_after, *last = d;
	while (message.n_rows < NODE_INTAKE_ROWS && (d = node_registry_next(i->registry, s->protocol, d))) {
		Torap__AgentRows__Row *row = &rows[message.n_rows];
		torap__agent_rows__row__init(row);
		row->address = (char *)d->address;
		row->supervision_s = d->supervision_s;
		row->code_page = (char *)d->code_page;
		row->key_name = (char *)d->key_name;
		set_camera(row, d);
		list[message.n_rows++] = row;
		last = d;
	}
	message.rows = list;
	message.more = d && node_registry_next(i->registry, s->protocol, d);
	if (!send_session(s, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_ROWS, pack(&message.base), true, now))
		return false;
	s->rows_after = last;
	s->rows_due = message.more;
	if (!message.more && s->takes_requests && !s->ready) {
		s->ready = true;
		if (i->options.on_agent)
			i->options.on_agent(i->options.hint, s->number);
	}
	return true;
}

static bool takes_more(const struct session *s)
{
	return torap_zmtp_queued(s->peer) < QUEUED_MAX;
}

static void send_rows(struct node_intake *i, struct session *s, struct node_now now)
{
	while (s->rows_due && i->registry && takes_more(s) && send_some_rows(i, s, now))
		;
}

static bool is_name(const char *text)
{
	size_t size = strlen(text);
	for (size_t n = 0; n < size; n++)
		if ((unsigned char)text[n] <= ' ' || (unsigned char)text[n] > '~')
			return false;
	return size > 0 && size <= NAME_MAX_BYTES;
}

static struct session *begin_session(struct node_intake *i, struct torap_zmtp_peer *peer)
{
	struct session *s = torap_zmtp_mark(peer);
	if (s)
		end_session(i, s, "says hello again");
	for (size_t n = 0; n < NODE_INTAKE_SESSIONS_MAX; n++) {
		s = &i->sessions[n];
		if (s->number)
			continue;
		/* A number is never used again: a late verdict of an earlier session finds nobody. */
		s->number = ++i->next_number * NODE_INTAKE_SESSIONS_MAX + n;
		s->peer = peer;
		torap_zmtp_set_mark(peer, s);
		i->counts.sessions++;
		return s;
	}
	return NULL;
}

static void on_hello(
	struct node_intake *i, struct torap_zmtp_peer *peer, struct torap_bytes body, struct node_now now)
{
	torap_arena_reset(&i->arena);
	Torap__AgentHello *hello = torap__agent_hello__unpack(&i->arena.allocator, body.size, body.data);
	if (!hello || !is_name(hello->agent) || !is_name(hello->protocol)) {
		refuse_malformed(i, peer, "a hello that cannot be read");
		return;
	}
	if (hello->protocol_version != PROTOCOL_VERSION) {
		(void)refuse(i, peer, TORAP__REFUSAL__CODE__VERSION, "this node speaks version 1");
		return;
	}
	struct session *s = torap_zmtp_mark(peer);
	if (s && !torap_mono_reached(torap_mono_add_ms(s->begun, HELLO_EVERY_MS), now.mono)) {
		(void)refuse(i, peer, TORAP__REFUSAL__CODE__BUSY, "hello twice in a second");
		return;
	}
	s = begin_session(i, peer);
	if (!s) {
		(void)refuse(i, peer, TORAP__REFUSAL__CODE__BUSY, "too many agents");
		return;
	}
	snprintf(s->agent, sizeof s->agent, "%s", hello->agent);
	snprintf(s->protocol, sizeof s->protocol, "%s", hello->protocol);
	torap_pulse_init(&s->pulse, HEARTBEAT_MS, DEAD_MS, now.mono);
	s->begun = now.mono;
	torap_notice("AGENT-HERE", "agent %s (%s) is connected", s->agent, s->protocol);
	s->takes_requests = hello->takes_requests;
	s->rows_due = true;
	send_rows(i, s, now);
}

static void on_offer(struct node_intake *i, struct session *s, struct torap_zmtp_peer *peer,
	struct torap_bytes body, struct node_now now)
{
	size_t count = node_offer_count(body);
	if (count == SIZE_MAX) {
		refuse_malformed(i, peer, "an offer that cannot be read");
		return;
	}
	if (count > TORAP_OFFER_OBSERVATIONS_MAX) {
		refuse_fault(i, peer, TORAP__REFUSAL__CODE__LIMIT, "too many observations in an offer");
		return;
	}
	i->counts.offers++;
	struct torap_reader r = torap_reader(body);
	uint64_t session = s->number;
	struct node_offer_refusal refusal;
	Torap__Observation *o;
	int answer;
	while ((answer = node_offer_next(&r, &i->arena, &o, &refusal)) != NODE_OFFER_END) {
		if (answer == NODE_OFFER_MALFORMED) {
			refuse_malformed(i, peer, "an observation that cannot be read");
			return;
		}
		i->counts.observations++;
		if (answer == NODE_OFFER_REFUSED)
			i->options.on_refused(i->options.hint, session, refusal.id, refusal.reason);
		else
			i->options.on_observation(i->options.hint, session, o, now);
	}
}

static void on_request_done(struct node_intake *i, struct torap_zmtp_peer *peer, struct torap_bytes body)
{
	torap_arena_reset(&i->arena);
	const Torap__AgentDone *done = torap__agent_done__unpack(&i->arena.allocator, body.size, body.data);
	if (!done)
		refuse_malformed(i, peer, "an AgentDone that cannot be read");
	else if (i->options.on_request_done)
		i->options.on_request_done(i->options.hint, done->id);
}

static void on_session_message(struct node_intake *i, struct session *s, struct torap_zmtp_peer *peer,
	uint32_t type, struct torap_bytes body, struct node_now now)
{
	torap_pulse_heard(&s->pulse, now.mono);
	if (type == TORAP__MESSAGE_TYPE__MESSAGE_OFFER)
		on_offer(i, s, peer, body, now);
	else if (type == TORAP__MESSAGE_TYPE__MESSAGE_AGENT_DONE)
		on_request_done(i, peer, body);
	else if (type != TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT)
		i->counts.strange++;
}

static void on_message(void *hint, struct torap_zmtp_peer *peer, struct torap_buffer **frames, size_t count)
{
	struct node_intake *i = hint;
	struct torap_envelope envelope;
	struct torap_error err;
	struct node_now now;
	if (i->deaf)
		return;
	i->options.now(i->options.hint, &now);
	if (torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err)) {
		refuse_malformed(i, peer, "an envelope that cannot be read");
		return;
	}
	struct torap_bytes body = count > 1 ? torap_buffer_bytes(frames[1]) : torap_bytes(NULL, 0);
	struct session *s = torap_zmtp_mark(peer);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_AGENT_HELLO)
		on_hello(i, peer, body, now);
	else if (s)
		on_session_message(i, s, peer, envelope.type, body, now);
	else
		(void)refuse(i, peer, TORAP__REFUSAL__CODE__NO_SESSION, "say hello first");
}

static void on_gone(void *hint, struct torap_zmtp_peer *peer)
{
	struct session *s = torap_zmtp_mark(peer);
	if (s)
		end_session(hint, s, "has hung up");
}

int node_intake_open(
	struct node_intake **out, const struct node_intake_options *options, struct torap_error *err)
{
	struct node_intake *i = calloc(1, sizeof *i);
	if (!i)
		return torap_errorf(err, -ENOMEM, "intake: out of memory");
	i->options = *options;
	torap_arena_init(&i->arena, ARENA_LIMIT);
	struct torap_zmtp_options listen = { .turn = options->turn,
		.counts = &i->connections,
		.on_message = on_message,
		.on_gone = on_gone,
		.hint = i };
	int r = torap_zmtp_listen(&i->listener, options->endpoint, &listen, err);
	if (r) {
		torap_arena_finish(&i->arena);
		free(i);
		return r;
	}
	*out = i;
	return 0;
}

static void on_closed(void *hint)
{
	struct node_intake *i = hint;
	for (size_t n = 0; n < NODE_INTAKE_SESSIONS_MAX; n++)
		free(i->sessions[n].verdicts);
	torap_arena_finish(&i->arena);
	free(i);
}

void node_intake_close(struct node_intake *i)
{
	if (i && !i->closing) {
		i->closing = true;
		torap_zmtp_close(i->listener, on_closed, i);
	}
}

void node_intake_deafen(struct node_intake *i)
{
	i->deaf = true;
}

void node_intake_registry(struct node_intake *i, const struct node_registry *registry)
{
	i->registry = registry;
	for (size_t n = 0; n < NODE_INTAKE_SESSIONS_MAX; n++) {
		/* A set that was half told begins anew: it replaces what the agent held. */
		i->sessions[n].rows_due = i->sessions[n].number != 0;
		i->sessions[n].rows_after = NULL;
	}
}

void node_intake_verdict(
	struct node_intake *i, uint64_t session, uint64_t id, Torap__Verdict__Word word, const char *reason)
{
	struct session *s = find_number(i, session);
	if (!s) {
		i->counts.lost_verdicts++;
		return;
	}
	if (s->verdicts_count == s->verdicts_room) {
		size_t room = s->verdicts_room ? s->verdicts_room * 2 : 256;
		struct verdict *more = NULL;
		if (s->verdicts_count < NODE_INTAKE_VERDICTS_MAX)
			more = realloc(s->verdicts, room * sizeof *more);
		if (!more) {
			end_session(i, s, "does not fetch its verdicts; its devices will repeat");
			i->counts.lost_verdicts++;
			return;
		}
		s->verdicts = more;
		s->verdicts_room = room;
	}
	s->verdicts[s->verdicts_count++] = (struct verdict){ id, reason, (uint8_t)word };
}

/* False: it is silent or away, and hears it with its next hello. */
static bool send_request(struct node_intake *i, struct session *s, struct torap_buffer *body)
{
	struct node_now now;
	i->options.now(i->options.hint, &now);
	return send_session(s, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_REQUEST, torap_buffer_ref(body), true, now);
}

unsigned node_intake_request(struct node_intake *i, const char *protocol, struct torap_buffer *body)
{
	unsigned count = 0;
	for (size_t n = 0; n < NODE_INTAKE_SESSIONS_MAX; n++) {
		struct session *s = &i->sessions[n];
		if (!s->number || !s->ready || strcmp(s->protocol, protocol) != 0)
			continue;
		count += send_request(i, s, body);
	}
	return count;
}

bool node_intake_request_to(struct node_intake *i, uint64_t session, struct torap_buffer *body)
{
	struct session *s = find_number(i, session);
	return s && send_request(i, s, body);
}

/* Field numbers of observation.proto. */
enum { ANSWER_VERDICTS_FIELD = 1, VERDICT_ID = 1, VERDICT_WORD, VERDICT_REASON };
enum { VERDICT_SIZE_MAX = 32 }; /* without the reason's letters */

/* An Answer, by hand: one for each event is the larger part of what a node says. */
static struct torap_buffer *pack_verdicts(const struct verdict *verdicts, size_t count)
{
	size_t room = TORAP_PUT_SPARE;
	for (size_t n = 0; n < count; n++)
		room += VERDICT_SIZE_MAX + strlen(verdicts[n].reason);
	struct torap_buffer *b = torap_buffer_create(room);
	if (!b)
		return NULL;
	struct torap_put p = { .at = b->data, .end = b->data + room };
	for (size_t n = 0; n < count; n++) {
		uint8_t *opened = torap_put_open(&p, ANSWER_VERDICTS_FIELD);
		torap_put_number(&p, VERDICT_ID, verdicts[n].id);
		torap_put_number(&p, VERDICT_WORD, verdicts[n].word);
		torap_put_text(&p, VERDICT_REASON, verdicts[n].reason);
		torap_put_close(&p, opened);
	}
	assert(!p.full);
	b->size = (size_t)(p.at - b->data);
	return b;
}

static void flush_session(struct session *s, struct node_now now)
{
	size_t sent = 0;
	while (sent < s->verdicts_count && takes_more(s)) {
		size_t count = s->verdicts_count - sent;
		if (count > ANSWER_VERDICTS)
			count = ANSWER_VERDICTS;
		if (!send_session(s, TORAP__MESSAGE_TYPE__MESSAGE_ANSWER,
			    pack_verdicts(s->verdicts + sent, count), true, now))
			break; /* What is left goes with the next turn, or with the session. */
		sent += count;
	}
	s->verdicts_count -= sent;
	memmove(s->verdicts, s->verdicts + sent, s->verdicts_count * sizeof *s->verdicts);
}

void node_intake_flush(struct node_intake *i)
{
	struct node_now now;
	bool asked = false;
	for (size_t n = 0; n < NODE_INTAKE_SESSIONS_MAX; n++) {
		struct session *s = &i->sessions[n];
		if (!s->number || s->verdicts_count == 0)
			continue;
		if (!asked)
			i->options.now(i->options.hint, &now);
		asked = true;
		flush_session(s, now);
	}
}

void node_intake_tick(struct node_intake *i, struct node_now now)
{
	for (size_t n = 0; n < NODE_INTAKE_SESSIONS_MAX; n++) {
		struct session *s = &i->sessions[n];
		if (!s->number)
			continue;
		if (torap_pulse_dead(&s->pulse, now.mono)) {
			end_session(i, s, "silent for 4 s");
			continue;
		}
		send_rows(i, s, now);
		if (torap_pulse_heartbeat_due(&s->pulse, now.mono))
			(void)send_session(s, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL, false, now);
	}
}

struct node_intake_counts node_intake_counts(const struct node_intake *i)
{
	struct node_intake_counts counts = i->counts;
	counts.malformed += i->connections.broken; /* What came did not even make a message. */
	return counts;
}
