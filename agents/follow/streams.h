/* streams.h: where a subscriber stands in each stream, in memory, and whether what comes next is what its writer signed.
 *
 * Pure: no I/O, no clock.  What is here follows the store (store.h) by the batches that are on their way into it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/follow/writers.h"
#include "conf/trust.h"
#include "link/holes.h"
#include "wire/batch.h"
#include "wire/verify.h"

enum { FOLLOW_PROOFS_MAX = 16 }; /* of a stream, while the process lives */

struct follow_stream {
	struct torap_stream_id id;
	bool pinned;                   /* it has a cursor: it began somewhere */
	struct torap_position at;      /* verified and handed to the store */
	struct torap_position flushed; /* on the disk */
	struct torap_position shown;   /* after what this session has brought, or was told in its hello */
	bool ack_due;
	uint64_t events, bytes; /* flushed since the process began: what an event costs on its way to us */
	struct torap_wall
		whole_at; /* by its writer's clock: up to here nothing is missing; 0: nothing tells */

	struct follow_writer *writer; /* shared by its writer's streams of this lane; never NULL */
	struct torap_holes holes;     /* batches of which granted frames are missing */

	bool has_head;
	struct torap_head head; /* the newest, verified */
	struct torap_buffer *head_bytes;
	bool head_dirty;              /* not stored yet */
	struct torap_mono head_heard; /* when the last one came, in this process; 0: none */
	bool silent;                  /* said aloud */
	unsigned proofs;              /* kept, since the process began */
};

struct follow_streams {
	struct follow_stream **list; /* sorted by id; the pointers stay valid until finish */
	size_t count, room;
};

void follow_streams_finish(struct follow_streams *s);
/* NULL: there is none. */
struct follow_stream *follow_streams_find(const struct follow_streams *s, const struct torap_stream_id *id);
/* The stream, perhaps a new one that has not begun.  NULL: memory or TORAP_STREAMS_MAX. */
struct follow_stream *follow_streams_add(struct follow_streams *s, const struct torap_stream_id *id);
/* The last of its writer's streams in that lane: what follows in the list is another writer or lane. */
bool follow_streams_ends_lane(const struct follow_streams *s, size_t i);
/* NULL: it has no stream in that lane. */
struct follow_writer *follow_streams_writer(const struct follow_streams *s, const char *writer, uint8_t lane);
/* Where a stream begins or stood at the last stop. */
void follow_stream_begin(struct follow_stream *s, const struct torap_position *at);

/* Signature, digests, then the chain.  GOOD advances s->at; OLD may hold frames that were missing. */
enum torap_verdict follow_stream_check(
	struct follow_stream *s, struct torap_trust *trust, const struct torap_batch *batch);

enum follow_head_verdict {
	FOLLOW_HEAD_NEWER,    /* kept */
	FOLLOW_HEAD_OLDER,    /* nothing new */
	FOLLOW_HEAD_ROLLBACK, /* later in time and lower in number than one that was verified */
	FOLLOW_HEAD_FORK,     /* another digest under a number that was verified */
};
/* `bytes` is a SignedHead.  On ROLLBACK and FORK the older document stays in s. */
enum follow_head_verdict follow_stream_head(
	struct follow_stream *s, const struct torap_head *head, struct torap_buffer *bytes);

/* A session begins: the broker is told what is on the disk. */
void follow_stream_greet(struct follow_stream *s);
/* The session has brought this batch, be it an old one. */
void follow_stream_shown(struct follow_stream *s, const struct torap_manifest *m);
/* What may be acknowledged.  What an older session brought and is flushed only now is not told to a broker that may lag behind, for
 * an acknowledgement of batches that it has not got ends the session. */
const struct torap_position *follow_stream_owed(const struct follow_stream *s);
/* A batch is on the disk. */
void follow_stream_flushed(struct follow_stream *s, const struct torap_batch *batch);

/* How far the newest head is ahead of what is on the disk. */
struct follow_lag {
	uint64_t batches, events;
	uint64_t bytes; /* in proportion to what came so far; 0 before anything did */
	double seconds; /* the oldest of what is missing is so old at most; before anything came, so old at least */
};
struct follow_lag follow_stream_lag(const struct follow_stream *s, struct torap_wall now);

/* False: the trust file says that this stream is not to be believed so far. */
bool follow_believed(const struct torap_trust *trust, const struct torap_manifest *m);

/* Leaves out the frames of groups that the writer may not speak for: they are not to be believed.  Returns how many. */
unsigned follow_rights_enforce(struct torap_batch *batch, const struct torap_trust *trust);
