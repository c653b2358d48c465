/* A stream is on the list until its session is over; then its handles are closed, and what is left of it goes with the last of them. */
#include "agents/rtsp/talk/stream.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agents/rtsp/talk/ports.h"
#include "agents/rtsp/talk/tls.h"
#include "base/error.h"
#include "loop/app.h"

enum {
	UNSENT_MAX = 64 << 10,
	RATED_US = 1000 * TORAP_US_PER_MS, /* how often it is seen how much a camera sends */
	AT_ONCE = 4, /* so many times a second it is read: less often than it sends pictures */
	AT_ONCE_MIN = 4 << 10,
	AT_ONCE_MAX = 32 << 10,
	QUIET_US = 600 * TORAP_US_PER_MS, /* whoever sends less than before is read all the same */
};

struct rtsp_stream {
	struct rtsp_streams *all;
	struct rtsp_stream *next, *previous;
	struct rtsp_session session;
	uint64_t number;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_getaddrinfo_t resolve;
	struct rtsp_ports ports;
	struct rtsp_tls *tls;
	struct sockaddr_storage peer;
	struct torap_mono rated_at, heard_at;
	size_t heard;     /* bytes since rated_at */
	size_t at_once;   /* the kernel tells of no fewer bytes */
	unsigned handles; /* open ones, and the question for the name */
	bool listed, has_tcp, closing;
};

static struct rtsp_session_now clock_now(void)
{
	return (struct rtsp_session_now){ torap_app_mono(), torap_app_wall() };
}

static void let_go(struct rtsp_stream *s)
{
	if (--s->handles || !s->closing)
		return;
	rtsp_tls_close(s->tls);
	free(s);
}

static void on_closed(uv_handle_t *handle)
{
	let_go(handle->data);
}

static void close_handles(struct rtsp_stream *s)
{
	s->closing = true;
	s->handles++; /* ours, so that it does not go while we close */
	if (s->has_tcp)
		uv_close((uv_handle_t *)&s->tcp, on_closed);
	rtsp_ports_close(&s->ports);
	uv_cancel((uv_req_t *)&s->resolve);
	let_go(s);
}

static void unlist(struct rtsp_stream *s)
{
	if (s->previous)
		s->previous->next = s->next;
	else
		s->all->first = s->next;
	if (s->next)
		s->next->previous = s->previous;
	s->all->count--;
	s->listed = false;
}

/* Behind everything that may have ended the session. */
static void after(struct rtsp_stream *s)
{
	if (!s->listed || !rtsp_session_over(&s->session))
		return;
	unlist(s);
	s->all->on_over(s->all->hint, s);
	rtsp_session_finish(&s->session);
	close_handles(s);
}

static void fail(struct rtsp_stream *s, enum rtsp_outcome outcome)
{
	rtsp_session_fail(&s->session, outcome);
	after(s);
}

/* Sending. */

struct writing {
	uv_write_t request;
	uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
	(void)status; /* a broken connection is heard of by reading */
	struct writing *w = request->data;
	free(w);
}

/* What the kernel does not take at once waits; a camera that lets much wait does not read at all. */
static void send_raw(struct rtsp_stream *s, struct torap_bytes bytes)
{
	uv_buf_t buffer = uv_buf_init((char *)bytes.data, (unsigned)bytes.size);
	int sent = uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp)
			   ? UV_EAGAIN
			   : uv_try_write((uv_stream_t *)&s->tcp, &buffer, 1);
	if (sent == (int)bytes.size)
		return;
	size_t done = sent > 0 ? (size_t)sent : 0;
	struct writing *w = NULL;
	if (uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp) < UNSENT_MAX)
		w = malloc(sizeof *w + bytes.size - done);
	if (!w) {
		rtsp_session_fail(&s->session, RTSP_OUTCOME_ENDED);
		return;
	}
	w->request.data = w;
	memcpy(w->bytes, bytes.data + done, bytes.size - done);
	buffer = uv_buf_init((char *)w->bytes, (unsigned)(bytes.size - done));
	if (uv_write(&w->request, (uv_stream_t *)&s->tcp, &buffer, 1, on_written)) {
		free(w);
		rtsp_session_fail(&s->session, RTSP_OUTCOME_ENDED);
	}
}

static void flush_tls(struct rtsp_stream *s)
{
	uint8_t bytes[4096];
	size_t size;
	while ((size = rtsp_tls_outgoing(s->tls, bytes, sizeof bytes)))
		send_raw(s, torap_bytes(bytes, size));
}

static void on_send(void *hint, struct torap_bytes bytes)
{
	struct rtsp_stream *s = hint;
	if (!s->tls) {
		send_raw(s, bytes);
		return;
	}
	if (!rtsp_tls_write(s->tls, bytes))
		rtsp_session_fail(&s->session, RTSP_OUTCOME_ENDED);
	flush_tls(s);
}

/* Receiving. */

static void tell_from(struct rtsp_stream *s, size_t bytes)
{
	int fd, value = (int)bytes;
	if (bytes == s->at_once || uv_fileno((const uv_handle_t *)&s->tcp, &fd))
		return;
	s->at_once = bytes;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
}

/* Of a session that lasts most is read in order to be thrown away: rarely, then, and much at a time. */
static void be_patient(struct rtsp_stream *s, struct torap_mono now)
{
	int64_t since = now.us - s->rated_at.us;
	if (s->session.step != RTSP_STEP_FLOWING || !s->has_tcp || s->tls || s->session.udp)
		return;
	if (now.us - s->heard_at.us >= QUIET_US)
		tell_from(s, 1);
	if (since < RATED_US)
		return;
	size_t part = (size_t)((int64_t)s->heard * TORAP_US_PER_S / since / AT_ONCE);
	if (s->rated_at.us)
		tell_from(s, part < AT_ONCE_MIN ? 1 : part > AT_ONCE_MAX ? AT_ONCE_MAX : part);
	s->rated_at = now;
	s->heard = 0;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct rtsp_stream *s = handle->data;
	(void)suggested;
	*buffer = uv_buf_init(s->all->buffer, sizeof s->all->buffer);
}

static void take_tls(struct rtsp_stream *s, struct torap_bytes bytes)
{
	uint8_t clear[16 << 10];
	enum rtsp_tls_state state = rtsp_tls_incoming(s->tls, bytes);
	flush_tls(s);
	if (state == RTSP_TLS_BROKEN) {
		rtsp_session_fail(&s->session, s->session.step == RTSP_STEP_CONNECTING
						       ? RTSP_OUTCOME_BAD_ANSWER
						       : RTSP_OUTCOME_ENDED);
		return;
	}
	if (state == RTSP_TLS_READY && s->session.step == RTSP_STEP_CONNECTING)
		rtsp_session_connected(&s->session, clock_now());
	size_t size;
	while (!rtsp_session_over(&s->session) && (size = rtsp_tls_read(s->tls, clear, sizeof clear)))
		rtsp_session_bytes(&s->session, torap_bytes(clear, size), clock_now());
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct rtsp_stream *s = stream->data;
	if (size < 0) {
		fail(s, RTSP_OUTCOME_ENDED);
		return;
	}
	struct torap_bytes bytes = torap_bytes(buffer->base, (size_t)size);
	struct rtsp_session_now now = clock_now();
	s->heard += (size_t)size;
	s->heard_at = now.mono;
	if (s->tls)
		take_tls(s, bytes);
	else if (size)
		rtsp_session_bytes(&s->session, bytes, now);
	after(s);
}

/* UDP. */

static void on_packet(void *hint, bool control, struct torap_bytes packet)
{
	struct rtsp_stream *s = hint;
	rtsp_session_packet(&s->session, control, packet, clock_now());
	after(s);
}

static void on_port_closed(void *hint)
{
	let_go(hint);
}

static uint16_t on_open_ports(void *hint)
{
	struct rtsp_stream *s = hint;
	if (s->closing)
		return 0;
	return rtsp_ports_open(&s->ports, s->all->loop, &s->peer, &s->handles);
}

static void on_meet_ports(void *hint, uint16_t media, uint16_t control)
{
	struct rtsp_stream *s = hint;
	rtsp_ports_meet(&s->ports, media, control, (uint32_t)s->session.random);
}

static void on_send_control(void *hint, struct torap_bytes report)
{
	struct rtsp_stream *s = hint;
	rtsp_ports_send_control(&s->ports, report);
}

static void on_keyframe(void *hint, struct rtsp_keyframe *take)
{
	struct rtsp_stream *s = hint;
	s->all->on_keyframe(s->all->hint, s, take);
}

static void on_rtp(void *hint, const struct rtsp_rtp *packet)
{
	struct rtsp_stream *s = hint;
	if (s->all->on_packet)
		s->all->on_packet(s->all->hint, s, packet);
}

static const struct rtsp_session_port port = {
	.send = on_send,
	.open_ports = on_open_ports,
	.meet_ports = on_meet_ports,
	.send_control = on_send_control,
	.keyframe = on_keyframe,
	.packet = on_rtp,
};

/* Connecting. */

static enum rtsp_outcome outcome_of(int error)
{
	switch (error) {
	case UV_ECONNREFUSED:
	case UV_ECONNRESET:
		return RTSP_OUTCOME_REFUSED;
	case UV_ETIMEDOUT:
		return RTSP_OUTCOME_TIMEOUT_CONNECT;
	case UV_EMFILE:
	case UV_ENFILE:
	case UV_ENOBUFS:
	case UV_ENOMEM:
	case UV_EAI_MEMORY:
		return RTSP_OUTCOME_LOCAL;
	default:
		return RTSP_OUTCOME_NO_ROUTE;
	}
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct rtsp_stream *s = connect->data;
	if (status == UV_ECANCELED || s->closing)
		return;
	if (status) {
		fail(s, outcome_of(status));
		return;
	}
	int r = uv_read_start((uv_stream_t *)&s->tcp, on_allocate, on_read);
	if (r) {
		fail(s, outcome_of(r));
		return;
	}
	if (s->tls) {
		rtsp_tls_incoming(s->tls, torap_bytes(NULL, 0)); /* begins the handshake */
		flush_tls(s);
	} else {
		rtsp_session_connected(&s->session, clock_now());
	}
	after(s);
}

static void connect_to(struct rtsp_stream *s, const struct sockaddr *address, size_t size)
{
	memcpy(&s->peer, address, size);
	rtsp_ports_set(&s->peer, s->session.url.port);
	int r = uv_tcp_init(s->all->loop, &s->tcp);
	if (!r) {
		s->has_tcp = true;
		s->handles++;
		s->tcp.data = s;
		s->connect.data = s;
		r = uv_tcp_connect(&s->connect, &s->tcp, (const struct sockaddr *)&s->peer, on_connected);
	}
	if (r) /* told with the next tick: nothing ends inside the opening */
		rtsp_session_fail(&s->session, outcome_of(r));
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *list)
{
	struct rtsp_stream *s = resolve->data;
	if (!s->closing && status == 0 && list)
		connect_to(s, list->ai_addr, list->ai_addrlen);
	else if (!s->closing)
		rtsp_session_fail(&s->session,
			outcome_of(status) == RTSP_OUTCOME_LOCAL ? RTSP_OUTCOME_LOCAL : RTSP_OUTCOME_NO_NAME);
	uv_freeaddrinfo(list);
	if (!s->closing) {
		s->handles--;
		after(s);
	} else {
		let_go(s);
	}
}

static int begin(struct rtsp_stream *s)
{
	const struct rtsp_url *url = &s->session.url;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	if (uv_ip4_addr(url->host, url->port, &v4) == 0) {
		connect_to(s, (const struct sockaddr *)&v4, sizeof v4);
		return 0;
	}
	if (uv_ip6_addr(url->host, url->port, &v6) == 0) {
		connect_to(s, (const struct sockaddr *)&v6, sizeof v6);
		return 0;
	}
	const struct addrinfo wish = { .ai_socktype = SOCK_STREAM };
	s->resolve.data = s;
	int r = uv_getaddrinfo(s->all->loop, &s->resolve, on_resolved, url->host, NULL, &wish);
	s->handles += r == 0;
	return r;
}

int rtsp_stream_open(
	struct rtsp_stream **out, struct rtsp_streams *all, const struct rtsp_stream_options *options)
{
	struct rtsp_stream *s = calloc(1, sizeof *s);
	uint64_t random;
	if (!s)
		return -ENOMEM;
	randombytes_buf(&random, sizeof random);
	s->all = all;
	s->number = options->number;
	s->ports = (struct rtsp_ports){ .hint = s, .on_packet = on_packet, .on_closed = on_port_closed };
	s->ports.buffer = all->buffer;
	s->ports.buffer_size = sizeof all->buffer;
	bool good = rtsp_session_init(&s->session, &port, s, options->limits, options->url, options->user,
		options->password, options->transport, random, torap_app_mono());
	if (options->glance)
		rtsp_session_glance(&s->session);
	int r = good ? 0 : -EINVAL;
	if (!r && s->session.url.secure)
		r = rtsp_tls_open(&s->tls, s->session.url.host);
	if (!r)
		r = begin(s);
	if (r) {
		rtsp_session_finish(&s->session);
		rtsp_tls_close(s->tls);
		free(s);
		return r;
	}
	s->listed = true;
	s->next = all->first;
	if (s->next)
		s->next->previous = s;
	all->first = s;
	all->count++;
	*out = s;
	return 0;
}

void rtsp_stream_leave(struct rtsp_stream *s)
{
	rtsp_session_leave(&s->session);
}

void rtsp_stream_fail(struct rtsp_stream *s, enum rtsp_outcome outcome)
{
	rtsp_session_fail(&s->session, outcome);
}

const struct rtsp_session *rtsp_stream_session(const struct rtsp_stream *s)
{
	return &s->session;
}

uint64_t rtsp_stream_number(const struct rtsp_stream *s)
{
	return s->number;
}

void rtsp_stream_want(struct rtsp_stream *s, bool wanted)
{
	if (wanted && !s->session.assembly.wanted)
		s->session.keyframe_at = torap_app_mono();
	if (wanted)
		s->session.assembly.passed = 0;
	s->session.assembly.wanted = wanted;
}

void rtsp_streams_tick(struct rtsp_streams *all)
{
	struct rtsp_session_now now = clock_now();
	for (struct rtsp_stream *s = all->first, *next; s; s = next) {
		next = s->next;
		rtsp_session_tick(&s->session, now);
		be_patient(s, now.mono);
		if (!rtsp_session_over(&s->session))
			all->on_tick(all->hint, s);
		after(s);
	}
}

void rtsp_streams_close(struct rtsp_streams *all)
{
	while (all->first) {
		struct rtsp_stream *s = all->first;
		rtsp_session_leave(&s->session);
		unlist(s);
		rtsp_session_finish(&s->session);
		close_handles(s);
	}
}
