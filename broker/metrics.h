/* metrics.h: what the broker counts, and GET /metrics (Prometheus text).  status.h has GET /status. */
#pragma once

#include <stdint.h>

#include "wire/verify.h"

struct broker;
struct torap_writer;

enum { BROKER_VERDICTS = TORAP_VERDICT_BROKEN_CHAIN + 1 };

/* What a feed was sent since the process started, over all its sessions. */
struct broker_feed_count {
	struct broker_feed_count *next;
	char name[64];
	uint64_t batches, runs, again, bytes,
		sessions; /* again: batches sent once more, for frames they lacked */
};

struct broker_counts {
	uint64_t batches, events, bytes;   /* flushed, of writers and of our own */
	uint64_t refused[BROKER_VERDICTS]; /* batches, by what was wrong; OLD: came twice; GAP: sent back */
	uint64_t refused_full;             /* batches for which the store had no room */
	uint64_t beyond_groups, beyond_events;
	uint64_t collects; /* times that finished commits were taken over: about the number of flushes */
	uint64_t heads, heads_refused, rollbacks;
	uint64_t merged; /* batches that came again with frames that were missing */
	uint64_t forks;  /* batches and heads that contradict */
	uint64_t hellos, hellos_refused, hellos_too_many, replaced, gone, silent, revoked;
	uint64_t malformed, unknown_types, strangers; /* messages */
	uint64_t reads, read_batches, reads_failed;   /* of the store, for feeds */
	uint64_t damaged, mended,
		scanned; /* batches: found to lack something, come again, looked at by the scan */
	uint64_t reloads, reloads_refused;
	struct broker_feed_count *feeds;
	void *feeds_by_name; /* the same, as a tree of tsearch() */
};

/* Of a feed's name; made when it is new.  NULL when memory ran out. */
struct broker_feed_count *broker_counts_feed(struct broker_counts *c, const char *name);
void broker_counts_finish(struct broker_counts *c);

/* metrics_lag.c: of each feed and writer, and its lane, what `torap status` shows: does it flow, and its lag. */
void broker_metrics_lag(struct broker *b, struct torap_writer *body);
/* A torap_http_page; hint is the struct broker. */
void broker_metrics_page(void *broker, struct torap_writer *body);
