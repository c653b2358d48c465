/* fanout_offer.c: a writer of batches that are all alike, at the pace that it is told.
 *
 * Speaks a node's half of proto/README.md in the lane normal; fan.h says what its batches hold.  Each line on standard input, "COUNT
 * RATE", asks for so many batches at so many a second; when all are acknowledged, a line of JSON.  Ends with its input. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/fan.h"
#include "bench/line.h"
#include "bench/samples.h"
#include "conf/keys.h"
#include "link/message.h"
#include "wire/envelope.h"
#include "wire/seal.h"

enum {
	HEARTBEAT_US = 1000000,
	HEAD_US = 2000000,
	QUIET_US = 30000000,
	LOOK_MS = 10, /* for a line on standard input */
};

struct offer {
	const char *endpoint;
	struct torap_keys keys, broker;
	struct bench_line line;
	struct torap_sealer *sealer;
	struct torap_stream_id stream;
	bool welcomed;
	uint64_t sealed, acked, bytes; /* batches; bytes of all */
	uint64_t random;
	int64_t last_sent_us, last_heard_us, last_head_us;
};

static void send_frames(struct offer *o, struct torap_buffer **frames, size_t count)
{
	if (!frames[0])
		bench_fail("out of memory");
	bench_line_say(&o->line, frames, count);
	o->last_sent_us = bench_mono_us();
}

static void send_message(struct offer *o, struct torap_buffer *envelope, struct torap_buffer *body)
{
	struct torap_buffer *frames[2] = { envelope, body };
	send_frames(o, frames, body ? 2 : 1);
	torap_buffer_unref(envelope);
	torap_buffer_unref(body);
}

static void greet(struct offer *o)
{
	struct torap_stream_position position = { .stream = o->stream,
		.at = { .next_batch = 1, .next_seq = 1 } };
	struct torap_hello hello = { .version = 1,
		.role = TORAP__ROLE__ROLE_WRITER,
		.lane = TORAP__LANE__LANE_NORMAL,
		.software = "fanout_offer",
		.positions = &position,
		.positions_count = 1 };
	snprintf(hello.name, sizeof hello.name, "%s", o->keys.name);
	send_message(o, torap_envelope_plain(TORAP__MESSAGE_TYPE__MESSAGE_HELLO), torap_hello_encode(&hello));
}

static void on_ack(struct offer *o, struct torap_bytes body)
{
	struct torap_stream_position *positions;
	size_t count;
	struct torap_error err;
	if (torap_ack_decode(&positions, &count, body, &err))
		bench_fail("an acknowledgement that cannot be read: %s", err.text);
	for (size_t i = 0; i < count; i++)
		o->acked = positions[i].at.next_batch - 1;
	torap_positions_destroy(positions, count);
}

static void on_message(void *hint, struct torap_buffer **frames, size_t count)
{
	struct offer *o = hint;
	struct torap_envelope envelope;
	struct torap_error err;
	if (torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err))
		bench_fail("the broker sent what cannot be read: %s", err.text);
	struct torap_refusal refusal;
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL && count == 2 &&
		torap_refusal_decode(&refusal, torap_buffer_bytes(frames[1]), &err) == 0)
		bench_fail("the broker refuses us: %s", refusal.reason);
	o->welcomed |= envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_WELCOME;
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_ACK && count == 2)
		on_ack(o, torap_buffer_bytes(frames[1]));
	o->last_heard_us = bench_mono_us();
}

/* As a node does while nothing happens. */
static void keep_alive(struct offer *o)
{
	int64_t now_us = bench_mono_us();
	if (now_us - o->last_head_us > HEAD_US && o->sealed > 0 && o->sealed == o->acked) {
		struct torap_wall at = { bench_wall_us() };
		send_message(o, torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_HEAD, &o->stream, 0),
			torap_sealer_head(o->sealer, at));
		o->last_head_us = now_us;
	}
	if (now_us - o->last_sent_us > HEARTBEAT_US)
		send_message(o, torap_envelope_plain(TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT), NULL);
}

static struct torap_batch *seal(struct offer *o)
{
	struct torap_batch *batch = fan_seal(o->sealer, &o->random);
	o->sealed++;
	o->bytes += torap_batch_size(batch);
	return batch;
}

static void send_batch(struct offer *o, struct torap_batch *batch)
{
	struct torap_buffer *frames[TORAP_BATCH_MESSAGE_MAX];
	send_frames(o, frames, torap_batch_to_frames(frames, batch));
	torap_buffer_unref(frames[0]);
	torap_batch_destroy(batch);
}

/* Each is sealed ahead of its moment, so that the pace holds. */
static void offer(struct offer *o, uint64_t count, double rate)
{
	int64_t began_us = bench_mono_us();
	uint64_t bytes = o->bytes;
	for (uint64_t i = 0; i < count; i++) {
		struct torap_batch *batch = seal(o);
		for (int64_t left;
			(left = began_us + (int64_t)((double)i * 1e6 / rate) - bench_mono_us()) > 0;)
			bench_line_wait(&o->line, left < 1000 ? 1 : (uint64_t)left / 1000);
		send_batch(o, batch);
		bench_line_wait(&o->line, 0);
	}
	while (o->acked < o->sealed) {
		bench_line_wait(&o->line, 1);
		if (bench_mono_us() - o->last_heard_us > QUIET_US)
			bench_fail("batch %" PRIu64 " was not acknowledged", o->acked + 1);
	}
	printf("{\"batches\":%" PRIu64 ",\"seconds\":%.3f,\"batch_bytes\":%.0f}\n", count,
		(double)(bench_mono_us() - began_us) / 1e6, (double)(o->bytes - bytes) / (double)count);
	fflush(stdout);
}

static void start(struct offer *o, uint64_t incarnation)
{
	static const uint8_t no_digest[TORAP_DIGEST_SIZE];
	struct torap_error err;
	struct torap_zmtp_dial_options keys = { .secret_key = o->keys.curve_secret,
		.public_key = o->keys.curve_public,
		.server_key = o->broker.curve_public };
	if (!torap_stream_id_make(&o->stream, o->keys.name, TORAP__LANE__LANE_NORMAL, incarnation) ||
		torap_sealer_create(&o->sealer, &o->stream, 0, 1, no_digest, &o->keys.sign, &err))
		bench_fail("%s", err.text);
	bench_line_dial(&o->line, o->endpoint, &keys, on_message, o);
	greet(o);
	o->last_heard_us = bench_mono_us();
	while (!o->welcomed) {
		bench_line_wait(&o->line, 1);
		if (bench_mono_us() - o->last_heard_us > QUIET_US)
			bench_fail("no welcome from %s", o->endpoint);
	}
	printf("flowing\n");
	fflush(stdout);
}

/* Is there a line on standard input? */
static bool is_asked(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	return poll(&input, 1, 0) > 0;
}

static void usage(int status)
{
	printf("usage: fanout_offer --keys NODE.key --broker tcp://HOST:PORT --broker-key BROKER.pub\n"
	       "Seals batches of 4,000 events; each line \"COUNT RATE\" asks for so many, at so many a second.\n");
	exit(status);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "keys", required_argument, NULL, 'k' },
		{ "broker", required_argument, NULL, 'b' }, { "broker-key", required_argument, NULL, 'B' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	struct offer o = { .random = 1 };
	struct torap_error err;
	const char *keys = NULL, *broker_key = NULL;
	char line[64];
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'k')
			keys = optarg;
		else if (c == 'b')
			o.endpoint = optarg;
		else if (c == 'B')
			broker_key = optarg;
		else
			usage(c == 'h' ? 0 : 2);
	}
	if (!keys || !o.endpoint || !broker_key)
		usage(2);
	if (torap_keys_load(&o.keys, keys, &err) || torap_keys_load_public(&o.broker, broker_key, &err))
		bench_fail("%s", err.text);
	setvbuf(stdin, NULL, _IONBF, 0); /* A line that waits in a buffer is seen by no poll. */
	start(&o, (uint64_t)bench_wall_us());
	for (bool more = true; more;) {
		uint64_t count;
		double rate;
		keep_alive(&o);
		bench_line_wait(&o.line, LOOK_MS);
		if (!is_asked())
			continue;
		more = fgets(line, sizeof line, stdin);
		if (more && (sscanf(line, "%" SCNu64 " %lf", &count, &rate) != 2 || count == 0 || rate <= 0))
			bench_fail("not \"COUNT RATE\": %s", line);
		if (more)
			offer(&o, count, rate);
	}
	bench_line_hang_up(&o.line);
	torap_sealer_destroy(o.sealer);
	torap_keys_wipe(&o.keys);
	return 0;
}
