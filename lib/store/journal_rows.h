/* journal_rows.h: keys and values of the journal's tables, as bytes.  Private to lib/store. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/journal.h"
#include "store/kv_key.h"

/* The tables' numbers: their places in TORAP_JOURNAL_TABLE_NAMES. */
enum { ROWS_STREAMS, ROWS_MANIFESTS, ROWS_FRAMES, ROWS_NOTES };

struct torap_kv_key torap_rows_stream_key(uint32_t number);
struct torap_kv_key torap_rows_id_key(const struct torap_stream_id *id);
struct torap_kv_key torap_rows_batch_key(uint32_t number, uint64_t batch_no);
struct torap_kv_key torap_rows_frame_key(uint32_t number, uint64_t batch_no, unsigned frame);

/* The head of a stream, by number or by id.  0, TORAP_KV_MISSING, -EBADMSG for a row that is not one, or what kv returned. */
int torap_rows_head_get(struct torap_kv_txn *txn, uint32_t number, struct torap_journal_head *out);
int torap_rows_head_find(
	struct torap_kv_txn *txn, const struct torap_stream_id *id, struct torap_journal_head *out);
int torap_rows_head_put(struct torap_kv_txn *txn, const struct torap_journal_head *head);
int torap_rows_head_decode(struct torap_journal_head *out, struct torap_bytes key, struct torap_bytes value);
/* A row of `streams` that is a head and not an id. */
bool torap_rows_is_head(struct torap_bytes key);
bool torap_rows_is_id(struct torap_bytes key);

struct torap_rows_manifest {
	struct torap_wall received_at;
	unsigned frames_count;
	struct torap_bytes signed_manifest; /* in the map */
};
int torap_rows_manifest_get(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, struct torap_rows_manifest *out);
int torap_rows_manifest_put(struct torap_kv_txn *txn, uint32_t number, const struct torap_batch *batch,
	struct torap_wall received_at);

/* A frame's bytes, in the map.  0, TORAP_KV_MISSING, or what kv returned. */
int torap_rows_frame_get(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, unsigned frame,
	struct torap_bytes *out);
int torap_rows_frame_put(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, unsigned frame,
	struct torap_bytes bytes);
/* 0 also when it was not there.  was_there may be NULL. */
int torap_rows_frame_delete(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, unsigned frame, bool *was_there);

/* The digests of a batch's frames: beside them, and only as long as any is held.  As a frame. */
int torap_rows_digests_get(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, struct torap_bytes *out);
int torap_rows_digests_put(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, struct torap_bytes bytes);
int torap_rows_digests_delete(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no);

/* What is noted of a frame: held, or an OmissionReason, with ROWS_NOTE_FINAL if we deleted it ourselves. */
enum { ROWS_NOTE_HELD = 0xff, ROWS_NOTE_FINAL = 0x80, ROWS_NOTE_REASON = 0x7f };
static inline bool torap_rows_note_is_final(uint8_t note)
{
	return note != ROWS_NOTE_HELD && note & ROWS_NOTE_FINAL;
}

struct torap_rows_notes {
	unsigned count;
	uint8_t of[TORAP_BATCH_FRAMES_MAX];
};
/* All held when there is no row. */
int torap_rows_notes_get(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, unsigned frames_count,
	struct torap_rows_notes *out);
/* Does it hold any frame? */
bool torap_rows_notes_hold(const struct torap_rows_notes *notes);
/* No row is kept when all are held. */
int torap_rows_notes_put(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, const struct torap_rows_notes *notes);
/* The same for a batch that was there before: with the last frame that it held its digests go, too. */
int torap_rows_notes_change(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, const struct torap_rows_notes *notes);
