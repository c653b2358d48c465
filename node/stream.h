/* stream.h: where one of this node's own streams stands on its disk, and how much lies before each of its batches.
 *
 * A mark is the sum of all batches up to one: so the lag of a link is a difference of two marks, exact after any restart. */
#pragma once

#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"
#include "wire/stream.h"

struct torap_error;
struct torap_kv_txn;
struct torap_writer;

struct node_mark {
	uint64_t batch_no;           /* 0: before the first batch */
	uint64_t bytes;              /* of all batches up to and including this one */
	uint64_t next_seq;           /* the number after the last event of this batch */
	struct torap_wall sealed_at; /* of this batch */
};

struct node_stream {
	struct torap_stream_id id;
	struct node_mark sealed; /* of its last durable batch */
	uint8_t digest[TORAP_DIGEST_SIZE];
};

/* A stream without batches. */
void node_stream_init(struct node_stream *s, const struct torap_stream_id *id);
/* Reads where the stream stands; one that the journal does not know is left as it is.  0 or negative. */
int node_stream_read(struct node_stream *s, struct torap_kv_txn *txn, struct torap_error *err);

void node_mark_write(
	const struct node_mark *m, const struct torap_stream_id *stream, struct torap_writer *writes);
/* Batch 0 is the begin of every stream.  0, TORAP_KV_MISSING or negative. */
int node_mark_read(struct node_mark *out, const struct torap_stream_id *stream, uint64_t batch_no,
	struct torap_kv_txn *txn);
