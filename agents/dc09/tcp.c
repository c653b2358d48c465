#include "agents/dc09/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
	BACKLOG = 1024,
	READ_SIZE = 4096,  /* also what one panel that does not wait for answers makes us hold */
	UNSENT_MAX = 8192, /* answers that a panel does not read: it is none, or it is broken */
	KEEPALIVE_S = 60,
};

struct connection {
	uv_tcp_t handle;
	struct dc09_talk talk;
	struct dc09_tcp *tcp;
	struct connection *next, *previous;
	bool reading, closing;
	struct torap_mono ended; /* with answers that it has not read; 0: not yet */
};

struct dc09_tcp {
	struct dc09_agent *agent;
	uv_tcp_t listener;
	struct connection *connections;
	unsigned count;
	bool closed; /* the listener's handle is gone */
	char buffer[READ_SIZE];
};

struct write {
	uv_write_t request;
	size_t size;
	char bytes[];
};

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void free_when_empty(struct dc09_tcp *t)
{
	if (t->closed && !t->count)
		free(t);
}

static void on_connection_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct dc09_tcp *t = c->tcp;
	if (c->previous)
		c->previous->next = c->next;
	else
		t->connections = c->next;
	if (c->next)
		c->next->previous = c->previous;
	t->count--;
	free(c);
	free_when_empty(t);
}

static void hang_up(struct connection *c)
{
	if (c->closing)
		return;
	c->closing = true;
	dc09_agent_end(c->tcp->agent, &c->talk);
	uv_close((uv_handle_t *)&c->handle, on_connection_closed);
}

static void on_written(uv_write_t *request, int status)
{
	struct connection *c = request->handle->data;
	if (status < 0 && status != UV_ECANCELED)
		c->tcp->agent->unsent++;
	free(request->data);
	if (!c->closing && dc09_session_end(&c->talk.session) &&
		!uv_stream_get_write_queue_size(request->handle))
		hang_up(c);
}

/* Mostly the kernel takes a small answer at once; the rest is queued. */
static void send_reply(struct dc09_talk *talk, struct torap_bytes reply)
{
	struct connection *c = (struct connection *)((char *)talk - offsetof(struct connection, talk));
	uv_stream_t *stream = (uv_stream_t *)&c->handle;
	uv_buf_t buffer = uv_buf_init((char *)reply.data, (unsigned)reply.size);
	int sent = uv_stream_get_write_queue_size(stream) ? 0 : uv_try_write(stream, &buffer, 1);
	if (sent < 0)
		sent = 0; /* EAGAIN; a broken connection says so to the write below */
	if ((size_t)sent == reply.size)
		return;
	size_t rest = reply.size - (size_t)sent;
	struct write *w =
		uv_stream_get_write_queue_size(stream) < UNSENT_MAX ? malloc(sizeof *w + rest) : NULL;
	if (!w) {
		c->tcp->agent->unsent++;
		return;
	}
	w->size = rest;
	memcpy(w->bytes, reply.data + sent, rest);
	w->request.data = w;
	buffer = uv_buf_init(w->bytes, (unsigned)rest);
	if (uv_write(&w->request, stream, &buffer, 1, on_written)) {
		c->tcp->agent->unsent++;
		free(w);
	}
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct connection *c = handle->data;
	(void)suggested;
	*buffer = uv_buf_init(c->tcp->buffer, READ_SIZE);
}

/* It has said all, and does not read what it is told. */
static bool is_late(struct connection *c)
{
	struct torap_mono now = dc09_agent_now().mono;
	if (!c->ended.us)
		c->ended = now;
	return now.us - c->ended.us > c->tcp->agent->config.limits.cut_us;
}

/* Reads on when the session is hungry; closes when it is over and its answers are on their way. */
static void after(struct dc09_talk *talk)
{
	struct connection *c = (struct connection *)((char *)talk - offsetof(struct connection, talk));
	uv_stream_t *stream = (uv_stream_t *)&c->handle;
	if (c->closing)
		return;
	enum dc09_end end = dc09_session_end(&talk->session);
	if (end && (end != DC09_END_PANEL || !uv_stream_get_write_queue_size(stream) || is_late(c))) {
		hang_up(c);
		return;
	}
	bool hungry = dc09_session_hungry(&talk->session);
	if (hungry == c->reading)
		return;
	if (!hungry)
		uv_read_stop(stream);
	else if (uv_read_start(stream, on_allocate, on_read)) {
		hang_up(c);
		return;
	}
	c->reading = hungry;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct connection *c = stream->data;
	if (c->closing || !size)
		return;
	struct dc09_now now = dc09_agent_now();
	if (size > 0)
		dc09_session_bytes(&c->talk.session, torap_bytes(buffer->base, (size_t)size), now);
	else if (size == UV_EOF)
		dc09_session_hang_up(&c->talk.session, now);
	else {
		hang_up(c);
		return;
	}
	after(&c->talk);
}

static const struct dc09_talk_way way = { send_reply, after };

static struct connection *make_connection(struct dc09_tcp *t)
{
	struct connection *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	if (uv_tcp_init(t->agent->process->loop, &c->handle)) {
		free(c);
		return NULL;
	}
	c->handle.data = c;
	c->tcp = t;
	c->next = t->connections;
	if (c->next)
		c->next->previous = c;
	t->connections = c;
	t->count++;
	return c;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct dc09_tcp *t = listener->data;
	struct connection *c = status ? NULL : make_connection(t);
	if (!c) {
		t->agent->turned_away++;
		return;
	}
	bool room = t->count <= t->agent->config.connections_max;
	if (uv_accept(listener, (uv_stream_t *)&c->handle) || !room ||
		!dc09_agent_begin(t->agent, &c->talk, &way)) {
		t->agent->turned_away++;
		c->closing = true;
		uv_close((uv_handle_t *)&c->handle, on_connection_closed);
		return;
	}
	t->agent->connections++;
	uv_tcp_nodelay(&c->handle, 1);
	uv_tcp_keepalive(&c->handle, 1, KEEPALIVE_S);
	after(&c->talk); /* starts reading */
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct dc09_tcp *t = handle->data;
	t->closed = true;
	free_when_empty(t);
}

int dc09_tcp_open(struct dc09_tcp **out, struct dc09_agent *a, struct torap_error *err)
{
	struct dc09_tcp *t = calloc(1, sizeof *t);
	if (!t)
		return torap_errorf(err, -ENOMEM, "out of memory");
	t->agent = a;
	t->listener.data = t;
	int r = uv_tcp_init(a->process->loop, &t->listener);
	if (r) {
		free(t);
		return torap_errorf(err, r, "cannot make a socket: %s", uv_strerror(r));
	}
	r = uv_tcp_bind(&t->listener, (const struct sockaddr *)&a->config.tcp, 0);
	r = r ? r : uv_listen((uv_stream_t *)&t->listener, BACKLOG, on_connection);
	if (r) {
		torap_errorf(err, r, "cannot listen on TCP %s: %s", a->config.listen_tcp, uv_strerror(r));
		dc09_tcp_close(t);
		return r;
	}
	*out = t;
	return 0;
}

void dc09_tcp_close(struct dc09_tcp *t)
{
	if (!t)
		return;
	uv_close((uv_handle_t *)&t->listener, on_listener_closed);
	for (struct connection *c = t->connections; c; c = c->next)
		hang_up(c);
}

unsigned dc09_tcp_count(const struct dc09_tcp *t)
{
	return t ? t->count : 0;
}
