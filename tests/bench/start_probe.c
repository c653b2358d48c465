/* start_probe.c: the moment at which a process that is being started serves.
 *
 *     start_probe --node ipc://PATH                 an agent's hello is answered with all rows of the registry
 *     start_probe --broker FOLLOW.yaml              a subscriber's hello is answered with a welcome
 *
 * Begun before the process: says "ready", knocks every half millisecond until somebody listens, and only then dials, so that no pause between
 * two attempts is in the number.  One line of JSON: both moments by the monotonic clock, in microseconds. */
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agents/follow/config.h"
#include "base/error.h"
#include "bench/line.h"
#include "bench/samples.h"
#include "link/message.h"
#include "proto/observation.pb-c.h"
#include "wire/envelope.h"

enum { KNOCK_US = 500, PATIENCE_US = 60000000 };

static bool knock_ipc(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	bool open = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
	close(fd);
	return open;
}

static bool knock_tcp(uint16_t port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool open = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
	close(fd);
	return open;
}

static void knock(const char *endpoint)
{
	int64_t since_us = bench_mono_us();
	bool is_ipc = strncmp(endpoint, "ipc://", 6) == 0;
	unsigned long port = is_ipc ? 0 : strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
	while (!(is_ipc ? knock_ipc(endpoint + 6) : knock_tcp((uint16_t)port))) {
		if (bench_mono_us() - since_us > PATIENCE_US)
			bench_fail("nobody listens at %s", endpoint);
		usleep(KNOCK_US);
	}
}

static void send_hello(struct bench_line *l, uint32_t type, struct torap_buffer *body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), body };
	if (!frames[0] || !body)
		bench_fail("out of memory");
	bench_line_say(l, frames, 2);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(body);
}

static struct torap_buffer *agent_hello(void)
{
	Torap__AgentHello hello = TORAP__AGENT_HELLO__INIT;
	hello.agent = (char *)"start_probe";
	hello.version = (char *)TORAP_VERSION;
	hello.protocol = (char *)"dc09";
	hello.protocol_version = 1;
	struct torap_buffer *body = torap_buffer_create(torap__agent_hello__get_packed_size(&hello));
	if (body)
		torap__agent_hello__pack(&hello, body->data);
	return body;
}

static struct torap_buffer *subscriber_hello(const char *feed)
{
	struct torap_hello hello = { .version = 1,
		.role = TORAP__ROLE__ROLE_SUBSCRIBER,
		.lane = TORAP__LANE__LANE_CRITICAL,
		.credit_bytes = 1 << 20,
		.start = TORAP__START__START_NOW,
		.software = "start_probe" };
	snprintf(hello.name, sizeof hello.name, "%s", feed);
	return torap_hello_encode(&hello);
}

static bool rows_are_complete(const struct torap_buffer *body)
{
	Torap__AgentRows *rows = torap__agent_rows__unpack(NULL, body->size, body->data);
	if (!rows)
		bench_fail("rows that cannot be read");
	bool complete = !rows->more;
	torap__agent_rows__free_unpacked(rows, NULL);
	return complete;
}

/* Is this the answer that was waited for? */
static void on_message(void *hint, struct torap_buffer **frames, size_t count)
{
	bool *answered = hint;
	struct torap_envelope envelope;
	struct torap_error err;
	if (torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err))
		bench_fail("an answer that cannot be read");
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL)
		bench_fail("it refuses us");
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_AGENT_ROWS && count == 2)
		*answered |= rows_are_complete(frames[1]);
	*answered |= envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_WELCOME;
}

static void wait_for_answer(struct bench_line *l, const bool *answered)
{
	int64_t since_us = bench_mono_us();
	while (!*answered) {
		if (bench_mono_us() - since_us > PATIENCE_US)
			bench_fail("no answer to the hello");
		bench_line_wait(l, 1000);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "node", required_argument, NULL, 'n' },
		{ "broker", required_argument, NULL, 'b' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	const char *node = NULL, *feed = NULL;
	struct follow_config *config = NULL;
	struct torap_zmtp_dial_options keys = { 0 };
	struct bench_line line;
	bool answered = false;
	struct torap_error err;
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'n')
			node = optarg;
		else if (c == 'b')
			feed = optarg;
		else {
			printf("usage: start_probe --node ipc://PATH | --broker FOLLOW.yaml\n");
			return c == 'h' ? 0 : 2;
		}
	}
	if (!node == !feed)
		bench_fail("either --node or --broker");
	if (feed && follow_config_load(&config, feed, &err))
		bench_fail("%s", err.text);
	if (config)
		keys = (struct torap_zmtp_dial_options){ .secret_key = config->keys.curve_secret,
			.public_key = config->keys.curve_public,
			.server_key = config->brokers[0].key };
	const char *endpoint = node ? node : config->brokers[0].endpoint;
	printf("ready\n");
	fflush(stdout);
	knock(endpoint);
	int64_t listens_us = bench_mono_us();
	bench_line_dial(&line, endpoint, &keys, on_message, &answered);
	if (node)
		send_hello(&line, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_HELLO, agent_hello());
	else
		send_hello(&line, TORAP__MESSAGE_TYPE__MESSAGE_HELLO, subscriber_hello(config->feed));
	wait_for_answer(&line, &answered);
	printf("{\"listens_us\":%lld,\"serves_us\":%lld}\n", (long long)listens_us,
		(long long)bench_mono_us());
	bench_line_hang_up(&line);
	follow_config_destroy(config);
	return 0;
}
