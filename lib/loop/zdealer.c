#include "loop/zdealer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/error.h"
#include "loop/zsocket.h"

struct torap_zdealer {
	void *socket;
	void *monitor; /* a PAIR that tells of connections made and lost */
	int fd;        /* by what was read of it so far; -1: no connection */
	struct torap_zloop *watch;
	void (*on_closed)(void *hint);
	void *closed_hint;
};

static int monitor(struct torap_zdealer *d, void *context)
{
	char name[64];
	int without_end = 0; /* A monitor whose queue is full would block libzmq's thread. */
	snprintf(name, sizeof name, "inproc://torap.monitor.%p", d->socket);
	if (zmq_socket_monitor(d->socket, name, ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED) < 0)
		return -1;
	d->monitor = zmq_socket(context, ZMQ_PAIR);
	return d->monitor && zmq_setsockopt(d->monitor, ZMQ_RCVHWM, &without_end, sizeof without_end) == 0
		       ? zmq_connect(d->monitor, name)
		       : -1;
}

int torap_zdealer_fd(struct torap_zdealer *d)
{
	for (;;) {
		/* zmq_socket_monitor(3): a frame of the event's number (16 bits) and its value (32 bits), and one of the endpoint. */
		uint8_t event[6], endpoint[1];
		if (zmq_recv(d->monitor, event, sizeof event, ZMQ_DONTWAIT) != sizeof event ||
			zmq_recv(d->monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT) < 0)
			return d->fd;
		uint16_t number;
		uint32_t value;
		memcpy(&number, event, sizeof number);
		memcpy(&value, event + sizeof number, sizeof value);
		d->fd = number == ZMQ_EVENT_CONNECTED ? (int)value : -1;
	}
}

static void finish(struct torap_zdealer *d)
{
	if (d->monitor) {
		zmq_socket_monitor(d->socket, NULL, 0); /* No event comes after this. */
		torap_zsocket_drop(torap_zdealer_fd(d));
		zmq_close(d->monitor);
	}
	torap_zsocket_close(d->socket);
	free(d);
}

int torap_zdealer_open(struct torap_zdealer **out, uv_loop_t *loop, void *context, const char *endpoint,
	const struct torap_zsocket_options *options, torap_zloop_ready on_ready, void *hint,
	struct torap_error *err)
{
	struct torap_zdealer *d = calloc(1, sizeof *d);
	if (!d)
		return torap_errorf(err, -ENOMEM, "cannot connect to %s: out of memory", endpoint);
	int r = -EIO;
	d->fd = -1;
	d->socket = torap_zsocket_dealer(context, endpoint, options, err);
	if (!d->socket)
		goto fail;
	if (monitor(d, context) < 0 || zmq_connect(d->socket, endpoint) < 0) {
		r = torap_errorf(err, -errno, "cannot connect to %s: %s", endpoint, zmq_strerror(errno));
		goto fail;
	}
	r = loop ? torap_zloop_watch(&d->watch, loop, d->socket, on_ready, hint, err) : 0;
	if (r)
		goto fail;
	*out = d;
	return 0;
fail:
	finish(d);
	return r;
}

void *torap_zdealer_socket(const struct torap_zdealer *d)
{
	return d->socket;
}

static void on_watch_closed(void *hint)
{
	struct torap_zdealer *d = hint;
	void (*on_closed)(void *) = d->on_closed;
	void *closed_hint = d->closed_hint;
	finish(d);
	if (on_closed)
		on_closed(closed_hint);
}

struct torap_zdealer *torap_zdealer_close(struct torap_zdealer *d, void (*on_closed)(void *hint), void *hint)
{
	if (!d) {
		if (on_closed)
			on_closed(hint);
		return NULL;
	}
	d->on_closed = on_closed;
	d->closed_hint = hint;
	torap_zloop_close(d->watch, on_watch_closed, d);
	return NULL;
}
