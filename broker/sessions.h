/* sessions.h: the peers that said hello. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker_session;
struct broker_sessions;

enum { BROKER_SESSIONS_MAX = 65536 };

struct broker_sessions *broker_sessions_create(void); /* NULL when memory ran out */
/* There is no session any more.  Accepts NULL, returns NULL. */
struct broker_sessions *broker_sessions_destroy(struct broker_sessions *all);

/* Owns it from here on. */
void broker_sessions_add(struct broker_sessions *all, struct broker_session *s);
bool broker_sessions_full(const struct broker_sessions *all);
/* Calls `each` for every session that has not ended. */
void broker_sessions_each(
	struct broker_sessions *all, void (*each)(void *hint, struct broker_session *s), void *hint);
/* NULL: it is not here in that lane. */
struct broker_session *broker_sessions_writer(
	const struct broker_sessions *all, const char *writer, uint8_t lane);
/* Frees those that ended.  Their connections are cut at once, or, of who was told why, a moment later. */
void broker_sessions_bury(struct broker_sessions *all);
