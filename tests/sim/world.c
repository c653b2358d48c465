/* The world of one seed: its parts, its time, its luck. */
#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/session.pb-c.h"

enum { STEP_US_MAX = 60000, CALM_STEP_US_MAX = 200000 };

const struct sim_fault_kind sim_faults[SIM_FAULTS] = {
	[SIM_LOST] = { "lost", 150 },
	[SIM_DOUBLED] = { "doubled", 150 },
	[SIM_LATE] = { "late", 200 },
	[SIM_CUT] = { "cut", 10 },
	[SIM_HALF_OPEN] = { "half-open", 10 },
	[SIM_SLOW] = { "slow", 10 },
	[SIM_CRASH] = { "crashes", 10 },
	[SIM_STUCK] = { "stuck", 10 },
	[SIM_FULL] = { "full disks", 10 },
	[SIM_FLUSH] = { "failed flushes", 20 },
	[SIM_DAMAGE] = { "damaged frames", 50 },
	[SIM_MANIFEST] = { "damaged manifests", 20 },
	[SIM_EXPIRE] = { "expired batches", 50 },
	[SIM_JUMP] = { "clock jumps", 40 },
	[SIM_POLICY] = { "policies", 30 },
	[SIM_TRUST] = { "trust files", 60 },
	[SIM_KEY] = { "new keys", 40 },
};

uint64_t sim_random(struct sim_world *w, uint64_t below)
{
	w->random += 0x9e3779b97f4a7c15; /* SplitMix64 */
	uint64_t z = w->random;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

bool sim_fault(struct sim_world *w, enum sim_fault fault)
{
	bool happens = sim_random(w, 10000) < sim_faults[fault].per_10000 * w->times[fault] && !w->calm;
	w->faults[fault] += happens;
	return happens;
}

/* Not every seed has every fault, and some have much of one: what hides behind a crash shows in a run without crashes. */
static void draw_faults(struct sim_world *w)
{
	static const unsigned times[] = { 0, 1, 1, 1, 1, 3 };
	for (size_t i = 0; i < SIM_FAULTS; i++)
		w->times[i] = times[sim_random(w, sizeof times / sizeof times[0])];
	if (w->times[SIM_DAMAGE] == 0) /* Nothing rots, and no broker has a start more (broker.c). */
		w->times[SIM_MANIFEST] = 0;
}

struct torap_wall sim_wall(const struct sim_world *w)
{
	return (struct torap_wall){ w->now.us + (int64_t)1800000000 * TORAP_US_PER_S };
}

const struct torap_stream_id *sim_stream(const struct sim_world *w, size_t stream)
{
	return stream < SIM_NODE_STREAMS ? &w->nodes[stream / SIM_LANES].lanes[stream % SIM_LANES].stream
					 : &w->own[stream - SIM_NODE_STREAMS];
}

void sim_note(struct sim_world *w, const char *format, ...)
{
	if (!w->verbose)
		return;
	printf("%10.3f s  ", (double)w->now.us / TORAP_US_PER_S);
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void sim_fail(struct sim_world *w, const char *format, ...)
{
	if (*w->failure)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(w->failure, sizeof w->failure, format, args);
	va_end(args);
	sim_note(w, "FAILED: %s", w->failure);
}

static void begin_node(struct sim_world *w, size_t n)
{
	struct sim_node *node = &w->nodes[n];
	snprintf(node->name, sizeof node->name, "node-%zu", n);
	node->region = sim_node_region(n);
	sim_writer_key(n, node->curve_key);
	for (size_t k = 0; k < SIM_KEYS; k++)
		sim_node_key(&node->keys[k], n, k);
	for (size_t i = 0; i < SIM_LANES; i++) {
		torap_stream_id_make(
			&node->lanes[i].stream, node->name, sim_lane(i), sim_random(w, UINT64_MAX));
		for (size_t b = 0; b < SIM_CITIES; b++) {
			struct sim_line *line = &node->lanes[i].uplinks[b].line;
			line->broker = b;
			line->feed = SIM_NO_FEED;
			memcpy(line->key, node->curve_key, sizeof line->key);
			sim_line_open(w, line);
		}
	}
	sim_node_start(w, node);
}

static void begin_broker(struct sim_world *w, size_t b)
{
	char name[16];
	w->brokers[b] = sim_broker_create(w, b);
	snprintf(name, sizeof name, "broker-%zu", b);
	for (size_t i = 0; i < SIM_LANES; i++)
		torap_stream_id_make(
			&w->own[b * SIM_LANES + i], name, sim_lane(i), sim_broker_incarnation(w->brokers[b]));
}

static void begin_feed(struct sim_world *w, size_t f)
{
	struct sim_feed *feed = &w->feeds[f];
	for (size_t i = 0; i < SIM_LANES; i++) {
		feed->lines[i].broker = feed->brokers[0];
		feed->lines[i].feed = f;
		feed->lines[i].ordered = true;
		sim_feed_key(f, feed->lines[i].key);
		sim_line_open(w, &feed->lines[i]);
	}
	feed->subscriber = sim_subscriber_create(w, feed);
}

void sim_begin(struct sim_world *w, uint64_t seed, bool verbose)
{
	static uint16_t prison[] = { TORAP__FACILITY__FACILITY_PRISON };
	static uint32_t almaty[] = { 750000000 };
	static const struct sim_feed feeds[SIM_FEEDS] = {
		{ .name = "centre",
			.brokers = { 0, 1 },
			.brokers_count = 2,
			.row = { .parts = { [TORAP__PART_KIND__PART_OPEN] = true,
					 [TORAP__PART_KIND__PART_PERSONAL] = true } } },
		{ .name = "prosecutor",
			.brokers = { 1, 0 },
			.brokers_count = 2,
			.row = { .facilities = prison,
				.facilities_count = 1,
				.parts = { [TORAP__PART_KIND__PART_OPEN] = true } } },
		{ .name = "almaty",
			.brokers = { 0 },
			.brokers_count = 1,
			.row = { .regions = almaty,
				.regions_count = 1,
				.facilities = prison,
				.facilities_count = 1,
				.parts = { [TORAP__PART_KIND__PART_OPEN] = true,
					[TORAP__PART_KIND__PART_PERSONAL] = true } } },
		{ .name = "ministry",
			.brokers = { SIM_NATION },
			.brokers_count = 1,
			.row = { .parts = { [TORAP__PART_KIND__PART_OPEN] = true,
					 [TORAP__PART_KIND__PART_PERSONAL] = true } } },
		/* Either gives partial copies, which complete each other. */
		[SIM_UPSTREAM] = { .name = "nation-0",
			.brokers = { 0 },
			.brokers_count = 1,
			.row = { .parts = { [TORAP__PART_KIND__PART_OPEN] = true } } },
		[SIM_UPSTREAM + 1] = { .name = "nation-1",
			.brokers = { 1 },
			.brokers_count = 1,
			.row = { .facilities = prison,
				.facilities_count = 1,
				.parts = { [TORAP__PART_KIND__PART_OPEN] = true,
					[TORAP__PART_KIND__PART_PERSONAL] = true } } },
	};
	*w = (struct sim_world){ .seed = seed, .random = seed, .verbose = verbose };
	sim_sodium_begin(seed);
	draw_faults(w);
	memcpy(w->feeds, feeds, sizeof feeds);
	sim_checks_begin(w);
	for (size_t n = 0; n < SIM_NODES; n++)
		begin_node(w, n);
	for (size_t b = 0; b < SIM_BROKERS; b++)
		begin_broker(w, b);
	for (size_t f = 0; f < SIM_SUBSCRIBERS; f++)
		begin_feed(w, f);
}

void sim_end(struct sim_world *w)
{
	for (size_t b = 0; b < SIM_BROKERS; b++)
		sim_broker_destroy(w->brokers[b]);
	for (size_t f = 0; f < SIM_FEEDS; f++)
		sim_subscriber_destroy(w->feeds[f].subscriber);
	for (size_t n = 0; n < SIM_NODES; n++)
		for (size_t i = 0; i < SIM_LANES; i++) {
			struct sim_writer *l = &w->nodes[n].lanes[i];
			torap_sealer_destroy(l->sealer);
			sim_disk_finish(&l->disk);
			for (size_t b = 0; b < SIM_CITIES; b++)
				torap_window_finish(&l->uplinks[b].window);
		}
	while (w->lines)
		sim_line_close(w, w->lines);
	sim_checks_end(w);
}

static void change_rules(struct sim_world *w)
{
	if (sim_fault(w, SIM_POLICY)) {
		w->policy = sim_random(w, SIM_POLICIES);
		sim_note(w, "the operator writes policy %zu", w->policy);
	}
	if (w->calm)
		w->policy = SIM_POLICY_GRANTS;
	if (w->trust + 1 < SIM_TRUSTS && sim_fault(w, SIM_TRUST))
		sim_note(w, "the operator signs trust file %zu", ++w->trust + 1);
}

void sim_step(struct sim_world *w)
{
	w->now.us += 1000 + (int64_t)sim_random(w, w->calm ? CALM_STEP_US_MAX : STEP_US_MAX);
	for (struct sim_line *line = w->lines; line; line = line->next)
		sim_line_suffers(w, line);
	change_rules(w);
	for (size_t n = 0; n < SIM_NODES; n++)
		sim_node_step(w, &w->nodes[n]);
	for (size_t b = 0; b < SIM_BROKERS; b++)
		sim_broker_step(w, w->brokers[b]);
	for (size_t f = 0; f < SIM_SUBSCRIBERS; f++)
		sim_subscriber_step(w, w->feeds[f].subscriber);
	sim_check_step(w);
}
