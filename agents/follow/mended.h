/* mended.h: what a directory lacks, and what came for it later.
 *
 * A hole is a batch of which granted frames are missing that somebody may still have (damaged, or not held where they came from): the hello
 * asks for it.  When frames come later, the merge is kept under a number of its own, so that each output writes out, once, the events that it
 * could not show before.  All in the table meta:
 *
 *     hole/ STREAM 0 batch number (u64)    that it is there is all it says
 *     mended/ number (u64)                 stream number, batch number, and the open frames that came (u16 each)
 *     seen/ OUTPUT                         the last merge that this output has dealt with (u64)
 *
 * Functions run inside the caller's transaction and return 0, or what kv returned. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/journal.h"
#include "store/kv.h"

int follow_hole_put(struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t batch_no);
int follow_hole_delete(struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t batch_no);
int follow_hole_has(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t batch_no, bool *out);
/* All of them.  `each` as in torap_kv_walk(). */
int follow_holes(struct torap_kv_txn *txn,
	int (*each)(void *hint, const struct torap_stream_id *stream, uint64_t batch_no), void *hint);

struct follow_mended {
	uint32_t stream_number;
	uint64_t batch_no;
	bool came[TORAP_BATCH_FRAMES_MAX]; /* the open frames that were not there before */
};
/* Under the next number. */
int follow_mended_add(struct torap_kv_txn *txn, const struct follow_mended *m);
/* The number of the newest; 0: there is none. */
int follow_mended_last(struct torap_kv_txn *txn, uint64_t *out);
int follow_mended_get(struct torap_kv_txn *txn, uint64_t number, struct follow_mended *out);

int follow_mended_put_seen(struct torap_kv_txn *txn, const char *output, uint64_t number);
/* 0 of an output that has seen none. */
int follow_mended_seen(struct torap_kv_txn *txn, const char *output, uint64_t *out);
