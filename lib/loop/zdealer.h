/* zdealer.h: a DEALER that dials one endpoint, and can be closed at any moment.
 *
 * libzmq 4.3.4 aborts the process when a connection breaks while its socket is being closed and a message stands half written
 * (session_base.cpp, clean_pipes): a broker that dies just when a node hangs up would take the node with it.  So it knows by a
 * monitor which connection it has, and cuts it before it closes the socket; a short LINGER keeps the rest of that message
 * readable to libzmq until it has noticed. */
#pragma once

#include <uv.h>

#include "loop/zloop.h"

struct torap_error;
struct torap_zsocket_options;
struct torap_zdealer;

/* The socket reconnects by itself, 100 ms to 2 s apart; one that was refused asks again every 5 s.  It takes messages also
 * while it has no connection, and keeps those that a lost connection had not taken: the peer that then gets them knows no session, and
 * says so.  Only a new dialler is empty.  on_ready as in zloop.h; without a loop (NULL) nobody watches, and the caller polls.  On failure
 * *out is untouched. */
int torap_zdealer_open(struct torap_zdealer **out, uv_loop_t *loop, void *context, const char *endpoint,
	const struct torap_zsocket_options *options, torap_zloop_ready on_ready, void *hint,
	struct torap_error *err);
/* For torap_zmessage_send() and _receive(). */
void *torap_zdealer_socket(const struct torap_zdealer *d);
/* The descriptor of the connection that there is, -1 when there is none.  It may have ended by itself a moment ago: look, and do no harm. */
int torap_zdealer_fd(struct torap_zdealer *d);
/* Nothing is heard of it any more.  The socket is closed when the loop has let go of it (at once if it has none); on_closed
 * (or NULL) then runs.  Accepts NULL.  Returns NULL, so that no pointer outlives it. */
struct torap_zdealer *torap_zdealer_close(struct torap_zdealer *d, void (*on_closed)(void *hint), void *hint);
