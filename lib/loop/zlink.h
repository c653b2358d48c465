/* zlink.h: the dialling end of a link: one lane's connection (zmtp/dialler.h) to one of several peers, its dialler (link/dialler.h), its timer.
 *
 * Comes up, stays up and comes up again by itself, at the next peer after each failure.  What a message means is the owner's
 * matter: WELCOME, BATCH, RUN, HEAD and GRANT are handed over; heartbeats and refusals are dealt with here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/limits.h"
#include "link/dialler.h"
#include "wire/envelope.h"

struct torap_error;
struct torap_zlink;
struct torap_zmtp_turn;

struct torap_zlink_peer {
	char *name, *endpoint;
	uint8_t key[TORAP_CURVE_KEY_SIZE];
};

struct torap_zlink_options {
	uv_loop_t *loop;
	struct torap_zmtp_turn *turn; /* of that loop */
	uint8_t lane;
	/* Our own, borrowed until on_closed: read at each new connection, and may be others by then (torap_zlink_begin_anew_soon()). */
	const uint8_t *secret_key, *public_key;
	const struct torap_zlink_peer
		*peers; /* at least one; borrowed until on_closed or torap_zlink_redirect() */
	size_t peers_count;

	/* The owner's.  The body of a hello; NULL: not now (memory). */
	struct torap_buffer *(*hello)(void *hint, uint8_t lane);
	/* A message; `frames` are those after the envelope, borrowed.  May call any function below but _close. */
	void (*on_message)(void *hint, struct torap_zlink *l, const struct torap_envelope *envelope,
		struct torap_buffer **frames, size_t count);
	/* Its state is another than `before`.  May be NULL. */
	void (*on_change)(void *hint, struct torap_zlink *l, enum torap_dial_state before);
	void *hint;
};

int torap_zlink_open(
	struct torap_zlink **out, const struct torap_zlink_options *options, struct torap_error *err);
/* Accepts NULL (on_closed then runs at once). */
void torap_zlink_close(struct torap_zlink *l, void (*on_closed)(void *hint), void *hint);

uint8_t torap_zlink_lane(const struct torap_zlink *l);
/* Who is dialled, or was last. */
const struct torap_zlink_peer *torap_zlink_peer(const struct torap_zlink *l);
const struct torap_dialler *torap_zlink_dialler(const struct torap_zlink *l);
bool torap_zlink_flowing(const struct torap_zlink *l);

/* The welcome was taken: the link flows. */
void torap_zlink_welcomed(struct torap_zlink *l);
/* What the broker sent cannot be taken: the link goes down as after a refusal with this Torap__Refusal__Code. */
void torap_zlink_refuse(struct torap_zlink *l, int code);
/* Hangs up and says hello again, to the same peer, within 5 s, at random, so that not all links of a region do so at once: what the last
 * session was told is not good any more, or our key is another.  Until then the session goes on. */
void torap_zlink_begin_anew_soon(struct torap_zlink *l);
/* Other peers, borrowed as the first ones were, which are not needed any more.  Begins anew soon if its peer is not among them, with the
 * first of them; else the session goes on.  False: it goes on. */
bool torap_zlink_redirect(struct torap_zlink *l, const struct torap_zlink_peer *peers, size_t count);
/* A message of `type` with one body frame.  A send that fails is the dialler's matter. */
void torap_zlink_send(struct torap_zlink *l, uint32_t type, struct torap_buffer *body);
