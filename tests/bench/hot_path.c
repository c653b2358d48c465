/* hot_path.c: the same events through the same code each time, for callgrind (`instructions` counts what is below hot_path()).
 *
 * A node's way of an observation, from an agent's offer to the sealed batch that is durable; then the batch as a broker takes it from its
 * connection (the node's sealing is not counted) and seals it for a subscriber: frames, signature, digests, and each event opened.  Rounds are of equal size whatever the disk does, so that the same
 * work is done each time; of the committer's thread what a lane's round does is counted, not the commit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/carried.h"
#include "bench/load.h"
#include "bench/samples.h"
#include "node/acceptance.h"
#include "node/batcher.h"
#include "node/dedup.h"
#include "node/mapping.h"
#include "node/offer.h"
#include "node/registry.h"
#include "node/subjects.h"
#include "node/supervision.h"
#include "node/tables.h"
#include "node/unknown.h"
#include "store/committer.h"
#include "store/kv.h"
#include "wire/envelope.h"
#include "wire/open.h"
#include "wire/verify.h"
#include "tests/kit/temporary.h"

enum { DEVICES = 64, OFFER = 1024, OFFERS_OF_ROUND = 4, ROUND = OFFER * OFFERS_OF_ROUND, TEXT_BYTES = 116 };

struct bench {
	char dir[64];
	struct torap_kv *kv;
	struct torap_committer *committer;
	struct node_batcher *batcher;
	struct node_dedup *dedup;
	struct node_subjects *subjects;
	struct node_supervision *supervision;
	struct node_unknown *unknown;
	struct node_registry *registry;
	struct node_mapping *mapping;
	struct node_acceptance *acceptance;
	struct torap_sign_key key;
	struct node_now now;
	struct torap_arena arena;
	struct torap_writer offers[OFFERS_OF_ROUND];
	struct bench_carried *connection;
	uint64_t durable, opened, went;
};

static void must(int r, const struct torap_error *err)
{
	if (r)
		bench_fail("hot_path: %s", err->text);
}

static const uint8_t *find_key(
	void *hint, const char *writer, const uint8_t key_id[static TORAP_KEY_ID_SIZE], struct torap_wall at)
{
	const struct bench *b = hint;
	(void)writer;
	(void)at;
	return memcmp(key_id, b->key.id, TORAP_KEY_ID_SIZE) == 0 ? b->key.public : NULL;
}

static int on_event(void *hint, const struct torap_opened *event)
{
	struct bench *b = hint;
	b->opened += event->open != NULL;
	return 0;
}

static void on_message(void *hint, struct torap_buffer **frames, size_t count)
{
	struct bench *b = hint;
	struct torap_envelope envelope;
	struct torap_batch *taken;
	struct torap_error err;
	must(torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err), &err);
	must(torap_batch_from_frames(&taken, &envelope, frames + 1, count - 1, &err), &err);
	if (torap_verify_batch(taken, find_key, b, NULL) != TORAP_VERDICT_GOOD)
		bench_fail("hot_path: a batch does not verify");
	must(torap_batch_open(taken, on_event, b, &err), &err);
	torap_batch_destroy(taken);
	b->went += bench_carried_go(b->connection, frames, count);
}

static void on_sealed(void *hint, uint32_t lane, struct node_sealed *sealed)
{
	struct bench *b = hint;
	struct torap_buffer *frames[TORAP_BATCH_MESSAGE_MAX];
	unsigned count = torap_batch_to_frames(frames, sealed->batch);
	(void)lane;
	bench_carried_come(b->connection, frames, count);
	torap_buffer_unref(frames[0]);
}

static void on_stream(void *hint, uint32_t lane)
{
	(void)hint;
	(void)lane;
}

static void on_head(void *hint, uint32_t lane, struct torap_buffer *head)
{
	(void)hint;
	(void)lane;
	(void)head;
}

static void on_wake(void *hint)
{
	(void)hint; /* hot_path() asks by itself. */
}

static void on_verdict(
	void *hint, uint64_t session, uint64_t id, Torap__Verdict__Word word, const char *reason)
{
	struct bench *b = hint;
	(void)session;
	(void)id;
	if (word != TORAP__VERDICT__WORD__DURABLE)
		bench_fail("hot_path: an observation was not taken: %s", reason);
	b->durable++;
}

static void open_store(struct bench *b)
{
	static const char *const tables[] = { NODE_TABLE_NAMES };
	static const uint8_t seed[32] = { 7 };
	struct torap_error err;
	struct torap_kv_options store = { .tables = tables, .map_size = (size_t)1 << 30 };
	torap_sign_key_make(&b->key, seed);
	temporary_dir(b->dir, sizeof b->dir, "hot-path");
	must(torap_kv_open(&b->kv, b->dir, &store, &err), &err);
	must(torap_committer_start(&b->committer, b->kv, on_wake, b, &err), &err);
	struct node_batcher_options options = {
		.kv = b->kv,
		.committer = b->committer,
		.writer = "node-bench",
		.key = &b->key,
		.on_sealed = on_sealed,
		.on_stream = on_stream,
		.on_head = on_head,
		.hint = b,
	};
	must(node_batcher_create(&b->batcher, &options, b->now, &err), &err);
}

static void read_registry(struct bench *b)
{
	static const char sites[] = "id,name,facility,region,owner_kind\n"
				    "school-1,School,school,391010000,public\n"
				    "mall-1,Mall,mall,391010000,public\n";
	static const char table[] = "vocabulary: sia-dcs\nrows:\n"
				    "  - { code: OP, kind: disarmed, state: pulse }\n"
				    "  - { code: CL, kind: armed, state: pulse }\n"
				    "  - { code: AT, kind: power_fault, state: start }\n"
				    "  - { code: DG, kind: access_granted, state: pulse }\n";
	struct torap_writer devices = { 0 };
	struct torap_error err;
	static const char header[] = "id,site,protocol,address\n";
	torap_write_bytes(&devices, torap_bytes(header, strlen(header)));
	for (int i = 0; i < DEVICES; i++) {
		char row[64];
		int size = snprintf(row, sizeof row, "panel-%d,%s,dc09,%d\n", 1000 + i,
			i % 2 ? "school-1" : "mall-1", 1000 + i);
		torap_write_bytes(&devices, torap_bytes(row, (size_t)size));
	}
	must(node_registry_parse(&b->registry, "sites", torap_bytes(sites, strlen(sites)), "devices",
		     torap_bytes(devices.data, devices.size), NULL, &err),
		&err);
	torap_writer_finish(&devices);
	must(node_mapping_parse(&b->mapping, "table", torap_bytes(table, strlen(table)), &err), &err);
}

static void open_acceptance(struct bench *b)
{
	struct torap_error err;
	struct node_supervision_options supervision = { b->batcher, NULL };
	struct node_unknown_options unknown = { b->batcher, 391010000 };
	must(node_dedup_create(&b->dedup, NODE_DEDUP_MAX, &err), &err);
	must(node_subjects_create(&b->subjects, b->kv, &err), &err);
	supervision.subjects = b->subjects;
	must(node_supervision_create(&b->supervision, &supervision, b->kv, &err), &err);
	must(node_supervision_registry(b->supervision, b->registry, b->now), &err);
	must(node_unknown_create(&b->unknown, &unknown, b->kv, b->now, &err), &err);
	struct node_acceptance_parts parts = { b->batcher, b->dedup, b->supervision, b->unknown, b->subjects,
		NULL, NULL };
	must(node_acceptance_create(&b->acceptance, &parts, on_verdict, b, &err), &err);
	node_acceptance_rules(b->acceptance, b->registry, b->mapping);
}

static void make_offers(struct bench *b)
{
	struct bench_load_options options = { .devices = DEVICES, .text_bytes = TEXT_BYTES };
	struct bench_load *load = bench_load_create(&options);
	uint64_t number = BENCH_NUMBER_FIRST;
	for (int i = 0; i < OFFERS_OF_ROUND; i++)
		for (int k = 0; k < OFFER; k++)
			bench_load_write(load, &b->offers[i], number++, b->now.wall.us, false);
	bench_load_destroy(load);
}

static void settle(struct bench *b)
{
	node_batcher_run(b->batcher, b->now);
	while (torap_committer_waiting(b->committer))
		if (torap_committer_collect(b->committer) == 0)
			usleep(200);
}

/* What is counted; callgrind finds it by its name. */
__attribute__((noipa)) static void hot_path(struct bench *b)
{
	for (int i = 0; i < OFFERS_OF_ROUND; i++) {
		struct torap_reader r = torap_reader(torap_bytes(b->offers[i].data, b->offers[i].size));
		Torap__Observation *o;
		struct node_offer_refusal refusal;
		while (node_offer_next(&r, &b->arena, &o, &refusal) == 0)
			node_acceptance_offer(b->acceptance, 1, o, b->now);
	}
	settle(b);
}

static void finish(struct bench *b)
{
	char path[96];
	node_acceptance_destroy(b->acceptance);
	node_unknown_destroy(b->unknown);
	node_supervision_destroy(b->supervision);
	node_subjects_destroy(b->subjects);
	node_dedup_destroy(b->dedup);
	torap_committer_stop(b->committer);
	node_batcher_destroy(b->batcher);
	torap_kv_close(b->kv);
	node_registry_unref(b->registry);
	node_mapping_unref(b->mapping);
	torap_arena_finish(&b->arena);
	for (int i = 0; i < OFFERS_OF_ROUND; i++)
		torap_writer_finish(&b->offers[i]);
	static const char *const files[] = { "data.mdb", "lock.mdb", "lock" };
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", b->dir, files[i]);
		unlink(path);
	}
	if (rmdir(b->dir))
		bench_fail("hot_path: %s cannot be removed", b->dir);
}

int main(int argc, char **argv)
{
	static struct bench b;
	uint64_t rounds = argc > 1 ? bench_number("ROUNDS", argv[1], 100000) : 4;
	b.now.mono.us = 1000 * (int64_t)TORAP_US_PER_S;
	b.now.wall.us = 1800000000 * (int64_t)TORAP_US_PER_S;
	torap_arena_init(&b.arena, 4 << 20);
	b.connection = bench_carried_open(on_message, &b);
	open_store(&b);
	read_registry(&b);
	open_acceptance(&b);
	make_offers(&b);
	for (uint64_t i = 0; i < rounds; i++)
		hot_path(&b);
	if (b.durable != rounds * ROUND || b.opened != rounds * ROUND || !b.went)
		bench_fail("hot_path: %llu durable and %llu opened of %llu", (unsigned long long)b.durable,
			(unsigned long long)b.opened, (unsigned long long)(rounds * ROUND));
	finish(&b);
	bench_carried_close(b.connection);
	printf("{\"events\": %llu}\n", (unsigned long long)b.durable);
	return 0;
}
