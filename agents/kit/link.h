/* link.h: the agent's end of the link to its node: one connection, kept by a dialler (link/dialler.h), with its timer.
 *
 * Comes up, stays up and comes up again by itself.  What a message means is the owner's matter, but for heartbeats and refusals, which
 * are dealt with here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "link/dialler.h"

struct torap_buffer;
struct torap_error;
struct torap_zmtp_dialler;
struct torap_zmtp_turn;

struct kit_link_owner {
	void *hint;
	uint64_t *strange; /* counts messages that make no sense */
	/* The body of a hello; NULL: not now (memory). */
	struct torap_buffer *(*hello)(void *hint);
	/* False: it makes no sense.  May call any function below but _close. */
	bool (*on_message)(void *hint, uint32_t type, struct torap_bytes body);
	/* It flows now, or does not any more. */
	void (*on_change)(void *hint, bool up, const char *reason);
	/* Each 100 ms. */
	void (*on_tick)(void *hint);
};

struct kit_link { /* private */
	struct kit_link_owner owner;
	uv_loop_t *loop;
	const char *endpoint; /* borrowed */
	struct torap_zmtp_turn *turn;
	struct torap_zmtp_dialler *connection;
	struct torap_dialler dialler;
	uv_timer_t timer;
	bool closing;
	void (*on_closed)(void *hint);
};

/* Only makes it ready, so that kit_link_close() is right from here on. */
void kit_link_init(struct kit_link *l, uv_loop_t *loop, const struct kit_link_owner *owner);
/* Begins to dial; `endpoint` is borrowed until on_closed. */
int kit_link_open(struct kit_link *l, const char *endpoint, struct torap_error *err);
/* Nothing is heard of it any more.  on_closed runs, with the owner's hint, when the loop has let go of it. */
void kit_link_close(struct kit_link *l, void (*on_closed)(void *hint));

bool kit_link_up(const struct kit_link *l);
/* False: there is no connection that takes it.  After what must not wait for a silence to be noticed, and before the turn ends, say
 * kit_link_sent(); not from within a kit_ function, for that may give verdicts. */
bool kit_link_send(struct kit_link *l, uint32_t type, struct torap_buffer *body);
/* How sending went, for the dialler. */
void kit_link_sent(struct kit_link *l, bool sent);
/* The node's welcome is complete: the link flows. */
void kit_link_welcomed(struct kit_link *l);
/* What the node sent cannot be right: the link goes down, and comes again. */
void kit_link_break(struct kit_link *l);
