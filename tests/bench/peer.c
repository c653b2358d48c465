#include "bench/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/samples.h"

enum { CHUNK = 256 << 10, LINE_MAX_SIZE = 4096, PATIENCE_MS = 10000 };

static void make_room(struct peer_buffer *b, size_t more)
{
	if (b->at && (b->at == b->size || b->at >= CHUNK)) {
		memmove(b->data, b->data + b->at, b->size - b->at);
		b->size -= b->at;
		b->at = 0;
	}
	if (b->size + more <= b->room)
		return;
	b->room = 2 * (b->size + more);
	b->data = realloc(b->data, b->room);
	if (!b->data)
		bench_fail("out of memory");
}

void peer_connect(struct peer_side *s, uint64_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };
	int yes = 1;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (const struct sockaddr *)&to, sizeof to) < 0)
		bench_fail("nobody at port %u: %s", (unsigned)port, strerror(errno));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

void peer_close(struct peer_side *s)
{
	close(s->fd);
	free(s->in.data);
	free(s->out.data);
	*s = (struct peer_side){ .fd = -1 };
}

void peer_write(struct peer_side *s, const void *data, size_t size)
{
	make_room(&s->out, size);
	memcpy(s->out.data + s->out.size, data, size);
	s->out.size += size;
}

void peer_print(struct peer_side *s, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (size < 0 || (size_t)size >= sizeof text)
		bench_fail("a command that is too long");
	peer_write(s, text, (size_t)size);
}

void peer_flush(struct peer_side *s)
{
	while (s->out.at < s->out.size) {
		ssize_t n = send(
			s->fd, s->out.data + s->out.at, s->out.size - s->out.at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			bench_fail("the server hung up: %s", strerror(errno));
		s->out.at += (size_t)n;
	}
}

void peer_receive(struct peer_side *s)
{
	make_room(&s->in, CHUNK);
	ssize_t n = recv(s->fd, s->in.data + s->in.size, s->in.room - s->in.size, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		bench_fail("the server hung up");
	s->in.size += (size_t)n;
}

size_t peer_waiting(const struct peer_side *s)
{
	return s->in.size - s->in.at;
}

bool peer_line(const struct peer_side *s, size_t from, struct torap_bytes *line, size_t *next)
{
	if (peer_waiting(s) <= from)
		return false;
	const uint8_t *begin = s->in.data + s->in.at + from;
	size_t most = peer_waiting(s) - from;
	const uint8_t *end = memchr(begin, '\n', most);
	if (!end && most > LINE_MAX_SIZE)
		bench_fail("a line without an end");
	if (!end || end == begin)
		return false;
	*line = torap_bytes(begin, (size_t)(end - begin) - 1);
	*next = from + (size_t)(end - begin) + 1;
	return true;
}

void peer_take(struct peer_side *s, size_t size)
{
	s->in.at += size;
}

void peer_wait(struct peer_side *s)
{
	size_t before = peer_waiting(s);
	peer_flush(s);
	struct pollfd waiting = { .fd = s->fd, .events = POLLIN };
	if (poll(&waiting, 1, PATIENCE_MS) <= 0)
		bench_fail("the server does not answer the greeting");
	peer_receive(s);
	if (peer_waiting(s) == before)
		bench_fail("the server does not answer the greeting");
}
