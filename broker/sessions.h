/* sessions.h: the peers that said hello, by door and routing id, and the connections of those whose session ended, until they are cut. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct broker_door;
struct broker_session;
struct broker_sessions;

enum { BROKER_SESSIONS_MAX = 65536 };

struct broker_sessions *broker_sessions_create(void); /* NULL when memory ran out */
/* Cuts what is left of connections.  There is no session any more.  Accepts NULL, returns NULL. */
struct broker_sessions *broker_sessions_destroy(struct broker_sessions *all);

/* Of the connection; NULL: it has none. */
struct broker_session *broker_sessions_find(
	const struct broker_sessions *all, const struct broker_door *door, const uint8_t *peer, size_t size);
/* Owns it from here on, and finds it before an older one of the same connection. */
void broker_sessions_add(struct broker_sessions *all, struct broker_session *s);
bool broker_sessions_full(const struct broker_sessions *all);
/* Calls `each` for every session that has not ended. */
void broker_sessions_each(
	struct broker_sessions *all, void (*each)(void *hint, struct broker_session *s), void *hint);
/* NULL: it is not here in that lane. */
struct broker_session *broker_sessions_writer(
	const struct broker_sessions *all, const char *writer, uint8_t lane);
/* Frees those that ended.  Their connections are cut at once, or, of who was told why, a moment later. */
void broker_sessions_bury(struct broker_sessions *all, struct torap_mono now);
/* Several times a second: cuts those whose moment has come. */
void broker_sessions_tick(struct broker_sessions *all, struct torap_mono now);
