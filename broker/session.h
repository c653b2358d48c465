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
#include "loop/zsocket.h"
#include "loop/ztraffic.h"

struct broker;
struct broker_door;
struct broker_feed;
struct broker_writer;
struct torap_buffer;

enum {
	BROKER_HEARTBEAT_MS = 1000,
	BROKER_DEAD_MS = 4000,
};

/* A connection that can be cut later.  Descriptors are used again, so the socket's inode tells whether it is still the same. */
struct broker_wire {
	int fd; /* -1: not known */
	uint64_t inode;
};
struct broker_wire broker_wire(int fd);
void broker_wire_cut(struct broker_wire wire); /* nothing happens when it is another connection by now */
/* False: not known, or another connection by now. */
bool broker_wire_traffic(struct broker_wire wire, struct torap_ztraffic *out);

struct broker_session {
	struct broker *broker;
	struct broker_session *next; /* of its bucket */
	struct broker_door *door;    /* where it came in; outlives it */
	uint8_t peer[TORAP_ZPEER_MAX];
	size_t peer_size;
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	struct broker_wire wire;
	uint8_t role, lane;
	char name[64]; /* of the writer or feed */
	char software[64];
	struct torap_pulse pulse;
	struct torap_wall since;
	struct broker_writer *writer;
	struct broker_feed *feed;
	bool ended;
	bool keep_wire;  /* the same connection goes on with another session */
	bool cut_later;  /* a refusal is under way: leave it a moment */
	const char *why; /* ended: a word for logs and events */
};

/* Sends a message of `type` with the body (NULL: none), which it gives back.  False: the peer is gone, and the session has ended. */
bool broker_session_send(struct broker_session *s, uint32_t type, struct torap_buffer *take_body);
/* Sends frames as they are. */
bool broker_session_send_frames(struct broker_session *s, struct torap_buffer *const *frames, size_t count);
/* Marks it as ended.  `code` is what the peer is told (0: nothing), `reason` is for people; `why` is a constant word. */
void broker_session_end(struct broker_session *s, const char *why, int code, const char *reason);
