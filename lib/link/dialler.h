/* dialler.h: the end of a link that connects: node to broker, subscriber to broker.
 *
 * Does no I/O and reads no clock: it is given inputs with `now` and says what to do.  The same machine runs in the simulator. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum torap_dial_state {
	TORAP_DIAL_DOWN,     /* no connection, or none that answers; tries again by itself, without an end */
	TORAP_DIAL_GREETING, /* hello is on its way */
	TORAP_DIAL_FLOWING,
	TORAP_DIAL_REFUSED, /* the peer said no, for a reason that time alone does not mend; tries again slowly */
};

enum torap_dial_reason {
	TORAP_DIAL_NOT_YET,     /* has not connected since start */
	TORAP_DIAL_UNREACHABLE, /* no connection */
	TORAP_DIAL_NO_ANSWER,   /* connected, but hello was not answered */
	TORAP_DIAL_SILENT,      /* was flowing, then nothing came for dead_ms: half-open, stopped or cut */
	TORAP_DIAL_NO_SESSION,  /* the peer does not know us (it restarted) */
	TORAP_DIAL_BUSY,
	TORAP_DIAL_REPLACED, /* somebody else with our key took the session: a clone? */
	TORAP_DIAL_NOT_ADMITTED,
	TORAP_DIAL_BAD_SIGNATURE,
	TORAP_DIAL_BROKEN_CHAIN,
	TORAP_DIAL_VERSION,
	TORAP_DIAL_PROTOCOL,     /* the peer broke the contract, or says that we did */
	TORAP_DIAL_RECONFIGURED, /* we closed it ourselves */
	TORAP_DIAL_STALLED,      /* connected, its heart beats, and nothing moves */
	TORAP_DIAL_FINE,         /* with FLOWING only */
};
const char *torap_dial_state_name(enum torap_dial_state s);
const char *torap_dial_reason_name(enum torap_dial_reason r);

enum torap_dial_input {
	TORAP_DIAL_IN_TICK,  /* at least every 100 ms */
	TORAP_DIAL_IN_HEARD, /* any message from the peer, before its own input */
	TORAP_DIAL_IN_WELCOME,
	TORAP_DIAL_IN_OPEN,    /* the connection has been made: what was said over it is on its way */
	TORAP_DIAL_IN_LOST,    /* it could not be made, takes nothing, or has ended */
	TORAP_DIAL_IN_SENT,    /* any message was given to the connection */
	TORAP_DIAL_IN_REFUSED, /* a Refusal: code beside it */
	TORAP_DIAL_IN_BROKEN,  /* the peer's message cannot be right */
	TORAP_DIAL_IN_STALLED, /* what was sent is neither carried nor acknowledged */
	TORAP_DIAL_IN_CLOSE,   /* configuration changed: begin anew */
};

/* What to do now; any of them, in this order. */
struct torap_dial_out {
	bool reset;     /* drop the connection; what it held is gone */
	bool say_hello; /* send hello, over a new connection if there is none; then tell SENT or LOST */
	bool began;     /* flowing now: resume by the numbers of the welcome */
	bool ended;     /* not flowing any more */
	bool heartbeat; /* send one */
};

struct torap_dial_options {
	uint32_t heartbeat_ms; /* 1000: send one when nothing else was sent for so long */
	uint32_t dead_ms;      /* 4000: heard nothing for so long: half-open */
	uint32_t
		opening_ms; /* 10000: wait for the connection: five round trips, and perhaps a name server that is dead */
	uint32_t greeting_ms;  /* 3000: then for the welcome */
	uint32_t retry_ms_min; /* 100: first pause, doubled to… */
	uint32_t retry_ms_max; /* 5000, each with jitter of ±25 % */
	uint32_t refused_ms;   /* 5000: pause after a refusal */
};
extern const struct torap_dial_options torap_dial_defaults;

struct torap_dialler {
	const struct torap_dial_options *options;
	enum torap_dial_state state;
	enum torap_dial_reason reason;
	struct torap_mono since;           /* in this state */
	struct torap_mono greeted_at_once; /* for a NO_SESSION, the last time */
	struct torap_mono last_heard, last_sent, next_try;
	bool open;              /* the connection is there */
	uint32_t retry_ms;      /* next pause; a welcome makes it the smallest again… */
	bool told_busy;         /* …but not while the peer's last BUSY is younger than 10 s of flowing */
	uint64_t random;        /* of the jitter: seeded by the caller */
	uint64_t times_flowing; /* how often it came up */
};

void torap_dialler_init(struct torap_dialler *d, const struct torap_dial_options *options, uint64_t seed,
	struct torap_mono now);
/* `refusal` is a Torap__Refusal__Code, used with REFUSED only. */
void torap_dialler_step(struct torap_dialler *d, enum torap_dial_input in, int refusal, struct torap_mono now,
	struct torap_dial_out *out);
