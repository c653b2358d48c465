/* journal.h: the batches of every stream, in order, on stable storage.
 *
 * Four tables of a kv environment whose other tables belong to the process that opened it (node: unsealed, repeats…):
 *
 *     streams    stream number (u32)                      writer, lane, incarnation
 *     manifests  stream number (u32), batch number (u64)  local receipt time, SignedManifest
 *     frames     stream number, batch number, index (u16) a part's frame as it was sealed; no row: left out
 *     notes      stream number, batch number, index       why a listed frame has no row (an OmissionReason)
 *
 * Manifests and frames are apart because retention deletes frames, never manifests, and because a feed reads only its own.
 * All numbers are big endian, so LMDB's order is ours.  Functions with a txn run inside the caller's transaction. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "store/kv.h"
#include "wire/batch.h"

struct torap_error;

/* The first tables of every environment that holds a journal; the process's own begin at TORAP_JOURNAL_TABLES. */
enum { TORAP_JOURNAL_TABLES = 4 };
#define TORAP_JOURNAL_TABLE_NAMES "streams", "manifests", "frames", "notes"

enum torap_journal_answer {
	TORAP_JOURNAL_OLD = 10, /* the batch is there already, the same.  Nothing was written. */
	TORAP_JOURNAL_GAP,      /* the batch does not continue its stream.  Nothing was written. */
	TORAP_JOURNAL_OTHER,    /* another batch stands under this number.  Nothing was written. */
};

/* Where a stream stands. */
struct torap_journal_head {
	struct torap_stream_id stream;
	uint32_t number;      /* of the stream, here */
	uint64_t first_batch; /* 1, or where this journal began; 0: none yet */
	uint64_t last_batch;  /* 0: none yet */
	uint64_t next_seq;
	uint8_t last_digest[TORAP_DIGEST_SIZE]; /* of the last manifest */
};

/* Appends to its stream, which begins with any batch number if it is new (first_batch).  Frames that are NULL in the batch are
 * noted with their omission's reason.  Returns 0, an answer above, or what kv returned. */
int torap_journal_append(
	struct torap_kv_txn *txn, const struct torap_batch *batch, struct torap_wall received_at);

/* All streams with their heads.  `each` as in torap_kv_walk(). */
int torap_journal_heads(
	struct torap_kv_txn *txn, int (*each)(void *hint, const struct torap_journal_head *head), void *hint);
int torap_journal_head(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, struct torap_journal_head *out);

/* Reads a batch with the frames for which `want` says true (NULL: all); the others are NULL, without a reason.  Frames that are
 * wanted and not held are NULL with their reason; one whose digest is wrong, or that is gone without a note, is DAMAGED.
 * Returns 0, TORAP_KV_MISSING, or negative (a manifest that cannot be decoded is -EBADMSG with a text).  *out is the caller's. */
int torap_journal_read(struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no,
	bool (*want)(void *hint, const struct torap_batch *batch, size_t group, size_t part), void *hint,
	struct torap_batch **out, struct torap_wall *received_at, struct torap_error *err);

/* The first batch received at or after `at`; last_batch + 1 when there is none. */
int torap_journal_find_time(
	struct torap_kv_txn *txn, uint32_t stream_number, struct torap_wall at, uint64_t *out_batch_no);

/* Deletes one frame and notes why.  The manifest stays. */
int torap_journal_drop_frame(
	struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no, unsigned frame, int reason);
