/* steady.c: does a store's file stay as large as it is while batches come and go?
 *
 *     steady DIR [EVENTS]
 *
 * Seals EVENTS events (2,000,000) of 200 bytes into batches of all sizes, an alarm alone, a few, a thousand, four thousand, as they
 * come by turns; commits them through a committer as node and broker do, and lets a sweeper delete what is older than ten minutes
 * of a clock of its own, in which a batch takes a second.  Prints the file's size as it goes on; the last line is JSON. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "store/committer.h"
#include "store/kv.h"
#include "store/sweeper.h"
#include "wire/seal.h"

enum { KEEP_S = 600, LINES = 10, TEXT = 160, MAP_BYTES = 1 << 30, WAITING_MAX = 64 };

struct steady {
	struct torap_kv *kv;
	struct torap_committer *committer;
	struct torap_sweeper *sweeper;
	struct torap_sealer *sealer;
	struct torap_mono mono;
	struct torap_wall wall;
	const char *dir;
	uint64_t events, batches, appended_bytes;
};

struct append {
	struct torap_commit_job job;
	struct torap_batch *batch;
	struct torap_wall at;
};

static void fail(const char *what)
{
	fprintf(stderr, "steady: %s\n", what);
	exit(EXIT_FAILURE);
}

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	const struct append *a = (const struct append *)job;
	return torap_journal_append(txn, a->batch, a->at);
}

static void done(struct torap_commit_job *job, int result)
{
	struct append *a = (struct append *)job;
	if (result)
		fail(result == TORAP_KV_FULL ? "the store is full: its room does not come back"
					     : "a batch was not taken");
	torap_batch_destroy(a->batch);
	free(a);
}

static void wake(void *hint)
{
	(void)hint; /* The loop below asks by itself. */
}

static bool tell(void *hint, const struct torap_sweep_account *account)
{
	(void)hint, (void)account;
	return false;
}

static void judge(const void *hint, const struct torap_class *class, unsigned part,
	int64_t after_us[static TORAP_SWEEP_REASONS])
{
	(void)hint, (void)class, (void)part;
	for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++)
		after_us[i] = INT64_MAX;
	after_us[TORAP_SWEEP_EXPIRED] = KEEP_S * (int64_t)TORAP_US_PER_S;
}

static void open_all(struct steady *s)
{
	static const char *const tables[] = { TORAP_JOURNAL_TABLE_NAMES, NULL };
	static const uint8_t seed[32] = { 3 }, no_digest[TORAP_DIGEST_SIZE];
	static struct torap_sign_key key;
	struct torap_error err;
	struct torap_stream_id id;
	struct torap_kv_options options = { .tables = tables, .map_size = MAP_BYTES };
	torap_sign_key_make(&key, seed);
	s->mono.us = 1;
	s->wall.us = 1800000000 * (int64_t)TORAP_US_PER_S;
	if (!torap_stream_id_make(&id, "steady", TORAP__LANE__LANE_BULK, 1) ||
		torap_sealer_create(&s->sealer, &id, 0, 1, no_digest, &key, &err) ||
		torap_kv_open(&s->kv, s->dir, &options, &err) ||
		torap_committer_start(&s->committer, s->kv, wake, NULL, &err))
		fail(err.text);
	struct torap_sweeper_options sweeper = { .kv = s->kv, .committer = s->committer, .tell = tell };
	if (torap_sweeper_create(&s->sweeper, &sweeper, s->mono, s->wall, &err))
		fail(err.text);
	struct torap_sweep_rules rules = { .fingerprint = 1, .judge = judge };
	torap_sweep_rules_add(&rules, TORAP_SWEEP_EXPIRED, KEEP_S * (int64_t)TORAP_US_PER_S);
	torap_sweeper_rules(s->sweeper, &rules, NULL, NULL);
}

static void add(struct steady *s, unsigned i)
{
	static char text[TEXT + 1];
	memset(text, 'x', TEXT);
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	open.state = TORAP__STATE__STATE_PULSE;
	open.received_at_us = open.occurred_at_us = s->wall.us;
	open.zone = text;
	struct torap_event e = { .class = { 391010000, TORAP__FACILITY__FACILITY_SCHOOL,
					 (uint16_t)(TORAP__KIND__KIND_MOTION + i % 4),
					 TORAP__SEVERITY__SEVERITY_INFORMATION },
		.open = &open };
	uint64_t seq;
	if (torap_sealer_add(s->sealer, &e, &seq))
		fail("an event does not fit");
}

static void append(struct steady *s)
{
	static const unsigned sizes[] = { 1, 1, 7, 1000, 1, 64, 4000, 1, 30, 300 };
	unsigned count = sizes[s->batches % (sizeof sizes / sizeof *sizes)];
	struct torap_error err;
	struct append *a = calloc(1, sizeof *a);
	for (unsigned i = 0; i < count; i++)
		add(s, i);
	if (!a || torap_sealer_seal(s->sealer, s->wall, &a->batch, &err))
		fail("a batch cannot be sealed");
	a->job = (struct torap_commit_job){ .apply = apply, .done = done };
	a->at = s->wall;
	s->appended_bytes += torap_batch_size(a->batch);
	s->events += count;
	s->batches++;
	torap_committer_submit(s->committer, &a->job);
}

static uint64_t file_bytes(const struct steady *s)
{
	char path[4096];
	struct stat st;
	snprintf(path, sizeof path, "%s/data.mdb", s->dir);
	if (stat(path, &st))
		fail("no data.mdb");
	return (uint64_t)st.st_size;
}

static void turn(struct steady *s)
{
	s->mono.us += TORAP_US_PER_S;
	s->wall.us += TORAP_US_PER_S;
	append(s);
	if (torap_sweeper_tick(s->sweeper, s->mono, s->wall))
		torap_sweeper_go(s->sweeper, NULL, 0);
	do {
		torap_committer_collect(s->committer);
		if (torap_committer_waiting(s->committer) > WAITING_MAX)
			usleep(100);
	} while (torap_committer_waiting(s->committer) > WAITING_MAX);
}

int main(int argc, char **argv)
{
	struct steady s = { 0 };
	uint64_t events = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000000, next = 1;
	uint64_t warm = 0, last = 0;
	if (argc < 2 || events == 0) {
		fprintf(stderr, "usage: steady DIR [EVENTS]\n");
		return 2;
	}
	s.dir = argv[1];
	open_all(&s);
	printf("%12s %10s %14s %14s %14s %12s\n", "events", "batches", "file", "in use", "appended",
		"deleted");
	while (s.events < events) {
		turn(&s);
		if (s.events < events * next / LINES)
			continue;
		next++;
		struct torap_sweeper_counts c = torap_sweeper_counts(s.sweeper);
		last = file_bytes(&s);
		warm = next == 4 ? last : warm; /* After three tenths. */
		printf("%12" PRIu64 " %10" PRIu64 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 " %12" PRIu64
		       "\n",
			s.events, s.batches, last, torap_kv_size(s.kv).used_bytes, s.appended_bytes,
			c.deleted[TORAP_SWEEP_EXPIRED].bytes);
		fflush(stdout);
	}
	printf("{\"events\": %" PRIu64 ", \"file_warm\": %" PRIu64 ", \"file_last\": %" PRIu64 "}\n",
		s.events, warm, last);
	torap_committer_stop(s.committer);
	torap_sweeper_destroy(s.sweeper);
	torap_sealer_destroy(s.sealer);
	torap_kv_close(s.kv);
	return EXIT_SUCCESS;
}
