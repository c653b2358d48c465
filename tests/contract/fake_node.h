/* fake_node.h: a node for agents, in the hands of a test: it takes everything at once, refuses, stays silent or goes away.
 *
 * Runs on the test's own thread: fake_node_turn() hears and answers what is there.  Everything is in the header, so that a unit test
 * of one file can use it, too. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/error.h"
#include "kit/zmq_peer.h"
#include "proto/batch.pb-c.h"
#include "proto/observation.pb-c.h"
#include "wire/envelope.h"

enum fake_mood {
	FAKE_TAKES,   /* DURABLE at once; DUPLICATE for a repeat key that it has seen */
	FAKE_REFUSES, /* REFUSED */
	FAKE_THINKS,  /* no verdicts until fake_node_judge() */
	FAKE_LIES,    /* verdicts about observations that nobody offered, and words that do not exist */
};

enum { FAKE_SEEN_MAX = 20000 };

struct fake_seen {
	uint64_t id;
	bool judged;
	char address[40], code[24], zone[24];
	bool alive;
	uint8_t key[64];
	size_t key_size;
};

struct fake_node {
	void *context, *socket;
	char endpoint[256];
	enum fake_mood mood;
	uint8_t peer[ZMQ_PEER_ID_MAX];
	size_t peer_size; /* the agent that said hello last; 0: none */
	unsigned hellos, offers;
	char agent[64], protocol[32];
	bool takes_requests;
	uint64_t done;          /* the request that the agent was done with last */
	size_t image_size;      /* of the last observation */
	struct fake_seen *seen; /* FAKE_SEEN_MAX */
	unsigned seen_count;
	unsigned durable, duplicate, refused;
	const char *row_address, *row_key_name, *row_code_page, *row_url,
		*row_sub_url; /* one registry row; NULL: none */
};

static inline bool fake_node_open(struct fake_node *n, const char *endpoint)
{
	snprintf(n->endpoint, sizeof n->endpoint, "%s", endpoint);
	n->context = n->context ? n->context : zmq_ctx_new();
	n->seen = n->seen ? n->seen : calloc(FAKE_SEEN_MAX, sizeof *n->seen);
	n->socket = zmq_peer_listen(n->context, endpoint, NULL);
	return n->seen;
}

/* As if it was killed: what waits is never answered. */
static inline void fake_node_vanish(struct fake_node *n)
{
	zmq_peer_close(n->socket);
	n->socket = NULL;
	n->peer_size = 0;
}

static inline void fake_node_close(struct fake_node *n)
{
	fake_node_vanish(n);
	zmq_ctx_term(n->context);
	free(n->seen);
}

static inline void fake_node_send(struct fake_node *n, uint32_t type, struct torap_buffer *body)
{
	struct torap_buffer *frames[] = { torap_envelope_plain(type), body };
	if (n->peer_size)
		zmq_peer_send(n->socket, n->peer, n->peer_size, frames, body ? 2 : 1);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(body);
}

static inline void fake_node_send_rows(struct fake_node *n)
{
	Torap__AgentRows rows = TORAP__AGENT_ROWS__INIT;
	Torap__AgentRows__Row row = TORAP__AGENT_ROWS__ROW__INIT, *list[] = { &row };
	if (n->row_address) {
		row.address = (char *)n->row_address;
		row.key_name = (char *)(n->row_key_name ? n->row_key_name : "");
		row.code_page = (char *)(n->row_code_page ? n->row_code_page : "");
		row.url = (char *)(n->row_url ? n->row_url : "");
		row.sub_url = (char *)(n->row_sub_url ? n->row_sub_url : "");
		if (n->row_url) {
			row.mode = (char *)"held";
			row.term_us = 1798761600000000;
			row.profile = (char *)"entrance";
			row.site = (char *)"school-1";
			row.switch_name = (char *)"sw-1";
			row.recorder = (char *)"nvr-1";
			row.street = (char *)"abay";
			row.region = 391610000;
			row.device = (char *)"device-1";
			row.since_us = 1767225600000000;
			row.aimed_us = 1795651200000000;
		}
		rows.rows = list;
		rows.n_rows = 1;
	}
	struct torap_buffer *body = torap_buffer_create(torap__agent_rows__get_packed_size(&rows));
	torap__agent_rows__pack(&rows, body->data);
	fake_node_send(n, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_ROWS, body);
}

static inline void fake_node_request(struct fake_node *n, uint64_t id, const char *address)
{
	Torap__AgentRequest request = TORAP__AGENT_REQUEST__INIT;
	char *addresses[] = { (char *)address };
	request.id = id;
	request.site = (char *)"school-1";
	request.alarm_stream = (char *)"node-test/critical/0000000000000001";
	request.alarm_seq = 7;
	request.alarms = 1;
	request.addresses = addresses;
	request.n_addresses = 1;
	struct torap_buffer *body = torap_buffer_create(torap__agent_request__get_packed_size(&request));
	torap__agent_request__pack(&request, body->data);
	fake_node_send(n, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_REQUEST, body);
}

static inline void fake_node_answer(struct fake_node *n, uint64_t id, int word)
{
	Torap__Verdict verdict = TORAP__VERDICT__INIT, *list[] = { &verdict };
	Torap__Answer answer = TORAP__ANSWER__INIT;
	verdict.id = id;
	verdict.word = (Torap__Verdict__Word)word;
	verdict.reason = (char *)(word == TORAP__VERDICT__WORD__REFUSED ? "because of the test" : "");
	answer.verdicts = list;
	answer.n_verdicts = 1;
	struct torap_buffer *body = torap_buffer_create(torap__answer__get_packed_size(&answer));
	torap__answer__pack(&answer, body->data);
	fake_node_send(n, TORAP__MESSAGE_TYPE__MESSAGE_ANSWER, body);
}

static inline bool fake_node_is_repeat(const struct fake_node *n, unsigned index)
{
	const struct fake_seen *s = &n->seen[index];
	for (unsigned i = 0; s->key_size && i < index; i++)
		if (n->seen[i].judged && n->seen[i].key_size == s->key_size &&
			!memcmp(n->seen[i].key, s->key, s->key_size))
			return true;
	return false;
}

static inline void fake_node_take(struct fake_node *n, unsigned index)
{
	bool repeat = fake_node_is_repeat(n, index);
	n->duplicate += repeat;
	n->durable += !repeat;
	n->seen[index].judged = true;
	fake_node_answer(n, n->seen[index].id,
		repeat ? TORAP__VERDICT__WORD__DUPLICATE : TORAP__VERDICT__WORD__DURABLE);
}

/* After FAKE_THINKS: takes everything that waits. */
static inline void fake_node_judge(struct fake_node *n)
{
	for (unsigned i = 0; i < n->seen_count; i++)
		if (!n->seen[i].judged)
			fake_node_take(n, i);
}

static inline void fake_node_see(struct fake_node *n, const Torap__Observation *o)
{
	if (n->seen_count == FAKE_SEEN_MAX)
		return;
	unsigned index = n->seen_count++;
	n->image_size = o->image ? o->image->data.len : 0;
	struct fake_seen *s = &n->seen[index];
	memset(s, 0, sizeof *s);
	s->id = o->id;
	s->alive = o->sort == TORAP__OBSERVATION__SORT__SORT_ALIVE;
	snprintf(s->address, sizeof s->address, "%s", o->address);
	snprintf(s->code, sizeof s->code, "%s", o->code);
	snprintf(s->zone, sizeof s->zone, "%s", o->zone);
	s->key_size = o->repeat_key.len < sizeof s->key ? o->repeat_key.len : sizeof s->key;
	if (s->key_size)
		memcpy(s->key, o->repeat_key.data, s->key_size);
	switch (n->mood) {
	case FAKE_TAKES:
		fake_node_take(n, index);
		break;
	case FAKE_REFUSES:
		n->refused++;
		fake_node_answer(n, o->id, TORAP__VERDICT__WORD__REFUSED);
		break;
	case FAKE_LIES:
		fake_node_answer(n, o->id + 1000000, TORAP__VERDICT__WORD__DURABLE);
		fake_node_answer(n, 0, TORAP__VERDICT__WORD__DURABLE);
		fake_node_answer(n, o->id, 77);
		break;
	case FAKE_THINKS:
		break;
	}
}

static inline void fake_node_hear(struct fake_node *n, const struct zmq_peer_message *m)
{
	struct torap_envelope envelope;
	struct torap_error err;
	if (!m->count || torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err))
		return;
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_AGENT_HELLO && m->count > 1) {
		memcpy(n->peer, m->id, m->id_size);
		n->peer_size = m->id_size;
		Torap__AgentHello *hello =
			torap__agent_hello__unpack(NULL, m->frames[1]->size, m->frames[1]->data);
		if (!hello)
			return;
		snprintf(n->agent, sizeof n->agent, "%s", hello->agent);
		snprintf(n->protocol, sizeof n->protocol, "%s", hello->protocol);
		n->takes_requests = hello->takes_requests;
		torap__agent_hello__free_unpacked(hello, NULL);
		n->hellos++;
		fake_node_send_rows(n);
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT) {
		fake_node_send(n, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_OFFER && m->count > 1) {
		Torap__Offer *offer = torap__offer__unpack(NULL, m->frames[1]->size, m->frames[1]->data);
		for (size_t i = 0; offer && i < offer->n_observations; i++)
			fake_node_see(n, offer->observations[i]);
		n->offers++;
		torap__offer__free_unpacked(offer, NULL);
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_AGENT_DONE && m->count > 1) {
		Torap__AgentDone *done =
			torap__agent_done__unpack(NULL, m->frames[1]->size, m->frames[1]->data);
		n->done = done ? done->id : 0;
		torap__agent_done__free_unpacked(done, NULL);
	}
}

/* Waits for a message at most `wait_ms`, then takes in all there are. */
static inline void fake_node_turn(struct fake_node *n, int wait_ms)
{
	if (!n->socket) {
		usleep((unsigned)wait_ms * 1000);
		return;
	}
	zmq_pollitem_t item = { .socket = n->socket, .events = ZMQ_POLLIN };
	zmq_poll(&item, 1, wait_ms);
	struct zmq_peer_message m;
	while (zmq_peer_receive(&m, n->socket, true)) {
		fake_node_hear(n, &m);
		zmq_peer_finish(&m);
	}
}
