/* floor_hops.c: how old a message is that went the way of a critical event and nothing was done to it: from one process over ipc to a
 * relay, over TCP with CURVE to another, over TCP with CURVE to a fourth.  A relay flushes once, or not at all.
 *
 * What is measured above it is ours; what is in it are the wake-ups of sixteen threads, the ciphers and the disk. */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "base/error.h"
#include "bench/samples.h"
#include "loop/low_latency.h"

enum { ENDPOINT_SIZE = 256, Z85_KEY_SIZE = 41, QUIET_MS = 20000, PAGE = 4096, PROCESSES = 3 };

struct hops {
	const char *dir;
	uint64_t messages, rate, size;
	bool flush;
	char public[Z85_KEY_SIZE], secret[Z85_KEY_SIZE]; /* of all */
	int pipes[PROCESSES][2];                         /* each hands its endpoint to whoever sends to it */
	int began[2]; /* the first message has come: all connections are there */
	pid_t children[PROCESSES];
};

static void check(int result, const char *what)
{
	if (result < 0)
		bench_fail("cannot %s: %s", what, zmq_strerror(zmq_errno()));
}

static void *open_socket(const struct hops *h, void *context, int type, bool curve)
{
	void *socket = zmq_socket(context, type);
	int forever = -1, quiet = QUIET_MS, yes = 1;
	if (!socket)
		bench_fail("cannot open a socket");
	check(zmq_setsockopt(socket, ZMQ_LINGER, &forever, sizeof forever), "set the linger");
	check(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &quiet, sizeof quiet), "set the time-out");
	if (curve && type == ZMQ_PULL)
		check(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes), "be a CURVE server");
	if (curve && type == ZMQ_PUSH) {
		check(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, h->public, Z85_KEY_SIZE), "set a key");
		check(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, h->public, Z85_KEY_SIZE), "set a key");
	}
	if (curve)
		check(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, h->secret, Z85_KEY_SIZE), "set a key");
	return socket;
}

/* Stage 0 listens on ipc, the others on TCP. */
static void *listen_at(const struct hops *h, void *context, int stage)
{
	char endpoint[ENDPOINT_SIZE];
	size_t size = sizeof endpoint;
	void *socket = open_socket(h, context, ZMQ_PULL, stage > 0);
	snprintf(endpoint, sizeof endpoint, "ipc://%s/hops.%d", h->dir, (int)getppid());
	check(zmq_bind(socket, stage ? "tcp://127.0.0.1:*" : endpoint), "listen");
	check(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size), "learn the endpoint");
	if (write(h->pipes[stage][1], endpoint, sizeof endpoint) != sizeof endpoint)
		bench_fail("cannot hand the endpoint over");
	return socket;
}

static void *dial(const struct hops *h, void *context, int stage)
{
	char endpoint[ENDPOINT_SIZE];
	if (read(h->pipes[stage][0], endpoint, sizeof endpoint) != sizeof endpoint)
		bench_fail("whoever listens is gone");
	void *socket = open_socket(h, context, ZMQ_PUSH, stage > 0);
	check(zmq_connect(socket, endpoint), "connect");
	return socket;
}

static void flush(int file, uint64_t n)
{
	static uint8_t page[PAGE];
	memset(page, (int)n, sizeof page);
	if (pwrite(file, page, PAGE, (off_t)(n % 256) * PAGE) != PAGE || fdatasync(file))
		bench_fail("cannot flush");
}

/* An empty message is the end. */
static void relay(const struct hops *h, int stage)
{
	void *context = zmq_ctx_new();
	void *to = dial(h, context, stage + 1), *from = listen_at(h, context, stage);
	char path[ENDPOINT_SIZE];
	snprintf(path, sizeof path, "%s/hops-XXXXXX", h->dir);
	int file = mkstemp(path), size;
	static uint8_t bytes[PAGE];
	if (file < 0 || unlink(path))
		bench_fail("cannot make a file in %s", h->dir);
	for (uint64_t n = 0; (size = zmq_recv(from, bytes, sizeof bytes, 0)) > 0; n++) {
		if (h->flush)
			flush(file, n);
		check(zmq_send(to, bytes, (size_t)size, 0), "send");
	}
	check(size, "receive");
	check(zmq_send(to, bytes, 0, 0), "send");
	close(file);
	zmq_close(from);
	zmq_close(to);
	zmq_ctx_term(context);
	exit(0);
}

/* At moments in step with nothing. */
static void send_all(const struct hops *h)
{
	void *context = zmq_ctx_new(), *to = dial(h, context, 0);
	static uint8_t bytes[PAGE];
	const int64_t pause_us = 1000000 / (int64_t)h->rate;
	char came;
	close(h->began[1]);
	check(zmq_send(to, bytes, h->size, 0), "send");
	if (read(h->began[0], &came, 1) != 1)
		bench_fail("whoever takes is gone");
	for (uint64_t i = 0; i < h->messages; i++) {
		usleep((useconds_t)(pause_us / 2 + random() % (pause_us + 1)));
		int64_t now = bench_mono_us();
		memcpy(bytes, &now, sizeof now);
		check(zmq_send(to, bytes, h->size, 0), "send");
	}
	check(zmq_send(to, bytes, 0, 0), "send");
	zmq_close(to);
	zmq_ctx_term(context);
	exit(0);
}

static void start(struct hops *h, int which)
{
	h->children[which] = fork(); /* Before any context: libzmq's threads do not survive a fork. */
	if (h->children[which] < 0)
		bench_fail("cannot fork");
	if (h->children[which] == 0 && which < 2)
		relay(h, which);
	if (h->children[which] == 0)
		send_all(h);
}

static void run(struct hops *h, struct bench_samples *ages)
{
	static uint8_t bytes[PAGE];
	int size, status;
	for (int i = 0; i < PROCESSES; i++)
		if (pipe(h->pipes[i]))
			bench_fail("cannot make a pipe");
	if (pipe(h->began))
		bench_fail("cannot make a pipe");
	for (int i = 0; i < PROCESSES; i++)
		start(h, i);
	void *context = zmq_ctx_new(), *from = listen_at(h, context, 2);
	check(zmq_recv(from, bytes, sizeof bytes, 0), "receive"); /* it waited for connections */
	if (write(h->began[1], "", 1) != 1)
		bench_fail("the sender is gone");
	while ((size = zmq_recv(from, bytes, sizeof bytes, 0)) > 0) {
		int64_t sent;
		memcpy(&sent, bytes, sizeof sent);
		bench_samples_add(ages, bench_mono_us() - sent);
	}
	check(size, "receive");
	zmq_close(from);
	zmq_ctx_term(context);
	for (int i = 0; i < PROCESSES; i++)
		if (waitpid(h->children[i], &status, 0) < 0 || status)
			bench_fail("a process of it failed");
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "dir", required_argument, NULL, 'd' },
		{ "messages", required_argument, NULL, 'm' }, { "rate", required_argument, NULL, 'r' },
		{ "size", required_argument, NULL, 's' }, { "flush", no_argument, NULL, 'f' },
		{ "low-latency", no_argument, NULL, 'l' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	struct hops h = { .messages = 1000, .rate = 100, .size = 400 };
	bool low_latency = false;
	struct torap_error err;
	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (o == 'd')
			h.dir = optarg;
		else if (o == 'm')
			h.messages = bench_number("messages", optarg, 1 << 24);
		else if (o == 'r')
			h.rate = bench_number("rate", optarg, 10000);
		else if (o == 's')
			h.size = bench_number("size", optarg, PAGE);
		else if (o == 'f')
			h.flush = true;
		else if (o == 'l')
			low_latency = true;
		else {
			printf("usage: floor_hops --dir DIR [--messages N] [--rate PER_S] [--size BYTES] [--flush] [--low-latency]\n"
			       "One line of JSON: ages of single messages over ipc and two hops of TCP with CURVE.\n");
			return o == 'h' ? 0 : 2;
		}
	}
	if (!h.dir || h.size < sizeof(int64_t))
		bench_fail("--dir, and at least 8 bytes");
	if (low_latency && torap_low_latency(TORAP_LOW_LATENCY_DEVICE, &err))
		bench_fail("%s", err.text);
	if (zmq_curve_keypair(h.public, h.secret))
		bench_fail("this libzmq has no CURVE");
	struct bench_samples ages = { 0 };
	run(&h, &ages);
	printf("{\"messages\":%" PRIu64 ",\"flush\":%s,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f}\n",
		h.messages, h.flush ? "true" : "false", bench_samples_percentile_ms(&ages, 0.5),
		bench_samples_percentile_ms(&ages, 0.99), bench_samples_percentile_ms(&ages, 0.999));
	bench_samples_finish(&ages);
	return 0;
}
