/* commit.h: a batch on its way to the disk.
 *
 * Holds the batch from admission until the flush, then hands it to the stream and tells the broker.  Nothing of it may be
 * acknowledged or routed earlier. */
#pragma once

#include "base/time.h"
#include "broker/source.h"
#include "store/committer.h"

struct broker_commit;
struct broker_stream;
struct torap_batch;

enum broker_commit_result {
	BROKER_COMMIT_FLUSHED, /* on the disk, and the newest of its stream */
	BROKER_COMMIT_OLD,     /* it was on the disk already, with all that this one has */
	BROKER_COMMIT_MERGED,  /* it was there, and frames that were missing are on the disk now, too */
	BROKER_COMMIT_OTHER,   /* what is there says otherwise: a fork.  Nothing was written. */
	BROKER_COMMIT_DAMAGED, /* what is there cannot be read any more.  Nothing was written. */
	BROKER_COMMIT_FULL,    /* no room.  Nothing was written. */
	BROKER_COMMIT_VOID,    /* the one before it failed: this one went with it.  Nothing was written. */
};

struct broker_commit {
	struct torap_commit_job job;
	struct torap_batch *batch; /* owned */
	struct broker_stream *stream;
	struct torap_wall received_at;
	struct broker_source source; /* whose word it is: how far it came is kept with the batch */
	uint32_t number;             /* of the stream in the store, from the first commit on */
	uint64_t begins;             /* a stream that is not there may begin with this batch; 0: with none */
	bool mends;                  /* its number is a hole */
	bool damaged; /* with DAMAGED, or with OLD and MERGED after all: what stands under its number */
	struct torap_batch
		*there; /* with OTHER: that, without frames; NULL when it went with one on its way */
	/* On the loop.  May take the batch; what it leaves is destroyed, and so is the commit. */
	void (*on_done)(struct broker_commit *c, enum broker_commit_result result);
	void *hint; /* of on_done */
};

/* Takes *batch; on_done will run.  `source` NULL: nobody's word is kept.  -ENOMEM: the batch stays. */
int broker_commit_submit(struct torap_committer *committer, struct broker_stream *stream,
	struct torap_batch **take, struct torap_wall received_at, const struct broker_source *source,
	void (*on_done)(struct broker_commit *c, enum broker_commit_result result), void *hint);
