/* store.h: a subscriber's directory: what it received, how far it came, and what it needs to prove both later.
 *
 * One lib/store environment.  Beside the journal's tables:
 *
 *     cursor   stream (text)                  where it began (the pin), and the position after the last batch
 *     heads    stream (text)                  the newest SignedHead
 *     proofs   stream (text), sort, number    documents that prove a fork or a rollback: SignedHead or SignedManifest
 *     grants   number (u32)                   since when, and the rows of the grant, as GRANT's body
 *     spans    stream number, batch number    from this batch on the grant of that number held
 *     trust    version (u64)                  every SignedTrust that was in force here
 *     meta     name                           see store.c, mended.h and printed.h
 *     printed  output, stream (text)          how far an output has written
 *
 * Functions with a txn run inside the caller's transaction; a batch and its cursor are always in the same one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "link/message.h"
#include "store/journal.h"
#include "store/kv.h"
#include "store/proofs.h"

struct torap_error;

enum {
	FOLLOW_CURSOR = TORAP_JOURNAL_TABLES,
	FOLLOW_HEADS,
	FOLLOW_PROOFS,
	FOLLOW_GRANTS,
	FOLLOW_SPANS,
	FOLLOW_TRUST,
	FOLLOW_META,
	FOLLOW_PRINTED,
};

struct follow_cursor {
	struct torap_stream_id stream;
	struct torap_position begin; /* the pin: never changes */
	struct torap_position at;    /* after the last batch */
};

/* To read it, also when it was cut short: evidence is looked at as far as it goes (torap_examine_catch_crashes()). */
int follow_store_open(
	struct torap_kv **out, const char *dir, uint64_t bytes, bool read_only, struct torap_error *err);

/* After TORAP_KV_FULL: says which of the two is full, what dir_size allows or the file system, and what to do.  Returns -ENOSPC. */
int follow_store_full(struct torap_kv *kv, struct torap_error *err);

/* Stores the batch, its stream's cursor and the grant it came under (grants.h); whether it is a hole, or fills one (mended.h).
 * A stream without a cursor must begin at batch 1.  Returns 0, an answer of torap_journal_append(), or what kv returned. */
int follow_store_append(struct torap_kv_txn *txn, const struct torap_batch *batch,
	struct torap_wall received_at, uint32_t grant);

/* Pins where streams begin.  A stream that has a cursor keeps it.  `late`: what is before a begin after batch 1 was due, too. */
int follow_store_pin(struct torap_kv_txn *txn, const struct torap_stream_position *begin, bool late);
/* Was it pinned late?  0 or what kv returned. */
int follow_store_late(struct torap_kv_txn *txn, const struct torap_stream_id *stream, bool *out);
/* 0, TORAP_KV_MISSING, -EBADMSG (the row is damaged), or what kv returned. */
int follow_store_cursor(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, struct follow_cursor *out);
/* All cursors; a row that cannot be read gives -EBADMSG.  `each` as in torap_kv_walk(). */
int follow_store_cursors(
	struct torap_kv_txn *txn, int (*each)(void *hint, const struct follow_cursor *c), void *hint);

int follow_store_put_head(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, struct torap_bytes signed_head);
int follow_store_put_proof(struct torap_kv_txn *txn, const struct torap_stream_id *stream,
	enum torap_proof sort, uint64_t number, struct torap_bytes document);

int follow_store_put_trust(struct torap_kv_txn *txn, uint64_t version, struct torap_bytes signed_trust);
/* The highest version; *out borrows from the map. */
int follow_store_last_trust(struct torap_kv_txn *txn, struct torap_bytes *out);

/* Once a lane's first welcome is stored, its start rule has done its work: what appears later begins at batch 1. */
int follow_store_put_started(struct torap_kv_txn *txn, uint8_t lane, struct torap_wall at);
/* When that was; 0: not yet; FOLLOW_STARTED_ONCE: a directory of before 2026-11-28 does not say when. */
enum { FOLLOW_STARTED_ONCE = 1 };
int follow_store_started(struct torap_kv_txn *txn, uint8_t lane, struct torap_wall *out);
