/* intake.h: the agents' socket: observations in, verdicts out.  proto/README.md, "Agents".
 *
 * A session is a connection that said AGENT_HELLO; anything else from a connection that did not is answered by NO_SESSION.
 * Verdicts are gathered and sent once a turn of the loop, one ANSWER for each agent.  Bounded: sessions, verdicts that an agent
 * does not fetch, observations in an offer.  A message that cannot be decoded is counted and refused; after the third on a
 * connection it is cut, as is one whose agent does not take its refusals. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "node/event.h"
#include "proto/observation.pb-c.h"

struct torap_error;
struct node_intake;
struct node_registry;
struct torap_buffer;
struct torap_zmtp_turn;

enum {
	NODE_INTAKE_SESSIONS_MAX = 64,
	NODE_INTAKE_VERDICTS_MAX = 1 << 18, /* that wait for an agent; beyond, its session ends */
	NODE_INTAKE_ROWS = 1000,            /* in one AGENT_ROWS */
};

struct node_intake_options {
	struct torap_zmtp_turn *turn;
	const char *endpoint;
	/* Each observation gets one node_intake_verdict() with the same session, now or later.  `now` is when the loop took up
	 * the offer: one look at the clock serves all that is in it. */
	void (*on_observation)(
		void *hint, uint64_t session, const Torap__Observation *o, struct node_now now);
	/* One beyond a limit. */
	void (*on_refused)(void *hint, uint64_t session, uint64_t id, const char *reason);
	/* An agent that takes requests has said hello and has its rows; and one is done with a request.  May be NULL. */
	void (*on_agent)(void *hint, uint64_t session);
	void (*on_request_done)(void *hint, uint64_t id);
	void (*now)(void *hint, struct node_now *out);
	void *hint;
};

int node_intake_open(
	struct node_intake **out, const struct node_intake_options *options, struct torap_error *err);
/* Agents hear nothing more.  The memory is freed when the loop has let go of it.  Accepts NULL. */
void node_intake_close(struct node_intake *i);
/* From now on offers are not looked at any more; verdicts still go out. */
void node_intake_deafen(struct node_intake *i);

/* The rows that agents get: at their hello, and now those that are connected.  Borrowed until the next call. */
void node_intake_registry(struct node_intake *i, const struct node_registry *registry);
/* A session that is gone is no failure: the device will repeat.  `reason` is a constant. */
void node_intake_verdict(
	struct node_intake *i, uint64_t session, uint64_t id, Torap__Verdict__Word word, const char *reason);
/* An AgentRequest for all agents of the protocol that take requests and have their rows: how many took it.  Or for one: did it? */
unsigned node_intake_request(struct node_intake *i, const char *protocol, struct torap_buffer *body);
bool node_intake_request_to(struct node_intake *i, uint64_t session, struct torap_buffer *body);
/* Sends what was gathered.  Once a turn of the loop. */
void node_intake_flush(struct node_intake *i);
/* Heartbeats, and sessions that have died.  Every 100 ms. */
void node_intake_tick(struct node_intake *i, struct node_now now);

struct node_intake_counts {
	uint64_t offers, observations, malformed, strange, lost_verdicts;
	size_t sessions;
};
struct node_intake_counts node_intake_counts(const struct node_intake *i);
