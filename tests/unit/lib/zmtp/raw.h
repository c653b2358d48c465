/* raw.h: TCP connections to a hall's listener, on which the test says what it likes (kit/zmtp_client.h). */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hall.h"
#include "zmtp/curve.h"

/* A TCP connection to the listener that does not block. */
static inline int connect_raw(const struct hall *h)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	to.sin_port = htons((uint16_t)atoi(strrchr(h->endpoint, ':') + 1));
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0, "%s", strerror(errno));
	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static inline void write_raw(int fd, struct torap_writer *w)
{
	cr_assert_eq(write(fd, w->data, w->size), (ssize_t)w->size);
	w->size = 0;
}

/* So many bytes. */
static inline struct torap_bytes read_raw(struct hall *h, int fd, uint8_t *out, size_t size)
{
	size_t came = 0;
	for (uint64_t began_ms = now_ms(); came < size;) {
		ssize_t n = read(fd, out + came, size - came);
		cr_assert(n > 0 || (n < 0 && errno == EAGAIN), "the connection has ended");
		cr_assert_lt(now_ms() - began_ms, WAIT_MS);
		came += n > 0 ? (size_t)n : 0;
		turn(h);
	}
	return torap_bytes(out, size);
}

static inline bool has_ended(int fd)
{
	char byte;
	ssize_t n = read(fd, &byte, 1);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* A handshake by hand, as far as INITIATE. */
static inline int knock_raw(struct hall *h, struct zmtp_client *c, uint8_t who)
{
	uint8_t greeting[ZMTP_GREETING_SIZE], in[256];
	struct torap_writer out = { 0 };
	int fd = connect_raw(h);
	zmtp_client_init(c, who, h->public);
	zmtp_client_greeting(greeting);
	torap_write_bytes(&out, torap_bytes(greeting, sizeof greeting));
	zmtp_client_hello(c, &out);
	write_raw(fd, &out);
	read_raw(h, fd, in, ZMTP_GREETING_SIZE);
	struct torap_bytes welcome = read_raw(h, fd, in, 2 + TORAP_CURVE_WELCOME_SIZE);
	cr_assert(zmtp_client_welcome(c, torap_bytes(welcome.data + 2, welcome.size - 2)));
	zmtp_client_initiate(c, &out);
	write_raw(fd, &out);
	torap_writer_finish(&out);
	return fd;
}

/* As far as READY. */
static inline int dial_raw(struct hall *h, struct zmtp_client *c)
{
	enum { READY = 2 + TORAP_CURVE_READY_OVERHEAD + 35 };
	uint8_t in[READY];
	struct torap_writer metadata = { 0 };
	int fd = knock_raw(h, c, KNOWN);
	struct torap_bytes ready = read_raw(h, fd, in, READY);
	cr_assert(zmtp_client_ready(c, torap_bytes(ready.data + 2, ready.size - 2), &metadata));
	torap_writer_finish(&metadata);
	return fd;
}

/* And says hello, which the listener's owner has heard. */
static inline int arrive_raw(struct hall *h, struct zmtp_client *c)
{
	struct torap_writer out = { 0 };
	unsigned heard = h->messages;
	int fd = dial_raw(h, c);
	zmtp_client_message(c, &out, 0, torap_bytes("hello", 5));
	write_raw(fd, &out);
	torap_writer_finish(&out);
	run_until(h, h->messages > heard);
	return fd;
}
