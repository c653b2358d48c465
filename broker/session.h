/* session.h: one peer that said hello: who it is, where its messages go, whether it is alive.
 *
 * A session is a writer's or a feed's; the other pointer is NULL.  It ends by broker_session_end(), which only marks it: the
 * sessions (sessions.h) bury it at the end of the turn, so that nobody loses the ground under their feet in the middle of a loop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"
#include "link/pulse.h"

struct broker;
struct broker_door;
struct broker_feed;
struct broker_writer;
struct torap_buffer;
struct torap_zmtp_peer;
struct torap_ztraffic;

enum {
	BROKER_HEARTBEAT_MS = 1000,
	BROKER_DEAD_MS = 4000,
};

struct broker_session {
	struct broker *broker;
	struct broker_session *previous, *next;
	struct broker_door *door; /* where it came in; outlives it */
	struct torap_zmtp_peer *
		peer; /* the connection, whose mark this session is; NULL: it has gone, or goes on without this session */
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	uint8_t role, lane;
	char name[64]; /* of the writer or feed */
	char software[64];
	struct torap_pulse pulse;
	struct torap_wall since;
	struct broker_writer *writer;
	struct broker_feed *feed;
	bool ended;
	bool cut_later;  /* a refusal is under way: leave it a moment */
	const char *why; /* ended: a word for logs and events */
};

/* Sends a message of `type` with the body (NULL: none), which it gives back.  False: the peer is gone, and the session has ended. */
bool broker_session_send(struct broker_session *s, uint32_t type, struct torap_buffer *take_body);
/* Sends frames as they are. */
bool broker_session_send_frames(struct broker_session *s, struct torap_buffer *const *frames, size_t count);
/* Marks it as ended.  `code` is what the peer is told (0: nothing), `reason` is for people; `why` is a constant word. */
void broker_session_end(struct broker_session *s, const char *why, int code, const char *reason);
/* The same, but the connection goes on: with another session, or until there is one. */
void broker_session_end_alone(struct broker_session *s, const char *why, int code, const char *reason);
/* The connection has ended. */
void broker_session_gone(struct broker_session *s);

/* False: there is no connection any more. */
bool broker_session_traffic(const struct broker_session *s, struct torap_ztraffic *out);
