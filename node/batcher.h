/* batcher.h: numbers events, decides when to seal, and sees that all of it is on the disk before anyone hears of it.
 *
 * Each lane goes its own round: when none of its jobs is with the committer and something waits, all that waits becomes one job.
 * In it the events get their numbers; those whose batch is due leave as sealed batches for the journal, the others as rows of the
 * table `unsealed`.  While the flush lasts, the next round gathers: batches grow with the load by themselves, and an alarm never
 * waits for the round of another lane.  The committer flushes the jobs of all lanes together.
 *
 * When the disk is full, what the failed job had numbered is numbered anew from what the disk holds: nobody has seen it.  A job
 * of the critical lane is then halved until what still does not fit stands alone.
 * Killed at any moment, the rows of `unsealed` are numbered again as they were at the next start, and then sealed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/entry.h"
#include "node/event.h"
#include "node/seal_limit.h"
#include "node/sealed.h"
#include "node/stream.h"

struct torap_buffer;
struct torap_committer;
struct torap_error;
struct torap_kv;
struct torap_sign_key;
struct node_batcher;

enum {
	NODE_BATCHER_BUSY = 1, /* too much waits for the disk already */

	NODE_SEAL_EVENTS = 64, /* so many do not wait any longer for others, nor do NODE_SEAL_BYTES */
	/* Incarnations: one each time that a disk or a backup was lost, or that a broker says so.  So many can follow at once, then one in so
	 * long, and there is an end: a broker that names batches that never were makes no more of them. */
	NODE_STREAMS_OF_LANE_MAX = 256,
	NODE_STREAMS_BURST = 8,
	NODE_STREAMS_EVERY_MS = 3600 * 1000,
};

/* Least severe first: the bulk lane is refused when the critical lane still has three quarters of its room. */
extern const size_t node_batcher_waiting_max[TORAP_LANES];

struct node_batcher_options {
	struct torap_kv *kv;
	struct torap_committer *committer;
	const char *writer;               /* id in the trust file */
	const struct torap_sign_key *key; /* borrowed for the batcher's life */
	uint32_t seal_delay_ms[TORAP_LANES];
	/* From the beginning of a round of what is not urgent to that of the next: while the disk flushes a round for each event that
	 * comes, an alarm has to wait for it. */
	uint32_t round_spacing_ms[TORAP_LANES];
	int64_t canary_us; /* what heads say of it */
	size_t seal_bytes; /* to begin with: node_batcher_seal_bytes() */
	/* What is new in a lane is FULL from so much of the journal on; 0: when the journal is. */
	unsigned limit_percent[TORAP_LANES];
	/* On the loop.  A batch is durable; batches come in order. */
	void (*on_sealed)(void *hint, uint32_t lane, struct node_sealed *sealed);
	/* A lane went over to a new stream: the last one of node_batcher_streams(). */
	void (*on_stream)(void *hint, uint32_t lane);
	/* What node_batcher_want_heads() asked for: a SignedHead of the lane's current stream. */
	void (*on_head)(void *hint, uint32_t lane, struct torap_buffer *head);
	void *hint;
};

/* Reads where each stream stands and what is unsealed.  Blocks; before the loop runs. */
int node_batcher_create(struct node_batcher **out, const struct node_batcher_options *options,
	struct node_now now, struct torap_error *err);
/* No job may be with the committer any more; entries that still wait are given back as FULL.  Accepts NULL, returns NULL. */
struct node_batcher *node_batcher_destroy(struct node_batcher *b);

/* Takes the entry into the lane of its event; without an event into the normal lane.  0, or BUSY and nothing has changed (the
 * caller keeps event and writes). */
int node_batcher_add(struct node_batcher *b, struct node_entry *entry);

/* Starts the rounds that can start.  Call it once a turn of the loop. */
void node_batcher_run(struct node_batcher *b, struct node_now now);
/* When node_batcher_run() has to be called although nothing else happens; false: no need. */
bool node_batcher_deadline(const struct node_batcher *b, struct torap_mono *out);

/* The most that several events may take together from now on, in every lane: for a slow link, as a sealed batch cannot be split.  0:
 * as much as they like. */
void node_batcher_seal_bytes(struct node_batcher *b, size_t bytes);
/* From now on everything is due at once (at the end of the process). */
void node_batcher_flush(struct node_batcher *b);
/* Nothing waits, nothing is under way, and nothing is unsealed that could be sealed. */
bool node_batcher_idle(const struct node_batcher *b);

/* A head of each lane through on_head, as soon as it can tell what the disk holds. */
void node_batcher_want_heads(struct node_batcher *b);
/* A head of one of the lane's streams that do not go on any more: whoever lacks the end of it learns that there is one.  NULL: memory ran
 * out.  The caller's. */
struct torap_buffer *node_batcher_last_head(
	const struct node_batcher *b, uint32_t lane, size_t stream, struct node_now now);
/* The lane's next events begin a new stream.  Unsealed events move to it; those of batches from `reissue_from` on are to be told
 * again in it (reissue.h). */
void node_batcher_new_incarnation(struct node_batcher *b, uint32_t lane, uint64_t reissue_from);

/* The lane's streams, oldest first; the last is the one that goes on. */
const struct node_stream *node_batcher_streams(const struct node_batcher *b, uint32_t lane, size_t *count);
/* The number of the lane's next durable event, sealed or not: for lag. */
uint64_t node_batcher_next_seq(const struct node_batcher *b, uint32_t lane);
/* Lets go of the batches in memory that were sealed before this time. */
void node_batcher_forget(struct node_batcher *b, struct torap_wall before);
struct node_sealed *node_batcher_recent(
	const struct node_batcher *b, uint32_t lane, const struct torap_stream_id *stream, uint64_t batch_no);

struct node_batcher_counts {
	uint64_t events, batches, bytes, jobs, jobs_full, busy;
	size_t waiting, unsealed;
};
struct node_batcher_counts node_batcher_counts(const struct node_batcher *b, uint32_t lane);
