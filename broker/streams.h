/* streams.h: every stream that this broker holds, as the loop knows it: how far it is flushed, how far it is accepted, its newest
 * signed head, and its newest batches in memory.
 *
 * `flushed` is what the store has and all that anyone is told of.  `accepted` runs ahead of it while batches wait for their commit, so
 * that the next of a stream can be judged before the last is on the disk; when a commit fails it falls back.
 * Memory is bounded over all streams: the oldest batch of all goes first.  Whoever needs it then reads the store. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/time.h"
#include "link/holes.h"
#include "wire/batch.h"
#include "wire/stream.h"
#include "wire/verify.h"

struct broker_routing;
struct broker_writer;

enum {
	BROKER_RECENT_MAX = 256, /* batches of one stream in memory: as many manifests as a run can hold */
	BROKER_RECENT_BYTES_MAX = 64 << 20, /* of all streams together */
	BROKER_STREAM_BUCKETS = 1024,
	/* Incarnations of one writer in one lane: a writer gone mad must leave room for the others. */
	BROKER_STREAMS_OF_WRITER_MAX = 256,
};

/* A batch in memory, on the disk already. */
struct broker_recent {
	struct broker_stream *stream;
	struct broker_recent *older, *newer; /* over all streams, in the order of commits */
	struct torap_batch *batch;
	size_t size;
	uint64_t bytes_before; /* of its stream's `bytes` */
	struct torap_wall received_at;
	uint64_t version; /* of the routing that made the list; 0: none yet */
	uint32_t *matched, matched_count;
};

struct broker_stream {
	struct torap_stream_id id;
	uint32_t index; /* over all streams, from 0; never changes while the process lives */
	uint32_t place; /* among those of its lane */
	bool stored;    /* the store has it, under… */
	uint32_t number;
	uint64_t first_batch; /* 1, or where this store began */
	uint64_t begins;      /* while it holds nothing: the batch that it is to begin with */
	struct torap_position flushed, accepted;
	unsigned waiting;             /* batches accepted and not yet flushed… */
	size_t waiting_bytes;         /* …and their bytes */
	bool full_told;               /* the log knows that the store has no room for it */
	struct broker_writer *writer; /* the session that acknowledgements go to; NULL: none */
	struct torap_position
		writer_got; /* after the last batch of that session; or where it was told to go on */
	uint64_t
		writer_merged; /* what of that session went to the disk to be merged ended before this batch; 0: nothing did */
	/* Groups beyond the writer's rights that no event has told of yet, and when the last did. */
	unsigned beyond_groups;
	uint64_t beyond_batch;
	struct torap_mono beyond_told;
	struct torap_buffer *head; /* newest SignedHead, verified; or NULL */
	struct torap_head head_read;
	struct torap_wall
		whole_at;         /* by its writer's clock: up to here nothing is missing; 0: nothing tells */
	bool rolled_back;         /* its newest head is lower than what is here: said once */
	bool rollback_told;       /* as an event */
	bool forked;              /* two histories of it were seen: said once */
	unsigned proofs;          /* documents kept of that */
	unsigned writer_merges;   /* batches of its writer on their way that are here already, in part */
	uint64_t heads;           /* how many were taken; tells whether a feed has the newest */
	struct torap_holes holes; /* batches of which something is damaged here */
	bool ask_writer;          /* with the next acknowledgement */
	struct broker_recent *recent[BROKER_RECENT_MAX]; /* by number modulo; NULL: not in memory */
	uint64_t recent_from;            /* from here to flushed.next_batch - 1 they are there */
	uint64_t batches, events, bytes; /* since the process started */
	/* The last run that was encoded: quiet feeds of one stream need the same one. */
	uint64_t run_from, run_to;
	struct torap_buffer *run;
	struct broker_stream *next; /* of its bucket */
};

struct broker_streams {
	struct broker_stream *all[TORAP_STREAMS_MAX];
	size_t count;
	struct broker_stream *lanes[TORAP_LANES][TORAP_STREAMS_MAX];
	size_t lane_count[TORAP_LANES];
	struct broker_stream *buckets[BROKER_STREAM_BUCKETS];
	struct broker_recent *oldest, *newest;
	size_t recent_bytes;
};

struct broker_streams *broker_streams_create(void); /* NULL when memory ran out */
struct broker_streams *broker_streams_destroy(
	struct broker_streams *streams); /* accepts NULL, returns NULL */

struct broker_stream *broker_streams_find(struct broker_streams *streams, const struct torap_stream_id *id);
/* A stream that is not there yet, empty.  NULL: there are too many, or memory ran out. */
struct broker_stream *broker_streams_add(struct broker_streams *streams, const struct torap_stream_id *id);

/* Is there room for one more of this writer in this lane? */
bool broker_streams_have_room(const struct broker_streams *streams, const struct torap_stream_id *id);

uint64_t broker_stream_last(const struct broker_stream *s); /* newest flushed batch; 0: none */
/* A batch was flushed: the head moves, the batch stays in memory for a while.  Takes *batch.  Without memory it is only on the
 * disk, and feeds read it there. */
struct broker_recent *broker_stream_flushed(struct broker_streams *streams, struct broker_stream *s,
	struct torap_batch **take, struct torap_wall received_at);
/* A batch that came again was merged in the store: what is in memory of it gets the frames, too. */
void broker_stream_merged(
	struct broker_streams *streams, struct broker_stream *s, const struct torap_batch *batch);
/* Lets go of every batch in memory that was received before this time. */
void broker_streams_forget(struct broker_streams *streams, struct torap_wall before);
/* A commit failed: what was accepted after the flushed head must be sent again. */
void broker_stream_fall_back(struct broker_stream *s);
/* What is accepted of a stream that holds nothing yet begins in the middle, at `batch_no`.  A commit that fails takes it back. */
void broker_stream_begin(struct broker_stream *s, uint64_t batch_no);
/* The batch that the disk must bring next, of those accepted. */
uint64_t broker_stream_due(const struct broker_stream *s);
/* Nothing of it is here or on its way: it may begin anywhere. */
bool broker_stream_empty(const struct broker_stream *s);
/* NULL: not in memory. */
struct broker_recent *broker_stream_recent(const struct broker_stream *s, uint64_t batch_no);
/* Another batch stands in memory under this number: a fork, as long as we can still see it. */
bool broker_stream_differs(const struct broker_stream *s, const struct torap_manifest *m);
/* It is in memory with all the frames that this one has. */
bool broker_stream_holds(const struct broker_stream *s, const struct torap_batch *batch);
/* Fills `matched` with the feeds whose it is; asks the routing once per policy.  0 or -ENOMEM. */
int broker_recent_route(struct broker_recent *e, struct broker_routing *routing);
/* Holds it anything for the feed? */
bool broker_recent_matches(struct broker_recent *e, struct broker_routing *routing, uint32_t feed);
/* About where event numbers stand before this batch: exact when it is in memory, in proportion when it is not. */
uint64_t broker_stream_seq_at(const struct broker_stream *s, uint64_t batch_no);

enum broker_head_answer {
	BROKER_HEAD_NEW,
	BROKER_HEAD_OLD,      /* not newer than the one that is there */
	BROKER_HEAD_ROLLBACK, /* newer in time and lower in number: taken all the same, for it is the proof */
	BROKER_HEAD_FORK, /* another digest than that of the same batch here, or in the head before: not taken */
};
/* Takes a reference to the bytes.  Heads come by several ways, so that an honest one may be older than what is here: that is lag. */
enum broker_head_answer broker_stream_head(
	struct broker_stream *s, const struct torap_head *head, struct torap_buffer *signed_head);
