/* connection.h: one ZMTP 3.1 connection (ZeroMQ RFC 37): bytes to messages, messages to bytes.
 *
 * As a ROUTER does it towards a DEALER, or the other way round; with CURVE (RFC 25, 26), or NULL within a machine.  No I/O, no clock: who owns
 * it carries the bytes and knows when a handshake takes too long.  Until a key is admitted a stranger costs a kilobyte; a frame that is not
 * whole yet costs what has come of it; and when a message is whole nothing of it stays here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "zmtp/curve.h"

enum {
	TORAP_ZMTP_FRAMES_MAX = TORAP_BATCH_FRAMES_MAX + 4, /* of a message */
	TORAP_ZMTP_QUEUE_MAX =
		1 << 16, /* messages that wait: above any window, which is bytes, and none is below 300 */
	TORAP_ZMTP_QUEUED_BYTES_MAX = 64 << 20, /* of them; one alone may be larger */
};

struct torap_zmtp_item;
struct torap_zmtp_connection;

/* What all connections of a listener, or that of one who dials, are to be like.  Borrowed by each. */
struct torap_zmtp_manners {
	bool dials;                           /* a DEALER; else a ROUTER */
	bool plain;                           /* NULL; else CURVE: */
	struct torap_curve_keys keys;         /* our own */
	uint8_t server[TORAP_CURVE_KEY_SIZE]; /* dials: whom */
	/* Listens: may who holds this key's secret (NULL when plain) go on?  If not the connection hears nothing more, and is to be ended when
	 * its time for a handshake is over: libzmq's dialler then asks again, which it would never do after an ERROR. */
	bool (*admit)(struct torap_zmtp_connection *c, const uint8_t *key);
	/* Dials: it is open now. */
	void (*on_open)(struct torap_zmtp_connection *c);
	/* A whole message; the frames are borrowed.  May call torap_zmtp_put() and torap_zmtp_end(). */
	void (*on_message)(struct torap_zmtp_connection *c, struct torap_buffer **frames, size_t count);
};

enum torap_zmtp_state {
	TORAP_ZMTP_GREETING, /* what is awaited */
	TORAP_ZMTP_HELLO,    /* who listens */
	TORAP_ZMTP_INITIATE,
	TORAP_ZMTP_WELCOME, /* who dials */
	TORAP_ZMTP_READY,   /* who dials, and both when plain */
	TORAP_ZMTP_REFUSED, /* the key was not admitted */
	TORAP_ZMTP_OPEN,
	TORAP_ZMTP_ENDED, /* nothing is taken or given any more */
};

struct torap_zmtp_connection {
	const struct torap_zmtp_manners *manners;
	enum torap_zmtp_state state;
	struct torap_curve curve;
	struct torap_curve_opening *opening; /* until it is open */
	bool known;                          /* the owner's: a message may be as large as a batch */

	/* In. */
	uint8_t header[9]; /* of the frame that comes */
	uint8_t header_size;
	struct torap_buffer *body; /* it, when it does not lie whole in what was read */
	size_t body_filled;
	struct torap_buffer **frames; /* of the message that comes */
	size_t frames_count, frames_room, frames_bytes;

	/* Out. */
	struct torap_zmtp_item *first, *last;
	size_t queued, queued_bytes;
	size_t at; /* the next frame of the first */
};

/* Puts the greeting.  0 or -ENOMEM; finish it in any case. */
int torap_zmtp_begin(struct torap_zmtp_connection *c, const struct torap_zmtp_manners *manners);
void torap_zmtp_finish(struct torap_zmtp_connection *c);
/* For callbacks: what is left of the bytes just taken is not looked at. */
void torap_zmtp_end(struct torap_zmtp_connection *c);

/* Bytes came; they may be overwritten.  Takes them until it has taken as many whole frames as *frames says: *data and *size are then what is left,
 * to be given again before any others, and *frames is what is left of those.  NULL, or why the connection cannot go on (a constant). */
const char *torap_zmtp_take(struct torap_zmtp_connection *c, uint8_t **data, size_t *size, unsigned *frames);
/* Where the rest of a large frame is wanted, so that it is not copied: read there, and say how much came.  NULL: nowhere. */
uint8_t *torap_zmtp_room(struct torap_zmtp_connection *c, size_t *out_size);
const char *torap_zmtp_filled(struct torap_zmtp_connection *c, size_t size);

/* Takes references; NULL is an empty frame.  Before it is open messages wait.  0, -ENOMEM, or -ENOBUFS: too many wait. */
int torap_zmtp_put(struct torap_zmtp_connection *c, struct torap_buffer *const *frames, size_t count);
/* Is there something to be filled? */
bool torap_zmtp_waiting(const struct torap_zmtp_connection *c);
/* Appends what waits, sealed, frame by frame, until `out` holds `enough`.  0 or -ENOMEM, after which the connection cannot go on. */
int torap_zmtp_fill(struct torap_zmtp_connection *c, struct torap_writer *out, size_t enough);
