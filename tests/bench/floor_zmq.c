/* floor_zmq.c: what raw ZeroMQ moves: single messages from one process to another over TCP on loopback, PUSH to PULL, plain or CURVE.
 *
 * No broker, no disk, no order to keep, nothing verified: the most that libzmq gives to whoever sends an event a message.  With a
 * larger --size it shows what the same socket carries when events travel packed. */
#include <getopt.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "base/memory.h"
#include "bench/samples.h"

enum { MARK = 100000, ENDPOINT_SIZE = 64, Z85_KEY_SIZE = 41, QUIET_MS = 20000 };

struct curve {
	char public[Z85_KEY_SIZE], secret[Z85_KEY_SIZE];
};

static void *open_socket(void *context, int type)
{
	void *socket = zmq_socket(context, type);
	int mark = MARK, no_linger = -1, quiet = QUIET_MS;
	if (!socket || zmq_setsockopt(socket, ZMQ_SNDHWM, &mark, sizeof mark) < 0 ||
		zmq_setsockopt(socket, ZMQ_RCVHWM, &mark, sizeof mark) < 0 ||
		zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof no_linger) < 0 ||
		zmq_setsockopt(socket, ZMQ_RCVTIMEO, &quiet, sizeof quiet) < 0 ||
		zmq_setsockopt(socket, ZMQ_SNDTIMEO, &quiet, sizeof quiet) < 0)
		bench_fail("cannot open a socket: %s", zmq_strerror(zmq_errno()));
	return socket;
}

static void set_server(void *socket, const struct curve *own)
{
	int yes = 1;
	if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) < 0 ||
		zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret, Z85_KEY_SIZE) < 0)
		bench_fail("cannot set CURVE keys: %s", zmq_strerror(zmq_errno()));
}

static void set_client(void *socket, const struct curve *own, const struct curve *server)
{
	if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server->public, Z85_KEY_SIZE) < 0 ||
		zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own->public, Z85_KEY_SIZE) < 0 ||
		zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret, Z85_KEY_SIZE) < 0)
		bench_fail("cannot set CURVE keys: %s", zmq_strerror(zmq_errno()));
}

/* Hangs up when the receiver has closed its end of `until`: it asks the kernel about the connection. */
static void send_all(const char *endpoint, uint64_t count, size_t size, const struct curve *client,
	const struct curve *server, int until)
{
	void *context = zmq_ctx_new();
	void *socket = open_socket(context, ZMQ_PUSH);
	if (client)
		set_client(socket, client, server);
	if (zmq_connect(socket, endpoint) < 0)
		bench_fail("cannot connect: %s", zmq_strerror(zmq_errno()));
	uint8_t *bytes = calloc(1, size);
	if (!bytes)
		bench_fail("out of memory");
	for (uint64_t i = 0; i < count; i++) {
		memcpy(bytes, &i, sizeof i);
		if (zmq_send(socket, bytes, size, 0) < 0)
			bench_fail("cannot send: %s", zmq_strerror(zmq_errno()));
	}
	free(bytes);
	char end;
	if (read(until, &end, 1) != 0)
		bench_fail("the receiver does not say that it has all");
	zmq_close(socket);
	zmq_ctx_term(context);
}

/* What the kernel has received on the connection that the message came by: ZMTP and CURVE with it. */
static uint64_t tcp_bytes(zmq_msg_t *message)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof info;
	if (getsockopt(zmq_msg_get(message, ZMQ_SRCFD), IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		bench_fail("the kernel does not count what the connection carries");
	return info.tcpi_bytes_received;
}

struct result {
	double seconds; /* from the first message to the last */
	uint64_t tcp_bytes;
};

static struct result receive_all(void *socket, uint64_t count, size_t size)
{
	int64_t since = 0;
	zmq_msg_t message;
	zmq_msg_init(&message);
	for (uint64_t i = 0; i < count; i++) {
		if (zmq_msg_recv(&message, socket, 0) < 0)
			bench_fail("message %" PRIu64 " did not come: %s", i, zmq_strerror(zmq_errno()));
		if (zmq_msg_size(&message) != size)
			bench_fail("message %" PRIu64 " has %zu bytes", i, zmq_msg_size(&message));
		if (i == 0)
			since = bench_mono_us();
	}
	struct result result = { .seconds = (double)(bench_mono_us() - since) / 1e6,
		.tcp_bytes = tcp_bytes(&message) };
	zmq_msg_close(&message);
	return result;
}

static struct result run(uint64_t count, size_t size, bool with_curve)
{
	struct curve server, client;
	if (zmq_curve_keypair(server.public, server.secret) ||
		zmq_curve_keypair(client.public, client.secret))
		bench_fail("this libzmq has no CURVE");
	int hand_over[2];
	if (pipe(hand_over) < 0)
		bench_fail("cannot make a pipe");
	pid_t sender = fork(); /* Before any context: libzmq's threads do not survive a fork. */
	if (sender < 0)
		bench_fail("cannot fork");
	char endpoint[ENDPOINT_SIZE];
	if (sender == 0) {
		close(hand_over[1]);
		if (read(hand_over[0], endpoint, sizeof endpoint) != sizeof endpoint)
			bench_fail("the receiver is gone");
		send_all(endpoint, count, size, with_curve ? &client : NULL, &server, hand_over[0]);
		exit(0);
	}
	void *context = zmq_ctx_new();
	void *socket = open_socket(context, ZMQ_PULL);
	if (with_curve)
		set_server(socket, &server);
	size_t endpoint_size = sizeof endpoint;
	if (zmq_bind(socket, "tcp://127.0.0.1:*") < 0 ||
		zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &endpoint_size) < 0)
		bench_fail("cannot listen: %s", zmq_strerror(zmq_errno()));
	if (write(hand_over[1], endpoint, sizeof endpoint) != sizeof endpoint)
		bench_fail("the sender is gone");
	struct result result = receive_all(socket, count, size);
	close(hand_over[1]);
	zmq_close(socket);
	zmq_ctx_term(context);
	int status;
	if (waitpid(sender, &status, 0) != sender || status != 0)
		bench_fail("the sender failed");
	close(hand_over[0]);
	return result;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "messages", required_argument, NULL, 'm' },
		{ "size", required_argument, NULL, 's' }, { "curve", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	uint64_t messages = 1000000;
	size_t size = 200;
	bool with_curve = false;
	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (o == 'm')
			messages = bench_number("messages", optarg, 1ULL << 40);
		else if (o == 's')
			size = bench_number("size", optarg, 8 << 20);
		else if (o == 'c')
			with_curve = true;
		else {
			printf("usage: floor_zmq [--messages N] [--size BYTES] [--curve]\n"
			       "One line of JSON: messages a second over TCP on loopback.\n");
			return o == 'h' ? 0 : 2;
		}
	}
	if (messages < 2 || size < sizeof(uint64_t))
		bench_fail("at least 2 messages of at least 8 bytes");
	torap_memory_keep();
	struct result result = run(messages, size, with_curve);
	double rate = (double)(messages - 1) / result.seconds;
	printf("{\"messages\":%" PRIu64
	       ",\"size\":%zu,\"curve\":%s,\"seconds\":%.3f,\"per_s\":%.0f,\"mb_per_s\":%.1f,\"tcp_bytes_per_message\":%.1f}\n",
		messages, size, with_curve ? "true" : "false", result.seconds, rate,
		rate * (double)size / 1e6, (double)result.tcp_bytes / (double)messages);
	return 0;
}
