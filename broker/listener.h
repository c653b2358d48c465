/* listener.h: the broker's doors (door.h): messages in, to the session that they belong to; sessions by door and routing id.
 *
 * A peer begins with a hello.  A session is (CURVE key, role, lane): a newer hello replaces the older session, so that one key has at
 * most six; the total is bounded, too.  Anything else from a peer without a session is answered by NO_SESSION. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct broker;
struct broker_door;
struct broker_doors_wish;
struct broker_listener;
struct broker_session;
struct torap_error;

enum {
	BROKER_SESSIONS_MAX = 65536,
	BROKER_HEARTBEAT_MS = 1000,
	BROKER_DEAD_MS = 4000,
};

int broker_listener_open(struct broker_listener **out, struct broker *b, const struct broker_doors_wish *wish,
	struct torap_error *err);
/* Ends every session and stops watching at once; frees itself on the loop.  Accepts NULL. */
void broker_listener_close(struct broker_listener *l);

/* SIGHUP, in two steps.  Opens the doors that are wished and not there; on failure nothing has changed. */
int broker_listener_prepare(
	struct broker_listener *l, const struct broker_doors_wish *wish, struct torap_error *err);
/* `take`: they are in force, and those that are not wished end.  Else they are closed again. */
void broker_listener_settle(struct broker_listener *l, const struct broker_doors_wish *wish, bool take);
/* The doors, those that are ending too. */
const struct broker_door *broker_listener_doors(const struct broker_listener *l);

/* Calls `each` for every session that has not ended. */
void broker_listener_each(
	struct broker_listener *l, void (*each)(void *hint, struct broker_session *s), void *hint);
struct broker_session *broker_listener_writer(struct broker_listener *l, const char *writer, uint8_t lane);
/* Heartbeats, silence, connections that are to be cut. */
void broker_listener_tick(struct broker_listener *l, struct torap_mono now);
/* Frees the sessions that ended. */
void broker_listener_bury(struct broker_listener *l, struct torap_mono now);
