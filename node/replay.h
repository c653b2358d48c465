/* replay.h: reads the journal on a thread of libuv's pool, for an uplink that is behind or has just been welcomed.
 *
 * One question at a time; the answer comes on the loop.  No transaction outlives a question, and no pointer into the map leaves it.
 * The memory of a replay must stay while it is busy. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "node/sealed.h"
#include "node/stream.h"

struct torap_kv;
struct torap_trust;

enum {
	NODE_REPLAY_BYTES = 1 << 20, /* of one answer, and the batch that passes it */
	NODE_REPLAY_BATCHES = 64,
};

/* Is what a broker holds what we sent?  It says that the last batch it has is number next_batch - 1, with this digest.  Where neither that
 * manifest nor the one behind it can be read there is nothing to compare with, and it is believed: nothing can be sent behind it anyway. */
struct node_claim {
	uint32_t index; /* the asker's own */
	struct torap_stream_id stream;
	uint64_t next_batch;
	bool has_digest;
	uint8_t digest[TORAP_DIGEST_SIZE];
	/* The answer. */
	enum { NODE_CLAIM_TRUE, NODE_CLAIM_AHEAD, NODE_CLAIM_DIFFERS } word;
	struct node_mark mark; /* of batch next_batch - 1, when true */
};

struct node_replay {
	uv_work_t work;
	uv_loop_t *loop;
	struct torap_kv *kv;
	bool busy;
	/* On the loop: `failed` and err, or the answer stands in claims or batches. */
	void (*done)(struct node_replay *r);
	void *hint;

	struct node_claim *claims; /* the asker's, untouched until the answer */
	size_t claims_count;
	struct torap_stream_id stream; /* or: batches of this stream, */
	uint64_t from, to;             /* from this one, at most up to this one */
	bool skip_unreadable; /* go on behind a batch that cannot be read; else the answer ends before it */
	/* What is in force, or NULL: a manifest with a wrong signature counts as one that cannot be read.  Borrowed. */
	struct torap_trust *const *trust;
	struct node_sealed *batches; /* the answer, in order; the asker's */
	uint64_t next;               /* behind all that the answer deals with */
	/* Batches whose manifest is gone or is not what was sealed, and how many events were in them, as far as that is known. */
	uint64_t unreadable[NODE_REPLAY_BATCHES];
	size_t unreadable_count;
	uint64_t unreadable_events;

	struct torap_trust *trusted; /* private: of this question */
	bool failed;                 /* the journal as a whole is in trouble */
	struct torap_error err;
};

/* Either: claims of claims_count, or (claims NULL) stream, from and to, have been filled in.  Not while busy. */
void node_replay_ask(struct node_replay *r);
