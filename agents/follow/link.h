/* link.h: one lane's connection to one of the brokers: a DEALER, its dialler (lib/link), its timer.
 *
 * Comes up, stays up and comes up again by itself, at the next broker after each failure.  What a message means is the owner's
 * matter: WELCOME, BATCH, RUN, HEAD and GRANT are handed over; heartbeats and refusals are dealt with here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "agents/follow/config.h"
#include "link/dialler.h"
#include "wire/envelope.h"

struct torap_error;
struct follow_link;

struct follow_link_owner {
	/* The body of a hello.  NULL: not now (memory). */
	struct torap_buffer *(*hello)(void *hint, uint8_t lane);
	/* A message; `frames` are those after the envelope, borrowed.  May call any function below but _close. */
	void (*on_message)(void *hint, struct follow_link *l, const struct torap_envelope *envelope,
		struct torap_buffer **frames, size_t count);
	void *hint;
};

int follow_link_open(struct follow_link **out, uv_loop_t *loop, void *zmq_context, uint8_t lane,
	const struct follow_config *config, const struct follow_link_owner *owner, struct torap_error *err);
/* Accepts NULL (on_closed then runs at once). */
void follow_link_close(struct follow_link *l, void (*on_closed)(void *hint), void *hint);

uint8_t follow_link_lane(const struct follow_link *l);
const struct follow_broker *follow_link_broker(const struct follow_link *l);
const struct torap_dialler *follow_link_dialler(const struct follow_link *l);
bool follow_link_flowing(const struct follow_link *l);

/* The welcome was taken: the link flows. */
void follow_link_welcomed(struct follow_link *l);
/* What the broker sent cannot be taken: the link goes down as after a refusal with this Torap__Refusal__Code. */
void follow_link_refuse(struct follow_link *l, int code);
/* A message of `type` with one body frame.  A send that fails is the dialler's matter. */
void follow_link_send(struct follow_link *l, uint32_t type, struct torap_buffer *body);
