/* peer_load.c: publishes to another bus and receives from it, in one thread, as hop_offer and hop_take do with ours.
 *
 * Each message has its number and the time when it was made; the rest is filler.  No more than --window messages wait for their
 * acknowledgement, and no more than 32 MiB are under way to the subscriber.  Publishes for --seconds, as fast as it is let or at --rate, then waits for the rest: every message must come.
 * One that comes twice is counted (QoS 1 allows it).  One line of JSON. */
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bench/peer.h"
#include "bench/samples.h"

enum { WINDOW_MAX = 1 << 17, QUIET_US = 20000000, OUT_MOST = 1 << 20, AHEAD_MOST = 32 << 20 };

struct stamp {
	uint64_t number;
	int64_t made_us;
};

struct load {
	const struct peer_bus *bus;
	uint64_t edge_port, hub_port, window, rate, size, seconds;
	struct peer_side publisher, subscriber;
	uint64_t published, acknowledged, received, doubled, seen_room;
	uint8_t *seen, *message;
	int64_t sent_us[WINDOW_MAX];
	int64_t began_us, last_us, heard_us;
	struct bench_samples ack, age;
};

static void publish_one(struct load *l, int64_t now_us)
{
	struct stamp stamp = { l->published, now_us };
	memcpy(l->message, &stamp, sizeof stamp);
	l->bus->publish(&l->publisher, torap_bytes(l->message, l->size));
	l->sent_us[l->published++ % WINDOW_MAX] = now_us;
}

static bool is_over(const struct load *l, int64_t now_us)
{
	return now_us >= l->began_us + (int64_t)l->seconds * 1000000;
}

static void publish_what_is_due(struct load *l)
{
	int64_t now_us = bench_mono_us();
	uint64_t due = UINT64_MAX;
	if (is_over(l, now_us))
		return;
	if (l->rate)
		due = (uint64_t)(now_us - l->began_us) * l->rate / 1000000 + 1;
	while (l->published < due && l->published - l->acknowledged < l->window &&
		(l->published - l->received) * l->size < AHEAD_MOST &&
		l->publisher.out.size - l->publisher.out.at < OUT_MOST)
		publish_one(l, now_us);
}

static void note(struct load *l, struct torap_bytes message, int64_t now_us)
{
	struct stamp stamp;
	if (message.size != l->size)
		bench_fail("a message of %zu bytes", message.size);
	memcpy(&stamp, message.data, sizeof stamp);
	if (stamp.number >= l->published)
		bench_fail("message %" PRIu64 " was never published", stamp.number);
	if (stamp.number >= l->seen_room) {
		uint64_t room = 2 * stamp.number + 65536;
		l->seen = realloc(l->seen, room);
		if (!l->seen)
			bench_fail("out of memory");
		memset(l->seen + l->seen_room, 0, room - l->seen_room);
		l->seen_room = room;
	}
	l->doubled += l->seen[stamp.number];
	l->received += !l->seen[stamp.number];
	l->seen[stamp.number] = 1;
	l->last_us = now_us;
	bench_samples_add(&l->age, now_us - stamp.made_us);
}

static void take_what_came(struct load *l)
{
	struct torap_bytes message;
	peer_receive(&l->publisher);
	int64_t now_us = bench_mono_us();
	while (l->bus->take_ack(&l->publisher)) {
		if (l->acknowledged == l->published)
			bench_fail("an acknowledgement too many");
		bench_samples_add(&l->ack, now_us - l->sent_us[l->acknowledged++ % WINDOW_MAX]);
		l->heard_us = now_us;
	}
	peer_receive(&l->subscriber);
	now_us = bench_mono_us();
	while (l->bus->take_message(&l->subscriber, &message)) {
		note(l, message, now_us);
		l->heard_us = now_us;
	}
	l->bus->on_taken(&l->subscriber);
}

static void wait_for_something(struct load *l)
{
	struct pollfd fds[] = { { .fd = l->publisher.fd, .events = POLLIN },
		{ .fd = l->subscriber.fd, .events = POLLIN } };
	struct peer_side *sides[] = { &l->publisher, &l->subscriber };
	for (int i = 0; i < 2; i++)
		if (sides[i]->out.at < sides[i]->out.size)
			fds[i].events |= POLLOUT;
	poll(fds, 2, l->rate ? 1 : 100);
}

static void run(struct load *l)
{
	peer_connect(&l->subscriber, l->hub_port);
	l->bus->greet_subscriber(&l->subscriber);
	peer_connect(&l->publisher, l->edge_port);
	l->bus->greet_publisher(&l->publisher);
	l->began_us = l->heard_us = bench_mono_us();
	for (;;) {
		int64_t now_us = bench_mono_us();
		if (is_over(l, now_us) && l->acknowledged == l->published && l->received == l->published)
			break;
		if (now_us - l->heard_us > QUIET_US)
			bench_fail("nothing came for %d s: %" PRIu64 " published, %" PRIu64
				   " acknowledged, %" PRIu64 " received",
				QUIET_US / 1000000, l->published, l->acknowledged, l->received);
		publish_what_is_due(l);
		peer_flush(&l->publisher);
		peer_flush(&l->subscriber);
		wait_for_something(l);
		take_what_came(l);
	}
	while (l->subscriber.out.at <
		l->subscriber.out.size) /* else the server would send the last ones again */
		peer_flush(&l->subscriber);
}

static void print_latency(const char *name, struct bench_samples *s)
{
	printf(",\"%s\":{\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f}", name,
		bench_samples_percentile_ms(s, 0.5), bench_samples_percentile_ms(s, 0.99),
		bench_samples_percentile_ms(s, 0.999));
}

static const struct peer_bus *find_bus(const char *name)
{
	const struct peer_bus *all[] = { &peer_nats, &peer_mqtt, &peer_redis };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (!strcmp(name, all[i]->name))
			return all[i];
	bench_fail("--bus %s: nats, mqtt or redis", name);
}

static void read_options(struct load *l, int argc, char **argv)
{
	static const struct option options[] = { { "bus", required_argument, NULL, 'b' },
		{ "edge", required_argument, NULL, 'e' }, { "hub", required_argument, NULL, 'u' },
		{ "window", required_argument, NULL, 'w' }, { "rate", required_argument, NULL, 'r' },
		{ "size", required_argument, NULL, 's' }, { "seconds", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (o == 'b')
			l->bus = find_bus(optarg);
		else if (o == 'e')
			l->edge_port = bench_number("edge", optarg, UINT16_MAX);
		else if (o == 'u')
			l->hub_port = bench_number("hub", optarg, UINT16_MAX);
		else if (o == 'w')
			l->window = bench_number("window", optarg, WINDOW_MAX);
		else if (o == 'r')
			l->rate = bench_number("rate", optarg, 100000000);
		else if (o == 's')
			l->size = bench_number("size", optarg, 8 << 20);
		else if (o == 't')
			l->seconds = bench_number("seconds", optarg, 3600);
		else {
			printf("usage: peer_load --bus nats|mqtt|redis --edge PORT --hub PORT [--window N] [--rate PER_S] [--size BYTES] [--seconds N]\n"
			       "Publishes at the edge, receives at the hub.  One line of JSON.\n");
			exit(o == 'h' ? 0 : 2);
		}
	}
	if (!l->bus || !l->edge_port || !l->hub_port || !l->window || l->size < sizeof(struct stamp) ||
		!l->seconds)
		bench_fail("--bus, --edge or --hub is missing, or nothing is to be measured");
}

int main(int argc, char **argv)
{
	torap_memory_keep();
	struct load *l = calloc(1, sizeof *l);
	if (!l)
		bench_fail("out of memory");
	l->window = 1000;
	l->size = 200;
	l->seconds = 5;
	read_options(l, argc, argv);
	l->message = malloc(l->size);
	if (!l->message)
		bench_fail("out of memory");
	memset(l->message, 'x', l->size);
	run(l);
	double seconds = (double)(l->last_us - l->began_us) / 1e6;
	printf("{\"messages\":%" PRIu64 ",\"doubled\":%" PRIu64
	       ",\"seconds\":%.3f,\"per_s\":%.1f,\"mb_per_s\":%.1f",
		l->received, l->doubled, seconds, (double)l->received / seconds,
		(double)(l->received * l->size) / seconds / 1e6);
	print_latency("ack", &l->ack);
	print_latency("age", &l->age);
	printf("}\n");
	peer_close(&l->publisher);
	peer_close(&l->subscriber);
	bench_samples_finish(&l->ack);
	bench_samples_finish(&l->age);
	free(l->seen);
	free(l->message);
	free(l);
	return 0;
}
