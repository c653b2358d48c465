/* A socket's life on the loop: watched, looked at twice a turn, closed in two steps.
 *
 *     timers → idle → PREPARE (look; if there is something, start idle: the poll will not sleep) → poll → CHECK (look; report)
 *
 * The descriptor only ends the poll's sleep; what there is to do is told by ZMQ_EVENTS alone.  Whatever ran between two looks
 * (a timer, another socket's on_ready, a closing callback) may have sent on this socket and so swallowed the descriptor's
 * word: the look in PREPARE, after which only the poll comes, makes that harmless. */
#include "loop/zloop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/error.h"

enum { ZLOOP_HANDLES = 4 };

struct torap_zloop {
	void *socket;
	int wanted;
	torap_zloop_ready on_ready;
	void *hint;
	void (*on_closed)(void *hint);
	void *closed_hint;
	int open; /* handles that libuv still holds */
	uv_poll_t poll;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
};

/* What is wanted and there.  Reading ZMQ_EVENTS also empties the descriptor, which libuv polls by level. */
static int look(struct torap_zloop *z)
{
	int events = 0;
	size_t size = sizeof events;
	int r;
	do
		r = zmq_getsockopt(z->socket, ZMQ_EVENTS, &events, &size);
	while (r < 0 && errno == EINTR);
	assert(r == 0); /* Else the socket or its context was closed before its watcher. */
	return events & z->wanted;
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* Being active is all it does: the poll then does not sleep. */
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct torap_zloop *z = prepare->data;
	if (look(z))
		uv_idle_start(&z->idle, on_idle);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	/* It has ended the sleep; on_check follows in the same turn. */
	(void)poll, (void)status, (void)events;
}

static void on_check(uv_check_t *check)
{
	struct torap_zloop *z = check->data;
	uv_idle_stop(&z->idle);
	int events = look(z);
	if (events) /* It may close z; the memory stays until the end of this turn. */
		z->on_ready(z->hint, events);
}

int torap_zloop_watch(struct torap_zloop **out, uv_loop_t *loop, void *zmq_socket, torap_zloop_ready on_ready,
	void *hint, struct torap_error *err)
{
	int fd;
	size_t size = sizeof fd;
	if (zmq_getsockopt(zmq_socket, ZMQ_FD, &fd, &size) < 0)
		return torap_errorf(err, -errno, "cannot watch a ZeroMQ socket: %s", zmq_strerror(errno));

	struct torap_zloop *z = calloc(1, sizeof *z);
	if (!z)
		return torap_errorf(err, -ENOMEM, "cannot watch a ZeroMQ socket: out of memory");
	z->socket = zmq_socket;
	z->wanted = ZMQ_POLLIN;
	z->on_ready = on_ready;
	z->hint = hint;

	int r = uv_poll_init(loop, &z->poll, fd);
	if (r < 0) { /* The handle is not libuv's then. */
		free(z);
		return torap_errorf(err, r, "cannot watch a ZeroMQ socket: %s", uv_strerror(r));
	}
	uv_prepare_init(loop, &z->prepare);
	uv_check_init(loop, &z->check);
	uv_idle_init(loop, &z->idle);
	z->open = ZLOOP_HANDLES;
	z->poll.data = z->prepare.data = z->check.data = z->idle.data = z;

	r = uv_poll_start(&z->poll, UV_READABLE, on_poll);
	if (r < 0) {
		torap_zloop_close(z, NULL, NULL);
		return torap_errorf(err, r, "cannot watch a ZeroMQ socket: %s", uv_strerror(r));
	}
	uv_prepare_start(&z->prepare, on_prepare);
	uv_check_start(&z->check, on_check);
	*out = z;
	return 0;
}

void torap_zloop_events(struct torap_zloop *z, int zmq_events)
{
	z->wanted = zmq_events;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct torap_zloop *z = handle->data;
	if (--z->open > 0)
		return;
	void (*on_closed)(void *) = z->on_closed;
	void *hint = z->closed_hint;
	free(z);
	if (on_closed)
		on_closed(hint);
}

void torap_zloop_close(struct torap_zloop *z, void (*on_closed)(void *hint), void *hint)
{
	if (!z) {
		if (on_closed)
			on_closed(hint);
		return;
	}
	z->on_closed = on_closed;
	z->closed_hint = hint;
	uv_close((uv_handle_t *)&z->poll, on_handle_closed);
	uv_close((uv_handle_t *)&z->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&z->check, on_handle_closed);
	uv_close((uv_handle_t *)&z->idle, on_handle_closed);
}
