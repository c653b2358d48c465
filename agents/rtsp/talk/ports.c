#include "agents/rtsp/talk/ports.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "agents/rtsp/talk/rtp.h"

enum { TRIES = 32, FIRST = 20000, COUNT = 40000, RECEIVE_BUFFER = 1 << 20 };

void rtsp_ports_set(struct sockaddr_storage *address, uint16_t port)
{
	if (address->ss_family == AF_INET)
		((struct sockaddr_in *)address)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

static bool same_host(const struct sockaddr *a, const struct sockaddr_storage *b)
{
	if (a->sa_family != b->ss_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
		       &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct rtsp_ports *p = handle->data;
	(void)suggested;
	*buffer = uv_buf_init(p->buffer, (unsigned)p->buffer_size);
}

static void on_datagram(
	uv_udp_t *udp, ssize_t size, const uv_buf_t *buffer, const struct sockaddr *from, unsigned flags)
{
	struct rtsp_ports *p = udp->data;
	/* Another camera's packets, a cut one, or an ICMP error of ours. */
	if (size <= 0 || !from || flags & UV_UDP_PARTIAL || !same_host(from, &p->peer))
		return;
	p->on_packet(p->hint, udp == &p->udp[1], torap_bytes(buffer->base, (size_t)size));
}

static void any_of(struct sockaddr_storage *out, const struct rtsp_ports *p, unsigned port)
{
	*out = (struct sockaddr_storage){ .ss_family = p->peer.ss_family };
	rtsp_ports_set(out, (uint16_t)port);
}

static bool is_free(const struct rtsp_ports *p, unsigned port)
{
	struct sockaddr_storage any;
	any_of(&any, p, port);
	int fd = socket(any.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool good = fd >= 0 && bind(fd, (const struct sockaddr *)&any,
				       any.ss_family == AF_INET ? sizeof(struct sockaddr_in)
								: sizeof(struct sockaddr_in6)) == 0;
	if (fd >= 0)
		close(fd);
	return good;
}

/* libuv's handles cannot be bound a second time, so a pair that is free is looked for with plain sockets first. */
static unsigned free_pair(const struct rtsp_ports *p)
{
	for (unsigned i = 0; i < TRIES; i++) {
		unsigned port = FIRST + (randombytes_uniform(COUNT) & ~1u);
		if (is_free(p, port) && is_free(p, port + 1))
			return port;
	}
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct rtsp_ports *p = handle->data;
	p->on_closed(p->hint);
}

static bool begin(uv_udp_t *udp, const struct rtsp_ports *p, unsigned port)
{
	struct sockaddr_storage any;
	int room = RECEIVE_BUFFER; /* a wish: a keyframe comes at once */
	any_of(&any, p, port);
	if (uv_udp_bind(udp, (const struct sockaddr *)&any, 0) ||
		uv_udp_recv_start(udp, on_allocate, on_datagram))
		return false;
	uv_recv_buffer_size((uv_handle_t *)udp, &room);
	return true;
}

uint16_t rtsp_ports_open(
	struct rtsp_ports *p, uv_loop_t *loop, const struct sockaddr_storage *peer, unsigned *handles)
{
	if (p->port)
		return p->port;
	p->peer = *peer;
	unsigned port = free_pair(p);
	if (!port)
		return 0;
	bool good = true;
	for (unsigned i = 0; i < 2; i++) {
		uv_udp_init(loop, &p->udp[i]);
		p->udp[i].data = p;
		++*handles;
	}
	p->port = (uint16_t)port;
	for (unsigned i = 0; i < 2 && good; i++)
		good = begin(&p->udp[i], p, port + i);
	if (good)
		return p->port;
	rtsp_ports_close(p); /* somebody was faster */
	return 0;
}

static void send_to(struct rtsp_ports *p, unsigned which, uint16_t port, struct torap_bytes bytes)
{
	struct sockaddr_storage to = p->peer;
	uv_buf_t buffer = uv_buf_init((char *)bytes.data, (unsigned)bytes.size);
	rtsp_ports_set(&to, port);
	(void)uv_udp_try_send(
		&p->udp[which], &buffer, 1, (const struct sockaddr *)&to); /* lost ones are usual */
}

void rtsp_ports_meet(struct rtsp_ports *p, uint16_t media, uint16_t control, uint32_t source)
{
	static const uint8_t empty[12] = { 0x80 };
	uint8_t report[RTSP_RECEIVER_REPORT_SIZE];
	if (!p->port || !media)
		return;
	p->peer_control = control;
	rtsp_receiver_report_write(report, source);
	send_to(p, 0, media, torap_bytes(empty, sizeof empty));
	send_to(p, 1, control, torap_bytes(report, sizeof report));
}

void rtsp_ports_send_control(struct rtsp_ports *p, struct torap_bytes report)
{
	if (p->port && p->peer_control)
		send_to(p, 1, p->peer_control, report);
}

void rtsp_ports_close(struct rtsp_ports *p)
{
	if (!p->port)
		return;
	p->port = 0;
	for (unsigned i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&p->udp[i], on_handle_closed);
}
