/* dialler.h: a DEALER that dials one listener, once: over TCP with CURVE, or within the machine with NULL (listener.h).
 *
 * One connection, all on the process's loop; when to dial again is its owner's matter (link/dialler.h).  What is sent before it is open
 * waits, and what waits goes with it, so that nothing old ever comes over a new connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct torap_buffer;
struct torap_error;
struct torap_zmtp_dialler;
struct torap_zmtp_turn;

struct torap_zmtp_dial_options {
	struct torap_zmtp_turn *turn;
	/* CURVE; copied.  All NULL for ipc:// */
	const uint8_t *secret_key, *public_key; /* our own */
	const uint8_t *server_key;              /* of who listens */
	int buffer_bytes;                       /* SNDBUF and RCVBUF; 0: the system's */
	bool urgent;                            /* what it sends leaves before what others do */
	/* A whole message; the frames are borrowed.  May hang up. */
	void (*on_message)(void *hint, struct torap_buffer **frames, size_t count);
	/* It is open: what was said is on its way. */
	void (*on_open)(void *hint);
	/* It could not be made, or has ended: hang up.  Once, and never from within a function of this header.  `strange`: for what came over
	 * it can be no listener's of ours. */
	void (*on_gone)(void *hint, const char *why, bool strange);
	void *hint;
};

/* Begins to dial "tcp://HOST:PORT" or "ipc://PATH".  On failure *out is untouched. */
int torap_zmtp_dial(struct torap_zmtp_dialler **out, const char *endpoint,
	const struct torap_zmtp_dial_options *options, struct torap_error *err);
/* Frames as they are; NULL is an empty one.  False: no memory, it is gone, or 65,536 earlier ones, or 64 MiB, have not left. */
bool torap_zmtp_say(struct torap_zmtp_dialler *d, struct torap_buffer *const *frames, size_t count);
/* The descriptor, for ztraffic.h; -1: none. */
int torap_zmtp_dialler_fd(const struct torap_zmtp_dialler *d);
/* Nothing is heard of it any more, and what waits is not sent.  The memory is freed when libuv has let go of it.  Accepts NULL.  Returns
 * NULL, so that no pointer outlives it. */
struct torap_zmtp_dialler *torap_zmtp_hang_up(struct torap_zmtp_dialler *d);
