/* Runs the federation from seeds: each a few minutes of its own time with faults, then a calm in which everything must come right. */
#include "sim/sim.h"

#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "base/error.h"
#include "proto/session.pb-c.h"

enum { STEPS = 1500, CALM_STEPS = 1500, STEP_US_MAX = 60000, SEEDS = 25 };

uint64_t sim_random(struct sim_world *w, uint64_t below)
{
	w->random += 0x9e3779b97f4a7c15; /* SplitMix64 */
	uint64_t z = w->random;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

bool sim_chance(struct sim_world *w, unsigned per_mille)
{
	return sim_random(w, 1000) < per_mille && !w->calm;
}

struct torap_wall sim_wall(const struct sim_world *w)
{
	return (struct torap_wall){ w->now.us + (int64_t)1800000000 * TORAP_US_PER_S };
}

const struct torap_stream_id *sim_stream(const struct sim_world *w, size_t stream)
{
	return &w->nodes[stream / SIM_LANES].lanes[stream % SIM_LANES].stream;
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

/* The nodes' keys come from the seed, and a root that exists for this run signs them. */
static void make_trust(struct sim_world *w)
{
	Torap__TrustedWriter writers[SIM_NODES], *list[SIM_NODES];
	Torap__TrustedKey keys[SIM_NODES], *key_list[SIM_NODES];
	uint8_t curve[SIM_NODES][32] = { { 1 }, { 2 }, { 3 } };
	for (size_t n = 0; n < SIM_NODES; n++) {
		torap__trusted_key__init(&keys[n]);
		keys[n].key = (ProtobufCBinaryData){ 32, w->nodes[n].key.public };
		keys[n].until_us = INT64_MAX / 2;
		key_list[n] = &keys[n];
		torap__trusted_writer__init(&writers[n]);
		writers[n].id = w->nodes[n].name;
		writers[n].regions = &w->nodes[n].region;
		writers[n].n_regions = 1;
		writers[n].curve_key = (ProtobufCBinaryData){ 32, curve[n] };
		writers[n].keys = &key_list[n];
		writers[n].n_keys = 1;
		list[n] = &writers[n];
	}
	Torap__Trust trust = TORAP__TRUST__INIT;
	trust.version = 1;
	trust.valid_until_us = INT64_MAX / 2;
	trust.writers = list;
	trust.n_writers = SIM_NODES;

	static const char prefix[] = "torap trust 1";
	uint8_t text[4096], signature[64], packed[8192], seed[32] = { 9 };
	memcpy(text, prefix, sizeof prefix);
	size_t size = torap__trust__pack(&trust, text + sizeof prefix);
	struct torap_sign_key root;
	torap_sign_key_make(&root, seed);
	crypto_sign_detached(signature, NULL, text, sizeof prefix + size, root.secret);
	Torap__SignedTrust signed_trust = TORAP__SIGNED_TRUST__INIT;
	signed_trust.trust = (ProtobufCBinaryData){ size, text + sizeof prefix };
	signed_trust.signature = (ProtobufCBinaryData){ sizeof signature, signature };
	size = torap__signed_trust__pack(&signed_trust, packed);
	struct torap_error err;
	if (torap_trust_decode(&w->trust, torap_bytes(packed, size), root.public, sim_wall(w), &err)) {
		fprintf(stderr, "sim: %s\n", err.text);
		exit(1);
	}
}

static void begin(struct sim_world *w, uint64_t seed, bool verbose)
{
	static uint16_t prison[] = { TORAP__FACILITY__FACILITY_PRISON };
	static uint32_t almaty[] = { 750000000 };
	static const struct sim_feed feeds[SIM_SUBSCRIBERS] = {
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
		/* No personal parts: what the nation's broker gives are partial copies. */
		[SIM_UPSTREAM] = { .name = "nation",
			.brokers = { 0, 1 },
			.brokers_count = 2,
			.row = { .parts = { [TORAP__PART_KIND__PART_OPEN] = true } } },
	};
	static const uint32_t regions[SIM_NODES] = { 751310000, 391010000, 392410000 };
	*w = (struct sim_world){ .seed = seed, .random = seed, .verbose = verbose, .almaty_personal = true };
	for (size_t n = 0; n < SIM_NODES; n++) {
		struct sim_node *node = &w->nodes[n];
		snprintf(node->name, sizeof node->name, "node-%zu", n);
		node->region = regions[n];
		uint8_t key_seed[32] = { (uint8_t)n, 77 };
		torap_sign_key_make(&node->key, key_seed);
		for (size_t i = 0; i < SIM_LANES; i++)
			torap_stream_id_make(
				&node->lanes[i].stream, node->name, sim_lane(i), sim_random(w, UINT64_MAX));
		sim_node_start(w, node);
	}
	make_trust(w);
	memcpy(w->feeds, feeds, sizeof feeds);
	for (size_t f = 0; f < SIM_SUBSCRIBERS; f++)
		w->feeds[f].subscriber = sim_subscriber_create(w, &w->feeds[f]);
	for (size_t b = 0; b < SIM_BROKERS; b++)
		w->brokers[b] = sim_broker_create(w, b);
}

static void end(struct sim_world *w)
{
	for (size_t b = 0; b < SIM_BROKERS; b++)
		sim_broker_destroy(w->brokers[b]);
	for (size_t f = 0; f < SIM_SUBSCRIBERS; f++) {
		sim_subscriber_destroy(w->feeds[f].subscriber);
		for (size_t i = 0; i < SIM_LANES; i++)
			sim_line_reset(&w->feeds[f].lines[i]);
	}
	for (size_t n = 0; n < SIM_NODES; n++)
		for (size_t i = 0; i < SIM_LANES; i++) {
			struct sim_writer *l = &w->nodes[n].lanes[i];
			torap_sealer_destroy(l->sealer);
			sim_disk_finish(&l->disk);
			for (size_t b = 0; b < SIM_CITIES; b++) {
				torap_window_finish(&l->uplinks[b].window);
				sim_line_reset(&l->uplinks[b].line);
			}
		}
	torap_trust_unref(w->trust);
}

static void step(struct sim_world *w)
{
	w->now.us += 1000 + (int64_t)sim_random(w, STEP_US_MAX);
	for (size_t n = 0; n < SIM_NODES; n++)
		sim_node_step(w, &w->nodes[n]);
	if (sim_chance(w, 3)) {
		w->almaty_personal = !w->almaty_personal;
		w->policies++;
		sim_note(w, "the policy %s almaty personal parts", w->almaty_personal ? "grants" : "denies");
	}
	for (size_t b = 0; b < SIM_BROKERS; b++)
		sim_broker_step(w, w->brokers[b]);
	for (size_t f = 0; f < SIM_SUBSCRIBERS; f++)
		sim_subscriber_step(w, w->feeds[f].subscriber);
	sim_check_step(w);
}

/* True: everything came right. */
static bool run(uint64_t seed, bool verbose)
{
	struct sim_world w;
	begin(&w, seed, verbose);
	for (int i = 0; i < STEPS && !*w.failure; i++)
		step(&w);
	w.calm = true;
	sim_note(&w, "calm");
	for (int i = 0; i < CALM_STEPS && !*w.failure; i++)
		step(&w);
	if (!*w.failure)
		sim_check_end(&w);
	if (verbose || *w.failure)
		printf("seed %" PRIu64 ": %" PRIu64 " events (%" PRIu64 " refused), %" PRIu64
		       " messages (%" PRIu64 " lost, %" PRIu64 " doubled, %" PRIu64 " reordered), %" PRIu64
		       " crashes, %" PRIu64 " links half-open or slow, %" PRIu64 " clock jumps, %" PRIu64
		       " policies: %s\n",
			seed, w.events, w.refused, w.messages, w.lost, w.doubled, w.reordered, w.crashes,
			w.cuts, w.jumps, w.policies, *w.failure ? w.failure : "good");
	bool good = !*w.failure;
	end(&w);
	return good;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'n' }, { "from", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	uint64_t from = 1, seeds = SEEDS;
	bool one = false;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (c) {
		case 's':
			from = strtoull(optarg, NULL, 10);
			one = true;
			break;
		case 'n':
			seeds = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			from = strtoull(optarg, NULL, 10);
			break;
		case 'h':
			printf("sim [--seeds N] [--from SEED] | sim --seed SEED\n\nRuns the federation from "
			       "N seeds (%d), or one with all that happens.\n",
				SEEDS);
			return 0;
		default:
			return 2;
		}
	if (sodium_init() < 0)
		return 1;
	uint64_t bad = 0;
	if (one) {
		bad = run(from, true) ? 0 : 1;
	} else {
		for (uint64_t i = 0; i < seeds; i++)
			if (!run(from + i, false)) {
				bad++;
				printf("again: tests/run sim --seed %" PRIu64 "\n", from + i);
			}
		printf("%" PRIu64 " seeds from %" PRIu64 ", %" PRIu64 " failed\n", seeds, from, bad);
	}
	return bad ? 1 : 0;
}
