/* lane.h: one lane of the batcher: its stream, the events that wait, the job that is under way.  Private to the batcher.
 *
 * An entry is added and waits.  A round takes it into a job: its event gets its number, and either its batch is sealed in that
 * job or its row goes to the table `unsealed`.  The job comes back from the committer: done, the entry is given back, its event is
 * forgotten or kept in `unsealed` here; or full, and the sealer is made anew from what is durable. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/batcher.h"
#include "store/committer.h"
#include "wire/seal.h"

enum {
	NODE_JOB_ENTRIES_MAX = 16 << 10,
	NODE_ROUND_FULL = 1 << 10, /* so many do not wait for the spacing of rounds */
};

struct node_entries {
	struct node_entry *first, *last;
	size_t count;
};

struct node_events {
	struct node_event *first, *last;
	size_t count;
};

struct node_lane_job {
	struct torap_commit_job commit;
	struct node_entries entries, too_big; /* what can never be sealed moves to the second */
	bool made;                            /* numbered and sealed: once, however often it is applied */
	bool has_writes, has_places;          /* some of the entries */
	bool seal_all;                        /* also the batch that is open at its end */
	struct node_sealed *first, *last;     /* batches to append, in order */
	struct torap_writer writes;           /* rows of unsealed, marks, state */
	uint64_t open_from;                   /* events from here on stay unsealed */
	struct torap_mono started;            /* when it was given to the committer */
	unsigned limit_percent;               /* of the journal, for what is new; 0: none */
	bool frees;                    /* it moves what is there: the room that is kept back is for this */
	struct torap_wall received_at; /* by which retention counts, whatever date the batches bear */
	bool begins_stream;            /* the batches are the first of `stream` */
	struct node_stream stream;
};

struct node_lane {
	const struct node_batcher_options *options;
	uint32_t lane;
	struct node_stream *streams; /* oldest first, the last is current; what is durable */
	size_t streams_count;
	struct torap_sealer *sealer;
	struct torap_sign_key
		key; /* a copy for the sealer: SIGHUP may change the process's while a round signs */
	struct node_events unsealed; /* durable, and in the sealer's open batch */
	struct node_entries waiting;
	size_t waiting_events;
	struct torap_mono next_round; /* unless it is full or due */
	struct torap_mono next_seal;  /* unless there are many: who comes later than this waits for nobody */
	struct node_lane_job job;
	bool running; /* the job is with the committer */
	size_t job_max;
	struct torap_mono pause_until;             /* after a job without entries found the disk full */
	bool renew, renew_waits, want_head, flush; /* renew_waits: the log knows */
	uint64_t reissue_from;                     /* with renew */
	struct torap_mono renewals_until; /* NODE_STREAMS_EVERY_MS for each new stream, one after the other */
	struct node_recent recent;
	struct node_batcher_counts counts;
};

/* Zero-initialised memory.  Reads the lane's streams and unsealed events. */
int node_lane_open(struct node_lane *l, const struct node_batcher_options *options, uint32_t lane,
	struct node_now now, struct torap_error *err);
void node_lane_finish(struct node_lane *l);

/* 0 or NODE_BATCHER_BUSY. */
int node_lane_add(struct node_lane *l, struct node_entry *entry);
void node_lane_run(struct node_lane *l, struct node_now now);
bool node_lane_deadline(const struct node_lane *l, struct torap_mono *out);
bool node_lane_idle(const struct node_lane *l);

void node_entries_push(struct node_entries *list, struct node_entry *e);
struct node_entry *node_entries_pop(struct node_entries *list); /* NULL: it is empty */
/* Half a round cannot be taken back.  Nobody was told anything of it, so the next start goes on from what is durable. */
_Noreturn void node_lane_die(const struct node_lane *l, const char *what);

static inline struct node_lane *node_lane_of(struct node_lane_job *job)
{
	return (struct node_lane *)((char *)job - offsetof(struct node_lane, job));
}

static inline struct node_stream *node_lane_stream(const struct node_lane *l)
{
	return &l->streams[l->streams_count - 1];
}
