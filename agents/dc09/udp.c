#include "agents/dc09/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { READ_SIZE = 64 << 10, RECEIVE_BUFFER = 4 << 20 };

struct datagram {
	struct dc09_talk talk;
	struct dc09_udp *udp;
	struct sockaddr_storage from;
	struct datagram *next, *previous;
};

struct dc09_udp {
	struct dc09_agent *agent;
	uv_udp_t socket;
	struct datagram *datagrams;
	unsigned count;
	char buffer[READ_SIZE];
};

static void forget(struct datagram *d)
{
	struct dc09_udp *u = d->udp;
	dc09_agent_end(u->agent, &d->talk);
	if (d->previous)
		d->previous->next = d->next;
	else
		u->datagrams = d->next;
	if (d->next)
		d->next->previous = d->previous;
	u->count--;
	free(d);
}

/* An answer that the kernel does not take now is not sent later: the panel repeats. */
static void send_reply(struct dc09_talk *talk, struct torap_bytes reply)
{
	struct datagram *d = (struct datagram *)((char *)talk - offsetof(struct datagram, talk));
	uv_buf_t buffer = uv_buf_init((char *)reply.data, (unsigned)reply.size);
	if (uv_udp_try_send(&d->udp->socket, &buffer, 1, (const struct sockaddr *)&d->from) < 0)
		d->udp->agent->unsent++;
}

static void after(struct dc09_talk *talk)
{
	struct datagram *d = (struct datagram *)((char *)talk - offsetof(struct datagram, talk));
	if (dc09_session_end(&talk->session))
		forget(d);
}

static const struct dc09_talk_way way = { send_reply, after };

static struct datagram *make_datagram(struct dc09_udp *u, const struct sockaddr *from)
{
	struct datagram *d = u->count < u->agent->config.datagrams_max ? calloc(1, sizeof *d) : NULL;
	if (!d)
		return NULL;
	if (!dc09_agent_begin(u->agent, &d->talk, &way)) {
		free(d);
		return NULL;
	}
	d->udp = u;
	memcpy(&d->from, from,
		from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	d->next = u->datagrams;
	if (d->next)
		d->next->previous = d;
	u->datagrams = d;
	u->count++;
	return d;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct dc09_udp *u = handle->data;
	(void)suggested;
	*buffer = uv_buf_init(u->buffer, READ_SIZE);
}

static void on_receive(
	uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer, const struct sockaddr *from, unsigned flags)
{
	struct dc09_udp *u = socket->data;
	if (size <= 0 || !from || flags & UV_UDP_PARTIAL)
		return; /* An ICMP error of an earlier answer, or an empty datagram. */
	u->agent->datagrams++;
	struct datagram *d = make_datagram(u, from);
	if (!d) {
		u->agent->datagrams_dropped++;
		return;
	}
	struct dc09_now now = dc09_agent_now();
	dc09_session_bytes(&d->talk.session, torap_bytes(buffer->base, (size_t)size), now);
	dc09_session_hang_up(&d->talk.session, now);
	after(&d->talk);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int dc09_udp_open(struct dc09_udp **out, struct dc09_agent *a, struct torap_error *err)
{
	struct dc09_udp *u = calloc(1, sizeof *u);
	if (!u)
		return torap_errorf(err, -ENOMEM, "out of memory");
	u->agent = a;
	u->socket.data = u;
	int r = uv_udp_init(a->process->loop, &u->socket);
	if (r) {
		free(u);
		return torap_errorf(err, r, "cannot make a socket: %s", uv_strerror(r));
	}
	r = uv_udp_bind(&u->socket, (const struct sockaddr *)&a->config.udp, 0);
	r = r ? r : uv_udp_recv_start(&u->socket, on_allocate, on_receive);
	if (r) {
		torap_errorf(err, r, "cannot listen on UDP %s: %s", a->config.listen_udp, uv_strerror(r));
		dc09_udp_close(u);
		return r;
	}
	int room = RECEIVE_BUFFER; /* A wish: the kernel gives what it allows. */
	uv_recv_buffer_size((uv_handle_t *)&u->socket, &room);
	*out = u;
	return 0;
}

void dc09_udp_close(struct dc09_udp *u)
{
	if (!u)
		return;
	while (u->datagrams)
		forget(u->datagrams);
	uv_close((uv_handle_t *)&u->socket, on_closed);
}

unsigned dc09_udp_count(const struct dc09_udp *u)
{
	return u ? u->count : 0;
}
