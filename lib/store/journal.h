/* journal.h: the batches of every stream, in order, on stable storage.
 *
 * Four tables of a kv environment whose other tables belong to the process that opened it (node: unsealed, repeats…).  What
 * stands in them: README.md, "One store".
 *
 * Manifests and frames are apart because retention deletes frames, never manifests, and because a feed reads only its own.
 * All numbers are big endian, so LMDB's order is ours.  Functions with a txn run inside the caller's transaction, on its thread.
 * What was read is copied out of the map, so it outlives the transaction.  A head follows from the manifests; it is kept so that
 * an append need not decode the one before. */
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
	TORAP_JOURNAL_OTHER, /* another batch stands under this number, or one that is damaged and not proven to be this one.  Nothing
				was written. */
	TORAP_JOURNAL_MERGED, /* the batch is there already; frames that were not there now are, or are known never to come. */
	TORAP_JOURNAL_BROKEN,  /* the number fits, `previous` or first_seq does not.  Nothing was written. */
	TORAP_JOURNAL_CROWDED, /* a new stream where there are TORAP_STREAMS_MAX.  Nothing was written. */
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

/* Appends to its stream, which begins with any batch number if it is new (first_batch).  The caller has verified the batch.  Frames
 * that are NULL in it are noted with their omission's reason.
 *
 * A batch that is there already is merged: frames that we do not have, or have damaged, are stored, except those that
 * torap_journal_drop_due() took away, for a deletion is final.  One that is missing on both sides takes over a reason why it will
 * never come (expired, erased, refused), and that it is damaged where it is held (instead of: not held).  A manifest that is damaged or gone is mended when the chain behind it names this very batch.
 * A batch before first_batch is a GAP.
 * Returns 0, an answer above, or what kv returned. */
int torap_journal_append(
	struct torap_kv_txn *txn, const struct torap_batch *batch, struct torap_wall received_at);

/* All streams with their heads, by their numbers here.  `each` as in torap_kv_walk(). */
int torap_journal_heads(
	struct torap_kv_txn *txn, int (*each)(void *hint, const struct torap_journal_head *head), void *hint);
/* 0 or TORAP_KV_MISSING, or what kv returned. */
int torap_journal_head(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, struct torap_journal_head *out);

/* Is this frame wanted?  Asked before frames are read, and perhaps twice.  NULL for all. */
typedef bool (*torap_journal_want)(void *hint, const struct torap_batch *batch, size_t group, size_t part);
/* Of manifests alone. */
bool torap_journal_want_none(void *hint, const struct torap_batch *batch, size_t group, size_t part);

/* Reads a batch with the frames for which `want` says true; the others are NULL, with NOT_GRANTED for a reason.  Frames that are
 * wanted and not held are NULL with their reason; one whose digest is wrong, or that is gone without a note, is DAMAGED.  Their
 * digests are there when one that is wanted is held, as far as they can be known.
 * Returns 0, TORAP_KV_MISSING, or negative (a manifest that cannot be decoded is -EBADMSG with a text).  *out is the caller's.
 * received_at may be NULL. */
int torap_journal_read(struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no,
	torap_journal_want want, void *hint, struct torap_batch **out, struct torap_wall *received_at,
	struct torap_error *err);

/* The digest of a manifest, as what stands behind it names it, or else by itself: so that one that is damaged has its digest still.
 * `head` is of the stream.  As torap_journal_read(). */
int torap_journal_digest(struct torap_kv_txn *txn, const struct torap_journal_head *head, uint64_t batch_no,
	uint8_t digest[static TORAP_DIGEST_SIZE], struct torap_error *err);

/* The digest of a manifest as what stands behind it names it, the next manifest or the head.  False: that cannot be read. */
bool torap_journal_named(struct torap_kv_txn *txn, const struct torap_journal_head *head, uint64_t batch_no,
	uint8_t digest[static TORAP_DIGEST_SIZE]);

struct torap_journal_entry {
	struct torap_batch *batch; /* the caller's */
	struct torap_wall received_at;
};

/* Reads batches from `from` on, each as torap_journal_read() does, in a read transaction of its own that is closed on return: for
 * replay, on any thread.  Stops after `count_max` batches, at the end of the stream, or before the batch with which manifests and
 * wanted frames would pass `bytes_max`; the first batch is read whatever its size.  A batch of which nothing is wanted counts as
 * its manifest alone.  *count is 0 when the stream has no batch `from` (yet), or is not known.
 * Returns 0 or negative; then nothing was read.  A batch that cannot be read ends the run before it, and fails only as the first. */
int torap_journal_read_range(struct torap_kv *kv, uint32_t stream_number, uint64_t from, size_t bytes_max,
	size_t count_max, torap_journal_want want, void *hint, struct torap_journal_entry *entries,
	size_t *count, struct torap_error *err);

/* The first batch received at or after `at`; last_batch + 1 when there is none.  A wall clock that went back makes it one of
 * several that fit.  0, TORAP_KV_MISSING for a stream that is not known, or what kv returned. */
int torap_journal_find_time(
	struct torap_kv_txn *txn, uint32_t stream_number, struct torap_wall at, uint64_t *out_batch_no);

/* The first batch at or after `from` of which a frame is not held, for it came without it (NOT_HELD); what is damaged or gone is no such
 * frame.  It may be one that is whole when there were too many to look at.  0, TORAP_KV_MISSING when there is none, or what kv returned. */
int torap_journal_find_partial(
	struct torap_kv_txn *txn, uint32_t stream_number, uint64_t from, uint64_t *out_batch_no);

/* Deletes for good every frame of the batch for which `due` says true, and notes why (EXPIRED); a frame that is not there is noted likewise.  The
 * manifest stays.  A batch all of whose frames are gone costs next to nothing.  0, TORAP_KV_MISSING, -EBADMSG when its manifest cannot be decoded, or what kv returned. */
typedef bool (*torap_journal_due)(void *hint, const struct torap_class *class, unsigned part);
struct torap_journal_dropped {
	unsigned frames; /* that were there */
	uint64_t bytes;
};
int torap_journal_drop_due(struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no,
	torap_journal_due due, void *hint, struct torap_journal_dropped *out);
