/* listener.h: the broker's doors (door.h): messages in, to the session (sessions.h) that they belong to.
 *
 * A peer begins with a hello.  A session is (CURVE key, role, lane): a newer hello replaces the older session, so that one key has at
 * most six.  Anything else from a peer without a session is answered by NO_SESSION. */
#pragma once

#include <stdbool.h>

#include "base/time.h"

struct broker;
struct broker_door;
struct broker_doors_wish;
struct broker_listener;
struct torap_error;

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

/* Heartbeats, silence, connections that are to be cut, doors that close. */
void broker_listener_tick(struct broker_listener *l, struct torap_mono now);
