/* zloop.h: ZeroMQ sockets on the libuv loop.  Nobody else touches ZMQ_FD.
 *
 * ZMQ_FD is edge-triggered and speaks once; any zmq_send or zmq_msg_recv may swallow its word (ZMQ_EVENTS must be read again after
 * every operation).  So a watcher, like flux-core's, looks at ZMQ_EVENTS before each poll of the loop (uv_prepare), keeps the
 * loop from sleeping while there is something (uv_idle), and reports in uv_check. */
#pragma once

#include <uv.h>

struct torap_error;
struct torap_zloop; /* one watched socket */

/* Something can be received, or a send that was refused may go through.  The callee takes at most TORAP_ZLOOP_BURST messages, with
 * ZMQ_DONTWAIT, and returns; what is left is reported again in the next turn. */
typedef void (*torap_zloop_ready)(void *hint, int zmq_events);

enum { TORAP_ZLOOP_BURST = 64 };

int torap_zloop_watch(struct torap_zloop **out, uv_loop_t *loop, void *zmq_socket, torap_zloop_ready on_ready,
	void *hint, struct torap_error *err);
/* Which of ZMQ_POLLIN | ZMQ_POLLOUT to report.  To begin with: ZMQ_POLLIN. */
void torap_zloop_events(struct torap_zloop *z, int zmq_events);
/* Stops watching at once.  The memory is freed when libuv has let go of it; on_closed (or NULL) then runs: close the socket there
 * or later, never before.  Accepts NULL. */
void torap_zloop_close(struct torap_zloop *z, void (*on_closed)(void *hint), void *hint);
