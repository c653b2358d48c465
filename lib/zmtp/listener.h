/* listener.h: listens for ZeroMQ's DEALERs and speaks ZMTP to them (connection.h): over TCP with CURVE, or within the machine with NULL.
 *
 * What a ROUTER of libzmq would do, at a tenth of its memory for a peer, without a thread in between, and with a word when a peer has
 * gone.  README.md says why.  What is sent in one turn of the loop leaves at its end, in few writes; urgent peers go first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct torap_buffer;
struct torap_error;
struct torap_zmtp_listener;
struct torap_zmtp_turn;
struct torap_zmtp_peer; /* lives until on_gone or torap_zmtp_cut() */

/* Of one listener or several. */
struct torap_zmtp_counts {
	uint64_t connections; /* now */
	uint64_t accepted;
	uint64_t refused; /* handshakes with a key that was not admitted */
	uint64_t
		broken; /* connections that ended because of what the peer sent, or of a handshake that took too long */
};

struct torap_zmtp_options {
	struct torap_zmtp_turn *turn;           /* its loop is ours, too */
	const uint8_t *secret_key, *public_key; /* CURVE, our own; copied.  NULL for ipc:// */
	struct torap_zmtp_counts *counts;       /* borrowed */
	/* May who holds this key's secret come in?  Not asked over ipc://, where the file's mode says it.  `address` is an IP address, for logs.  Who may not asks again every 5 s. */
	bool (*admit)(void *hint, const uint8_t key[static TORAP_CURVE_KEY_SIZE], const char *address);
	/* A whole message; the frames are borrowed.  May send to any peer and cut any. */
	void (*on_message)(
		void *hint, struct torap_zmtp_peer *peer, struct torap_buffer **frames, size_t count);
	/* A peer that was admitted has gone. */
	void (*on_gone)(void *hint, struct torap_zmtp_peer *peer);
	/* Once a turn of the loop in which any of the two was called.  May be NULL. */
	void (*on_turn)(void *hint);
	void *hint;
};

/* `endpoint` as endpoint.h lets it pass: over TCP, or "ipc://PATH", whose file gets mode 0660; an old socket there is replaced, one that
 * somebody listens at, or another file, is not.  On failure *out is untouched. */
int torap_zmtp_listen(struct torap_zmtp_listener **out, const char *endpoint,
	const struct torap_zmtp_options *options, struct torap_error *err);
/* The TCP endpoint that it really has ("tcp://127.0.0.1:41234" after asking for port 0). */
void torap_zmtp_endpoint(const struct torap_zmtp_listener *l, char *text, size_t size);
/* Sends what the kernel takes of what waits (2 MiB at most), and cuts every peer without a word (no on_gone).  The memory is freed when libuv has let go of
 * it; on_closed (or NULL) then runs.  Accepts NULL. */
void torap_zmtp_close(struct torap_zmtp_listener *l, void (*on_closed)(void *hint), void *hint);

const uint8_t *torap_zmtp_key(const struct torap_zmtp_peer *p);
/* The owner's mark: NULL to begin with.  A peer without one is cut after 10 s, and may send no more than a megabyte at once. */
void *torap_zmtp_mark(const struct torap_zmtp_peer *p);
void torap_zmtp_set_mark(struct torap_zmtp_peer *p, void *mark);
/* Its messages leave before those of others, from the next on. */
void torap_zmtp_set_urgent(struct torap_zmtp_peer *p, bool urgent);
/* The descriptor, for ztraffic.h. */
int torap_zmtp_fd(const struct torap_zmtp_peer *p);
/* Frames as they are; NULL is an empty one.  False: no memory, or the peer has not taken 65,536 earlier ones, or 64 MiB; it is best cut. */
bool torap_zmtp_send(struct torap_zmtp_peer *p, struct torap_buffer *const *frames, size_t count);
/* Messages that it has not taken yet. */
size_t torap_zmtp_queued(const struct torap_zmtp_peer *p);
/* Its owner could not read what it sent.  How often that was so, with this time. */
unsigned torap_zmtp_fault(struct torap_zmtp_peer *p);
/* Nothing is heard of it any more.  The connection ends at once, or after a while (what was sent to it may then still reach it). */
void torap_zmtp_cut(struct torap_zmtp_peer *p, unsigned after_ms);
