/* zsocket.h: the sockets of DESIGN.md, "Links", and whole messages on them.
 *
 * All sends and receives are non-blocking.  A short LINGER, MAXMSGSIZE TORAP_MESSAGE_SIZE_MAX, TCP keep-alive on; dialler
 * DEALER (zdealer.h); listener ROUTER with MANDATORY and a send mark above any window. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/limits.h"

struct torap_error;

struct torap_zsocket_options {
	/* CURVE, for a dialler; all NULL for ipc://.  Borrowed for the call. */
	const uint8_t *secret_key, *public_key; /* our own, 32 bytes */
	const uint8_t *server_key;              /* the listener's public key */
	int buffer_bytes;                       /* SNDBUF and RCVBUF; 0: the system's */
};

/* Is it an endpoint as libzmq understands it?  Where ZeroMQ is lenient (it takes port 99999 for 34463) this is not.  0 or -EINVAL with err
 * (or NULL). */
int torap_zsocket_check(const char *endpoint, struct torap_error *err);
/* Is it one to listen at over TCP?  libzmq looks up no name there, and would say "no such device".  0 or -EINVAL with err. */
int torap_zsocket_check_listen(const char *endpoint, struct torap_error *err);

/* For zdealer.h alone: a DEALER that is not connected yet, NULL on failure. */
void *torap_zsocket_dealer(void *context, const char *endpoint, const struct torap_zsocket_options *options,
	struct torap_error *err);
/* Returns the ZeroMQ socket; close it with torap_zsocket_close() after its zloop watcher.  NULL on failure.  It takes no
 * keys: with CURVE listens zmtp/listener.h.  An ipc:// path gets mode 0660
 * and an old socket file is replaced; a file that is no socket is not. */
void *torap_zsocket_listen(void *context, const char *endpoint, const struct torap_zsocket_options *options,
	struct torap_error *err);
void torap_zsocket_close(void *socket); /* accepts NULL */
/* The endpoint that a listener really has ("tcp://127.0.0.1:41234" after asking for port 0). */
bool torap_zsocket_endpoint(void *socket, char *text, size_t size);

enum { TORAP_ZMESSAGE_FRAMES_MAX = TORAP_BATCH_FRAMES_MAX + 4, TORAP_ZPEER_MAX = 32 };

struct torap_zmessage {
	struct torap_buffer
		*frames[TORAP_ZMESSAGE_FRAMES_MAX]; /* each a reference; zero-copy over the ZeroMQ message */
	size_t count;
	uint8_t peer[TORAP_ZPEER_MAX]; /* ROUTER only: the routing id, taken off the front */
	size_t peer_size;
};

enum torap_zsocket_answer {
	TORAP_ZSOCKET_NONE = 1, /* nothing to receive */
	TORAP_ZSOCKET_BAD,      /* received and dropped: too many frames, none, or too long a routing id */
	TORAP_ZSOCKET_GONE,     /* not sent: no such peer, no connection, or its pipe is full */
};

/* Does not need an init; on 0 the caller finishes it. */
int torap_zmessage_receive(struct torap_zmessage *m, void *socket, bool is_router);
void torap_zmessage_finish(struct torap_zmessage *m);
/* Sends all or nothing.  `peer` is NULL and 0 for a DEALER.  A NULL frame is sent empty.  The buffers stay the caller's; references
 * are taken, bytes are not copied (small frames may be). */
int torap_zmessage_send(void *socket, const uint8_t *peer, size_t peer_size,
	struct torap_buffer *const *frames, size_t count);

/* Ends a TCP connection: both ends notice at once.  libzmq may have closed the descriptor and given its number to a newer one
 * meanwhile; the worst is then that this is dialled again, and resumes. */
void torap_zsocket_drop(int fd);
