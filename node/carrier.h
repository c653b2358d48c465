/* carrier.h: one lane to one broker: a connection, lib/link's dialler and window, and where each stream of the lane stands there.
 *
 * Welcomed, it compares what the broker claims to hold with the journal (replay.h), goes on from there, and sends while the window
 * is open: the most recent batches from memory, older ones from the journal.  A stream of which the broker holds what we do
 * not, or something else, is never continued to it: on_fork asks for a new incarnation.  One of which the journal cannot give the next
 * batch ends for this broker: on_unreadable asks for the rest to be told again, a last head tells the broker how long the stream was.
 * Frames of devices that have no valid consent when their turn comes are left out (reason: refused). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "link/dialler.h"
#include "link/stall.h"
#include "link/window.h"
#include "node/event.h"
#include "node/replay.h"

struct node_batcher;
struct torap_buffer;
struct torap_keys;
struct torap_zmtp_dialler;
struct torap_zmtp_turn;

struct node_carrier_options {
	uv_loop_t *loop;
	struct torap_zmtp_turn *turn;
	struct torap_kv *kv;
	struct node_batcher *batcher;
	uint32_t lane;
	const char *writer, *broker, *endpoint;
	const struct torap_keys *keys; /* our own */
	const uint8_t *broker_key;
	struct torap_trust *const *trust; /* replay.h */
	/* May what this device says leave the node, now? */
	bool (*may_send)(void *hint, const uint8_t subject[static TORAP_SUBJECT_SIZE]);
	/* The broker's copy of our current stream is not ours.  `reason`: "ahead" or "differs". */
	void (*on_fork)(void *hint, uint32_t lane, const char *broker, const struct torap_stream_id *old,
		const char *reason, uint64_t first_without_receipt);
	/* The broker lacks this batch, and its manifest cannot be read here. */
	void (*on_unreadable)(
		void *hint, const char *broker, const struct torap_stream_id *stream, uint64_t batch_no);
	/* The same, before: true: somebody may give it back, node_carrier_fetched() will tell. */
	bool (*fetch)(void *hint, const struct torap_stream_id *stream, uint64_t batch_no);
	/* The broker sends manifests of ours.  False: nobody asked. */
	bool (*on_run)(
		void *hint, const struct torap_stream_id *stream, uint64_t batch_no, struct torap_bytes run);
	/* Some of its frames are damaged here. */
	void (*on_damaged)(void *hint, const struct torap_stream_id *stream, uint64_t batch_no);
	/* Of the welcome: the broker has this stream of ours.  Of a refusal: a newer session has our key. */
	void (*on_stream)(void *hint, const char *broker, const struct torap_stream_id *stream);
	void (*on_replaced)(void *hint, const char *broker);
	void (*now)(void *hint, struct node_now *out);
	void *hint;
};

/* Where a stream stands at the broker. */
struct node_carried {
	bool skipped; /* not ours there: never continued */
	bool ended;   /* what comes next cannot be read here… */
	bool waits;   /* …and may be given back by somebody */
	bool receipt_due;
	uint64_t damage_told; /* batches up to this one whose damage the log knows */
	uint64_t next_send;
	struct node_mark acked;
};

/* A batch that the broker lacks frames of, to be sent once more beside the order. */
struct node_again {
	uint32_t stream;
	uint64_t batch_no;
};

struct node_sent {
	uint32_t stream;
	struct node_mark mark;
};

struct node_carrier {
	struct node_carrier_options options;
	struct torap_dialler dialler;
	struct torap_window window;
	bool has_window;
	struct torap_zmtp_dialler *connection;
	struct node_carried *streams; /* beside node_batcher_streams() */
	size_t streams_count;
	struct node_sent *sent; /* a ring, by order of sending */
	size_t sent_first, sent_count, sent_room;
	struct node_sealed *fetched; /* read back, of stream fetched_stream */
	uint32_t fetched_stream;
	struct node_again *again; /* a ring, made when there is any */
	size_t again_first, again_count;
	bool asked_again;      /* the replay's question is for one of them */
	bool again_sent;       /* one is not acknowledged yet… */
	uint32_t again_stream; /* …of this stream */
	struct node_replay replay;
	struct node_claim *claims; /* of the welcome */
	size_t claims_count;
	struct node_claim *next_claims; /* of a welcome that came while the replay was busy */
	size_t next_claims_count;
	uint64_t session, asked_in; /* counts welcomes; that of the question under way */
	bool resumed;               /* the claims have been judged */
	struct torap_mono resumed_at;
	size_t kernel_bytes; /* what may lie in the socket's buffer */
	struct torap_stall stall;
	struct torap_wall behind_since; /* when the oldest batch that is not acknowledged was sealed */
	bool rekey;                     /* a key or the endpoint has changed: at… */
	struct torap_mono rekey_at;     /* …this moment the link begins anew */
	bool closing;
	char refusal[256]; /* what the broker said last, "" for nothing */
	uint64_t batches_sent, batches_again, batches_unreadable, bytes_sent, frames_refused, frames_damaged,
		strange;
};

/* Before the loop runs; reads nothing.  0 or -ENOMEM. */
int node_carrier_open(
	struct node_carrier *c, const struct node_carrier_options *options, struct node_now now);
/* What a former process knew of the broker, for lag until the broker itself tells. */
void node_carrier_receipt(struct node_carrier *c, size_t stream, const struct node_mark *acked);
/* Stops at once; the memory stays until the loop has run out, then node_carrier_finish(). */
void node_carrier_close(struct node_carrier *c);
void node_carrier_finish(struct node_carrier *c);

/* At least every 100 ms. */
void node_carrier_tick(struct node_carrier *c, struct node_now now);
/* Our CURVE key, the broker's or its endpoint is another now: begins anew within some seconds, so that not all links of a region do so at
 * once; until then the session goes on. */
void node_carrier_rekey(struct node_carrier *c, struct node_now now);
/* A batch of the lane is durable. */
void node_carrier_sealed(struct node_carrier *c, const struct node_sealed *s, struct node_now now);
/* The lane has a further stream.  0 or -ENOMEM. */
int node_carrier_streams(struct node_carrier *c, struct node_now now);
/* The carrier's number of a stream; -1: not one of ours. */
int node_carrier_find(const struct node_carrier *c, const struct torap_stream_id *stream);
/* Asks the broker for the manifest of a batch that it has acknowledged.  False: not now. */
bool node_carrier_ask(
	struct node_carrier *c, const struct torap_stream_id *stream, uint64_t batch_no, struct node_now now);
/* What it waited for can be read again, or nobody could give it. */
void node_carrier_fetched(struct node_carrier *c, const struct torap_stream_id *stream, uint64_t batch_no,
	bool mended, struct node_now now);
void node_carrier_head(struct node_carrier *c, struct torap_buffer *head, struct node_now now);

struct node_lag {
	uint64_t events, bytes;
	double seconds;
};
struct node_lag node_carrier_lag(const struct node_carrier *c, struct node_now now);
