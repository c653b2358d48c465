/* session.h: the talk with one panel: a TCP connection, or one datagram.  No I/O, no clock.
 *
 * Bytes go in.  Each message is offered through the port, and stays pending until its verdict: taken, and the panel hears an ACK;
 * refused, or no verdict in time, and it hears nothing, so that it repeats or uses its other path.  Answers keep the order of the
 * messages.  At most DC09_PENDING_MAX messages are pending; then the session is not hungry, and what it was fed waits.
 *
 * It ends by itself: a panel that never says anything we understand, half a message and silence, garbage, 26 h of nothing.  After
 * an ACK it stays open: the panel closes, for a connection closed too soon costs the ACK. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/dc09/counters.h"
#include "agents/dc09/crypt.h"
#include "agents/dc09/message.h"
#include "agents/dc09/splitter.h"
#include "agents/dc09/text.h"
#include "base/time.h"

enum { DC09_PENDING_MAX = 8 };

struct dc09_now {
	struct torap_mono mono;
	struct torap_wall wall;
};

struct dc09_limits {
	int64_t idle_us;      /* nothing came for so long: the connection is dead */
	int64_t first_us;     /* no message at all since it began: not a panel */
	int64_t cut_us;       /* half a message, and the rest does not come */
	int64_t answer_us;    /* a verdict later than this answers nobody: the panel repeats by now */
	uint64_t noise_bytes; /* since the last message: not a panel */
};
extern const struct dc09_limits dc09_limits_default;

/* What the registry and the key file say of an account. */
struct dc09_account {
	enum dc09_code_page code_page;
	struct dc09_key key; /* size 0: none */
};

struct dc09_session;

/* The session's way out.  None of these may call back into the session. */
struct dc09_port {
	void *hint;
	/* Unknown accounts get zeros. */
	void (*account)(void *hint, const char *account, struct dc09_account *out);
	/* Hands the message on.  Gives how many verdicts will come for `ticket`; 0: not taken. */
	unsigned (*offer)(void *hint, struct dc09_session *s, uint64_t ticket, const struct dc09_message *m,
		const struct dc09_account *account, struct dc09_now now);
	void (*send)(void *hint, struct dc09_session *s, struct torap_bytes reply);
};

enum dc09_end {
	DC09_GOES_ON,
	DC09_END_IDLE,
	DC09_END_NEVER_SPOKE,
	DC09_END_CUT_SHORT,
	DC09_END_NOISE,
	DC09_END_PANEL, /* the panel will say no more, and all answers are given */
	DC09_END_BROKEN,
	DC09_ENDS,
};
const char *dc09_end_name(enum dc09_end end);

struct dc09_pending; /* a message that waits for its verdicts */

struct dc09_session {
	const struct dc09_port *port;
	const struct dc09_limits *limits;
	struct dc09_counters *counters;
	struct dc09_splitter splitter;
	struct dc09_pending *oldest, *newest;
	unsigned pending_count;
	uint64_t next_ticket;
	uint64_t random;                                 /* of the pads */
	uint64_t noise_before, wrong_before;             /* splitter.noise and .wrong at the last message */
	struct torap_mono began, last_bytes, half_since; /* the last: since when half a message waits */
	bool spoke;                                      /* a frame with a right CRC came */
	bool hung_up;                                    /* no more bytes will come */
	enum dc09_end end;
};

/* Borrows port, limits and counters for its life.  `random` seeds the pads of its encrypted answers. */
void dc09_session_init(struct dc09_session *s, const struct dc09_port *port, const struct dc09_limits *limits,
	struct dc09_counters *counters, uint64_t random, struct torap_mono now);
void dc09_session_finish(struct dc09_session *s);

void dc09_session_bytes(struct dc09_session *s, struct torap_bytes bytes, struct dc09_now now);
/* The panel closed its side, or the datagram is at its end. */
void dc09_session_hang_up(struct dc09_session *s, struct dc09_now now);
/* The verdict on one observation of a message; a ticket that is not known any more came too late and is ignored. */
void dc09_session_verdict(struct dc09_session *s, uint64_t ticket, bool taken, struct dc09_now now);
/* At least once a second. */
void dc09_session_tick(struct dc09_session *s, struct dc09_now now);

/* May more bytes be fed?  When not, wait for verdicts. */
bool dc09_session_hungry(const struct dc09_session *s);
static inline enum dc09_end dc09_session_end(const struct dc09_session *s)
{
	return s->end;
}
