/* fanout_route.c: what routing alone costs a broker: which feeds a batch of fan.h is for, and cutting it down to each of them.
 *
 *     fanout_route --feeds N --share PERCENT [--batches N]
 *
 * No sessions, so for any number of feeds.  One line of JSON. */
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bench/fan.h"
#include "bench/samples.h"
#include "broker/cut.h"
#include "broker/routing.h"
#include "wire/seal.h"

static void fill(struct torap_grant_row *row, struct fan_grant grant)
{
	*row = (struct torap_grant_row){
		.regions_count = 1, .facilities_count = grant.facility != 0, .kinds_count = grant.kind != 0
	};
	row->parts[TORAP__PART_KIND__PART_OPEN] = true;
	row->regions = malloc(sizeof *row->regions);
	row->facilities = malloc(sizeof *row->facilities);
	row->kinds = malloc(sizeof *row->kinds);
	if (!row->regions || !row->facilities || !row->kinds)
		bench_fail("out of memory");
	*row->regions = FAN_REGION;
	*row->facilities = grant.facility;
	*row->kinds = grant.kind;
}

static struct broker_policy *make_policy(unsigned feeds, enum fan_share share)
{
	struct broker_policy *p = calloc(1, sizeof *p);
	if (!p || !(p->feeds = calloc(feeds, sizeof *p->feeds)))
		bench_fail("out of memory");
	atomic_init(&p->refs, 1);
	p->feeds_count = feeds;
	for (unsigned i = 0; i < feeds; i++) {
		struct broker_policy_feed *f = &p->feeds[i];
		f->rows_count = 1;
		f->rows = calloc(1, sizeof *f->rows);
		if (!f->rows)
			bench_fail("out of memory");
		fill(f->rows, fan_grant(i, share));
	}
	return p;
}

static struct torap_batch *make_batch(void)
{
	static const uint8_t seed[32] = { 3 }, no_digest[TORAP_DIGEST_SIZE];
	struct torap_sign_key key;
	struct torap_stream_id id;
	struct torap_sealer *sealer;
	struct torap_error err;
	uint64_t random = 1;
	torap_sign_key_make(&key, seed);
	if (!torap_stream_id_make(&id, "fan", TORAP__LANE__LANE_NORMAL, 1) ||
		torap_sealer_create(&sealer, &id, 0, 1, no_digest, &key, &err))
		bench_fail("no sealer");
	struct torap_batch *batch = fan_seal(sealer, &random);
	torap_sealer_destroy(sealer);
	return batch;
}

static void route(struct broker_routing *routing, const struct torap_batch *batch)
{
	static struct torap_batch view;
	uint32_t *feeds, count;
	if (broker_routing_batch(routing, batch->manifest, &feeds, &count) || count != FAN_MATCHING)
		bench_fail("not the feeds that match");
	for (uint32_t i = 0; i < count; i++)
		if (broker_cut_make(&view, routing, feeds[i], batch) == 0)
			bench_fail("nothing for a feed that matches");
	free(feeds);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "feeds", required_argument, NULL, 'f' },
		{ "share", required_argument, NULL, 's' }, { "batches", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	unsigned feeds = 0;
	uint64_t batches = 20000;
	enum fan_share share = FAN_ALL;
	struct torap_error err;
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'f')
			feeds = (unsigned)bench_number("feeds", optarg, 1 << 20);
		else if (c == 's' && !fan_share_read(&share, optarg))
			bench_fail("--share is 0.1, 1 or 100");
		else if (c == 'b')
			batches = bench_number("batches", optarg, 1 << 30);
		else if (c != 's') {
			printf("usage: fanout_route --feeds N --share PERCENT [--batches N]\n");
			return c == 'h' ? 0 : 2;
		}
	}
	if (feeds < FAN_MATCHING || batches == 0)
		bench_fail("--feeds is at least %d", FAN_MATCHING);
	struct broker_policy *policy = make_policy(feeds, share);
	struct broker_routing *routing;
	struct torap_batch *batch = make_batch();
	if (broker_routing_create(&routing, policy, &err))
		bench_fail("%s", err.text);
	int64_t first_us = bench_mono_us();
	route(routing, batch); /* Asks every feed for each class, once. */
	first_us = bench_mono_us() - first_us;
	int64_t since_us = bench_mono_us();
	for (uint64_t i = 0; i < batches; i++)
		route(routing, batch);
	printf("{\"us_per_batch\":%.3f,\"first_us\":%lld}\n",
		(double)(bench_mono_us() - since_us) / (double)batches, (long long)first_us);
	broker_routing_destroy(routing);
	broker_policy_unref(policy);
	torap_batch_destroy(batch);
	return 0;
}
