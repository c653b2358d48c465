/* reader.h: reading the store for feeds, on libuv's worker threads, so that the loop never waits for a disk.
 *
 * A read belongs to who began it until it is done, and then too.  Who goes away earlier abandons it: it frees itself when it lands. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/time.h"
#include "store/journal.h"
#include "wire/verify.h"

struct broker_policy;
struct broker_rules;
struct broker_stream;
struct torap_kv;
struct torap_trust;

/* Batches of one stream, with what one feed was granted when the read began. */
struct broker_read {
	uv_work_t work;
	struct torap_kv *kv;
	uint32_t number;
	uint64_t from;
	size_t bytes_max;
	struct broker_policy *policy; /* references: a worker thread reads them */
	struct torap_trust *trust;
	uint32_t feed;
	void (*on_done)(struct broker_read *r, void *hint); /* NULL: abandoned */
	void *hint;

	bool stale; /* the policy changed meanwhile */
	int result; /* 0, or negative with a text */
	struct torap_error error;
	struct torap_journal_entry entries[TORAP_RUN_MANIFESTS_MAX];
	size_t count;
};

/* What is read is what its writers signed: a manifest that is not ends the read before it, and fails it as the first.  0 or -ENOMEM. */
int broker_read_start(struct broker_read **out, uv_loop_t *loop, struct torap_kv *kv, uint32_t number,
	uint64_t from, size_t bytes_max, struct broker_rules *rules, uint32_t feed,
	void (*on_done)(struct broker_read *r, void *hint), void *hint);
/* Only when it is done.  Accepts NULL.  Returns NULL. */
struct broker_read *broker_read_destroy(struct broker_read *r);
/* Only before it is done.  Accepts NULL.  Returns NULL. */
struct broker_read *broker_read_abandon(struct broker_read *r);
/* NULL: it does not hold this batch. */
const struct torap_journal_entry *broker_read_entry(const struct broker_read *r, uint64_t batch_no);

/* Where streams stood at a time: the first batch that was received then or later. */
struct broker_search_place {
	struct broker_stream *stream; /* the loop's: the worker does not look */
	uint32_t number;
	uint64_t last; /* newest batch when the search began: what comes later is found by no search */
	struct torap_position found; /* next_batch, and the digest of the one before when it is at hand */
};

struct broker_search {
	uv_work_t work;
	struct torap_kv *kv;
	struct torap_wall at;
	void (*on_done)(struct broker_search *s, void *hint); /* NULL: abandoned */
	void *hint;
	int result;
	size_t count;
	struct broker_search_place places[];
};

/* Room for `count` places, which the caller fills before it starts.  NULL when memory ran out. */
struct broker_search *broker_search_create(size_t count);
/* 0 or negative; then it is still the caller's. */
int broker_search_start(struct broker_search *s, uv_loop_t *loop, struct torap_kv *kv, struct torap_wall at,
	void (*on_done)(struct broker_search *s, void *hint), void *hint);
