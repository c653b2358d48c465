/* give_back.h: a writer cannot read a manifest of its own any more: it gets it back, if it can be read here.
 *
 * It asks by a hole in an ACK, and is answered by a RUN of the one manifest.  The chain proves it there; what it is worth here does not matter. */
#pragma once

#include "base/bytes.h"
#include "base/time.h"

struct broker_session;
struct torap_error;

/* Of a writer's session.  All zero to begin with. */
struct broker_give_back {
	struct torap_mono next; /* not more often: what a writer can make us read is bounded */
};

/* The body of an ACK of a writer.  Answers its first question.  0, or -EBADMSG with the reason. */
int broker_give_back(struct broker_give_back *g, struct broker_session *s, struct torap_bytes ack,
	struct torap_error *err);
