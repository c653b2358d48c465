/* fixture.h: a node's store in a folder of its own, with a committer and a batcher, and a clock that stands until it is moved. */
#pragma once

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "node/batcher.h"
#include "node/own.h"
#include "node/tables.h"
#include "proto/event.pb-c.h"
#include "store/committer.h"
#include "store/journal.h"
#include "store/kv.h"
#include "wire/open.h"
#include "wire/verify.h"
#include "tests/kit/temporary.h"

struct told {
	struct node_entry entry;
	int result; /* -1: not yet */
	char zone[16];
};

struct fixture {
	char dir[64];
	size_t map_size, seal_bytes;
	unsigned limit_percent[TORAP_LANES];
	struct torap_kv *kv;
	struct torap_committer *committer;
	struct node_batcher *batcher;
	struct torap_sign_key key;
	struct node_now now;
	unsigned sealed, streams, heads;
	size_t biggest; /* of the sealed */
};

static inline void fixture_on_sealed(void *hint, uint32_t lane, struct node_sealed *sealed)
{
	struct fixture *f = hint;
	(void)lane;
	f->sealed++;
	if (sealed->bytes > f->biggest)
		f->biggest = sealed->bytes;
}

static inline void fixture_on_stream(void *hint, uint32_t lane)
{
	(void)lane;
	((struct fixture *)hint)->streams++;
}

static inline void fixture_on_head(void *hint, uint32_t lane, struct torap_buffer *head)
{
	(void)lane;
	(void)head;
	((struct fixture *)hint)->heads++;
}

static inline void fixture_on_wake(void *hint)
{
	(void)hint; /* The tests ask by themselves. */
}

static inline void fixture_open(struct fixture *f)
{
	static const char *const tables[] = { NODE_TABLE_NAMES };
	struct torap_error err;
	struct torap_kv_options store = { .tables = tables, .map_size = f->map_size };
	cr_assert_eq(torap_kv_open(&f->kv, f->dir, &store, &err), 0, "%s", err.text);
	cr_assert_eq(
		torap_committer_start(&f->committer, f->kv, fixture_on_wake, f, &err), 0, "%s", err.text);
	struct node_batcher_options options = {
		.kv = f->kv,
		.committer = f->committer,
		.writer = "node-test",
		.key = &f->key,
		.seal_delay_ms = { 0, 0, 200, 1000 },
		.seal_bytes = f->seal_bytes,
		.on_sealed = fixture_on_sealed,
		.on_stream = fixture_on_stream,
		.on_head = fixture_on_head,
		.hint = f,
	};
	memcpy(options.limit_percent, f->limit_percent, sizeof options.limit_percent);
	cr_assert_eq(node_batcher_create(&f->batcher, &options, f->now, &err), 0, "%s", err.text);
}

/* As after a kill -9: what waits is gone, what is flushed stays.  Nothing is sealed on the way out. */
static inline void fixture_crash(struct fixture *f)
{
	f->committer = torap_committer_stop(f->committer);
	f->batcher = node_batcher_destroy(f->batcher);
	f->kv = torap_kv_close(f->kv);
}

static inline void fixture_begin(struct fixture *f, size_t map_size)
{
	static const uint8_t seed[32] = { 7 };
	*f = (struct fixture){ .map_size = map_size };
	f->now.mono.us = 1000 * (int64_t)TORAP_US_PER_S;
	f->now.wall.us = 1800000000 * (int64_t)TORAP_US_PER_S;
	cr_assert_geq(sodium_init(), 0);
	torap_sign_key_make(&f->key, seed);
	temporary_dir(f->dir, sizeof f->dir, "node-test");
	fixture_open(f);
}

static inline void fixture_end(struct fixture *f)
{
	char command[128];
	fixture_crash(f);
	snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
	cr_assert_eq(system(command), 0);
}

static inline void fixture_pass(struct fixture *f, int64_t ms)
{
	f->now.mono.us += ms * TORAP_US_PER_MS;
	f->now.wall.us += ms * TORAP_US_PER_MS;
}

/* Rounds, until nothing is with the committer and no round can start at this moment. */
static inline void fixture_settle(struct fixture *f)
{
	for (int quiet = 0; quiet < 3;) {
		node_batcher_run(f->batcher, f->now);
		if (torap_committer_waiting(f->committer) == 0) {
			quiet++;
			continue;
		}
		quiet = 0;
		if (torap_committer_collect(f->committer) == 0)
			usleep(200);
	}
}

static inline void fixture_on_told(struct node_entry *entry, enum node_entry_result result)
{
	((struct told *)entry)->result = (int)result;
}

static inline struct node_event *fixture_event(
	const struct fixture *f, uint32_t kind, uint8_t severity, const char *zone, const char *text)
{
	struct node_event_spec spec = {
		.class = { .region = 391010000,
			.facility = TORAP__FACILITY__FACILITY_SCHOOL,
			.kind = (uint16_t)kind,
			.severity = severity },
		.state = TORAP__STATE__STATE_PULSE,
		.site = "school-1",
		.device = "panel-1",
		.zone = zone,
		.text = text,
		.received_at = f->now.wall,
		.occurred_at = f->now.wall,
	};
	struct node_event *e = node_event_create(&spec);
	cr_assert_not_null(e);
	return e;
}

/* Returns what the batcher answered. */
static inline int fixture_add(struct fixture *f, struct told *t, uint32_t kind, uint8_t severity, int zone)
{
	*t = (struct told){ .entry.done = fixture_on_told, .result = -1 };
	snprintf(t->zone, sizeof t->zone, "%d", zone);
	t->entry.event = fixture_event(f, kind, severity, t->zone, "");
	int r = node_batcher_add(f->batcher, &t->entry);
	if (r)
		node_event_destroy(t->entry.event);
	return r;
}

static inline const struct node_stream *fixture_stream(const struct fixture *f, uint32_t lane)
{
	size_t count;
	const struct node_stream *streams = node_batcher_streams(f->batcher, lane, &count);
	return &streams[count - 1];
}

/* Opens all batches of the lane's current stream, from the journal; the chain must hold. */
static inline void fixture_read(const struct fixture *f, uint32_t lane,
	int (*on_event)(void *hint, const struct torap_opened *e), void *hint)
{
	struct torap_journal_head head = { 0 };
	struct torap_kv_txn txn;
	struct torap_error err;
	struct torap_position at = { .next_batch = 1, .next_seq = 1 };
	torap_kv_begin(&txn, f->kv, false);
	if (torap_journal_head(&txn, &fixture_stream(f, lane)->id, &head) == 0)
		for (uint64_t no = 1; no <= head.last_batch; no++) {
			struct torap_batch *b = NULL;
			struct torap_wall received_at;
			cr_assert_eq(
				torap_journal_read(&txn, head.number, no, NULL, NULL, &b, &received_at, &err),
				0);
			cr_assert_eq(torap_verify_chain(&at, b->manifest), TORAP_VERDICT_GOOD);
			torap_position_advance(&at, b->manifest);
			cr_assert_eq(torap_batch_open(b, on_event, hint, &err), 0, "%s", err.text);
			torap_batch_destroy(b);
		}
	torap_kv_abort(&txn);
}

enum {
	CRITICAL = TORAP__LANE__LANE_CRITICAL,
	NORMAL = TORAP__LANE__LANE_NORMAL,
	BULK = TORAP__LANE__LANE_BULK,
};
