/* follow.h: a subscriber: three lanes of a feed, verified, stored, acknowledged, and written out.
 *
 *     hello with the cursor → welcome: trust checked with the root key, pins and grant stored
 *     batch or run → signature, digests, chain → committer (batch and cursor in one transaction) → flushed → acknowledged
 *                                                                                   `→ output (output.h)
 *
 * What does not verify is never stored: it is reported and the lane goes down, as refused, and tries again by itself, at the next
 * broker if there is one.  Everything runs on one loop beside the committer's thread and the output's worker.
 *
 * No room (of the disk, of dir_size, of the output's file system): nothing is acknowledged, links stay up, and it goes on by itself
 * when there is room; a log line says so, and the status (full.c).
 *
 * Ends: the output cannot be written for another reason: on_end() with it; the owner then closes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agents/follow/config.h"
#include "agents/follow/output.h"
#include "base/time.h"

struct torap_error;
struct follow;

struct follow_options {
	struct follow_config *config; /* borrowed until on_closed; a reload puts into it what it takes over */
	uint8_t start;                /* Torap__Start, for the first time in this directory only */
	bool start_given;             /* by the user: said aloud when it has no effect any more */
	struct torap_wall start_at;
	bool has_output;
	struct follow_output_options output;         /* its on_end is the one below */
	void (*on_end)(void *hint, const char *why); /* NULL: the output's count was reached */
	void *hint;
};

int follow_open(
	struct follow **out, uv_loop_t *loop, const struct follow_options *options, struct torap_error *err);
/* SIGHUP: the configuration anew, all of it or nothing: keys, brokers, expect, credit.  Links that go over to another key or broker begin anew
 * within some seconds, and go on with their old session until then. */
void follow_reload(struct follow *f);
/* Flushes what was received, then runs on_closed.  Accepts NULL. */
void follow_close(struct follow *f, void (*on_closed)(void *hint), void *hint);

struct follow_totals {
	uint64_t batches, events, bytes; /* verified and flushed since open; events by the manifests */
	uint64_t duplicates;             /* batches that were there already */
	uint64_t refused;                /* batches, heads and trust files that did not verify */
	uint64_t withheld;               /* granted frames that came empty without a reason */
	uint64_t beyond; /* frames of classes that their writer may not speak for; not stored */
	uint64_t holes;  /* batches that came without granted frames that somebody may still have */
	uint64_t mended; /* batches that came again with frames that were missing */
	uint64_t proofs; /* of forks and rollbacks */
	uint64_t printed;
};
struct follow_totals follow_totals(const struct follow *f);
