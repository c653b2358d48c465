#include "store/journal_rows.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	ROWS_ID_MARK = 0xffffffff,    /* no stream has this number: TORAP_STREAMS_MAX is far below */
	ROWS_DIGESTS = 0xffff,        /* no frame has this index: TORAP_BATCH_FRAMES_MAX is far below */
	ROWS_MANIFEST_HEADER = 8 + 2, /* receipt time, number of frames */
};

struct torap_kv_key torap_rows_stream_key(uint32_t number)
{
	struct torap_kv_key key = { .size = 0 };
	torap_kv_key_u32(&key, number);
	return key;
}

struct torap_kv_key torap_rows_id_key(const struct torap_stream_id *id)
{
	struct torap_kv_key key = { .size = 0 };
	torap_kv_key_u32(&key, (uint32_t)ROWS_ID_MARK);
	torap_kv_key_u8(&key, id->lane);
	torap_kv_key_u64(&key, id->incarnation);
	torap_kv_key_text(&key, id->writer);
	return key;
}

struct torap_kv_key torap_rows_batch_key(uint32_t number, uint64_t batch_no)
{
	struct torap_kv_key key = { .size = 0 };
	torap_kv_key_u32(&key, number);
	torap_kv_key_u64(&key, batch_no);
	return key;
}

struct torap_kv_key torap_rows_frame_key(uint32_t number, uint64_t batch_no, unsigned frame)
{
	struct torap_kv_key key = torap_rows_batch_key(number, batch_no);
	torap_kv_key_u16(&key, (uint16_t)frame);
	return key;
}

bool torap_rows_is_head(struct torap_bytes key)
{
	return key.size == 4;
}

bool torap_rows_is_id(struct torap_bytes key)
{
	struct torap_reader k = torap_reader(key);
	return torap_read_u32(&k) == ROWS_ID_MARK && key.size > 4;
}

/* lane, incarnation, first_batch, last_batch, next_seq, last_digest, writer to the end */
int torap_rows_head_decode(struct torap_journal_head *out, struct torap_bytes key, struct torap_bytes value)
{
	struct torap_journal_head head = { .number = 0 };
	struct torap_reader k = torap_reader(key), r = torap_reader(value);
	head.number = torap_read_u32(&k);
	uint8_t lane = torap_read_u8(&r);
	uint64_t incarnation = torap_read_u64(&r);
	head.first_batch = torap_read_u64(&r);
	head.last_batch = torap_read_u64(&r);
	head.next_seq = torap_read_u64(&r);
	struct torap_bytes digest = torap_read_bytes(&r, sizeof head.last_digest);
	struct torap_bytes name = torap_read_bytes(&r, (size_t)(r.end - r.at));
	char writer[TORAP_WRITER_ID_MAX + 1] = { 0 };
	if (!torap_read_end(&r) || !torap_read_end(&k) || name.size > TORAP_WRITER_ID_MAX)
		return -EBADMSG;
	memcpy(head.last_digest, digest.data, digest.size);
	memcpy(writer, name.data, name.size);
	if (!torap_stream_id_make(&head.stream, writer, lane, incarnation))
		return -EBADMSG;
	*out = head;
	return 0;
}

int torap_rows_head_get(struct torap_kv_txn *txn, uint32_t number, struct torap_journal_head *out)
{
	struct torap_kv_key key = torap_rows_stream_key(number);
	struct torap_bytes value;
	int r = torap_kv_get(txn, ROWS_STREAMS, torap_kv_key_bytes(&key), &value);
	return r ? r : torap_rows_head_decode(out, torap_kv_key_bytes(&key), value);
}

int torap_rows_head_find(
	struct torap_kv_txn *txn, const struct torap_stream_id *id, struct torap_journal_head *out)
{
	struct torap_kv_key key = torap_rows_id_key(id);
	struct torap_bytes value;
	int r = torap_kv_get(txn, ROWS_STREAMS, torap_kv_key_bytes(&key), &value);
	if (r)
		return r;
	struct torap_reader reader = torap_reader(value);
	uint32_t number = torap_read_u32(&reader);
	if (!torap_read_end(&reader))
		return -EBADMSG;
	r = torap_rows_head_get(txn, number, out);
	if (r == TORAP_KV_MISSING || (!r && !torap_stream_id_equal(&out->stream, id)))
		return -EBADMSG; /* The two rows are written together. */
	return r;
}

int torap_rows_head_put(struct torap_kv_txn *txn, const struct torap_journal_head *head)
{
	struct torap_kv_key key = torap_rows_stream_key(head->number);
	struct torap_writer w = { 0 };
	torap_write_u8(&w, head->stream.lane);
	torap_write_u64(&w, head->stream.incarnation);
	torap_write_u64(&w, head->first_batch);
	torap_write_u64(&w, head->last_batch);
	torap_write_u64(&w, head->next_seq);
	torap_write_bytes(&w, torap_bytes(head->last_digest, sizeof head->last_digest));
	torap_write_bytes(&w, torap_bytes(head->stream.writer, strlen(head->stream.writer)));
	int r = -ENOMEM;
	if (!w.failed)
		r = torap_kv_put(txn, ROWS_STREAMS, torap_kv_key_bytes(&key), torap_bytes(w.data, w.size));
	torap_writer_finish(&w);
	return r;
}

int torap_rows_manifest_get(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, struct torap_rows_manifest *out)
{
	struct torap_kv_key key = torap_rows_batch_key(number, batch_no);
	struct torap_bytes value;
	int r = torap_kv_get(txn, ROWS_MANIFESTS, torap_kv_key_bytes(&key), &value);
	if (r)
		return r;
	struct torap_reader reader = torap_reader(value);
	out->received_at.us = (int64_t)torap_read_u64(&reader);
	unsigned high = torap_read_u8(&reader);
	out->frames_count = high << 8 | torap_read_u8(&reader);
	if (reader.failed || out->frames_count > TORAP_BATCH_FRAMES_MAX)
		return -EBADMSG;
	out->signed_manifest = torap_bytes(reader.at, (size_t)(reader.end - reader.at));
	return 0;
}

int torap_rows_manifest_put(struct torap_kv_txn *txn, uint32_t number, const struct torap_batch *batch,
	struct torap_wall received_at)
{
	const struct torap_buffer *signed_manifest = batch->signed_manifest;
	struct torap_kv_key key = torap_rows_batch_key(number, batch->manifest->batch_no);
	uint8_t *row = torap_kv_reserve(
		txn, ROWS_MANIFESTS, torap_kv_key_bytes(&key), ROWS_MANIFEST_HEADER + signed_manifest->size);
	if (!row)
		return txn->failure;
	struct torap_kv_key header = { .size = 0 };
	torap_kv_key_u64(&header, (uint64_t)received_at.us);
	torap_kv_key_u16(&header, (uint16_t)batch->manifest->frames_count);
	memcpy(row, header.data, header.size);
	memcpy(row + header.size, signed_manifest->data, signed_manifest->size);
	return 0;
}

int torap_rows_frame_get(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, unsigned frame, struct torap_bytes *out)
{
	struct torap_kv_key key = torap_rows_frame_key(number, batch_no, frame);
	return torap_kv_get(txn, ROWS_FRAMES, torap_kv_key_bytes(&key), out);
}

int torap_rows_frame_put(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, unsigned frame,
	struct torap_bytes bytes)
{
	struct torap_kv_key key = torap_rows_frame_key(number, batch_no, frame);
	return torap_kv_put(txn, ROWS_FRAMES, torap_kv_key_bytes(&key), bytes);
}

int torap_rows_frame_delete(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, unsigned frame, bool *was_there)
{
	struct torap_kv_key key = torap_rows_frame_key(number, batch_no, frame);
	int r = torap_kv_delete(txn, ROWS_FRAMES, torap_kv_key_bytes(&key));
	if (was_there)
		*was_there = r == 0;
	return r == TORAP_KV_MISSING ? 0 : r;
}

int torap_rows_digests_get(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, struct torap_bytes *out)
{
	return torap_rows_frame_get(txn, number, batch_no, ROWS_DIGESTS, out);
}

int torap_rows_digests_put(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, struct torap_bytes bytes)
{
	return torap_rows_frame_put(txn, number, batch_no, ROWS_DIGESTS, bytes);
}

int torap_rows_digests_delete(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no)
{
	return torap_rows_frame_delete(txn, number, batch_no, ROWS_DIGESTS, NULL);
}

int torap_rows_notes_get(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, unsigned frames_count,
	struct torap_rows_notes *out)
{
	assert(frames_count <= TORAP_BATCH_FRAMES_MAX);
	struct torap_kv_key key = torap_rows_batch_key(number, batch_no);
	struct torap_bytes value;
	int r = torap_kv_get(txn, ROWS_NOTES, torap_kv_key_bytes(&key), &value);
	if (r && r != TORAP_KV_MISSING)
		return r;
	if (!r && value.size != frames_count)
		return -EBADMSG;
	out->count = frames_count;
	if (r)
		memset(out->of, ROWS_NOTE_HELD, frames_count);
	else
		memcpy(out->of, value.data, frames_count);
	return 0;
}

bool torap_rows_notes_hold(const struct torap_rows_notes *notes)
{
	for (unsigned i = 0; i < notes->count; i++)
		if (notes->of[i] == ROWS_NOTE_HELD)
			return true;
	return false;
}

int torap_rows_notes_put(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, const struct torap_rows_notes *notes)
{
	struct torap_kv_key key = torap_rows_batch_key(number, batch_no);
	for (unsigned i = 0; i < notes->count; i++)
		if (notes->of[i] != ROWS_NOTE_HELD)
			return torap_kv_put(txn, ROWS_NOTES, torap_kv_key_bytes(&key),
				torap_bytes(notes->of, notes->count));
	int r = torap_kv_delete(txn, ROWS_NOTES, torap_kv_key_bytes(&key));
	return r == TORAP_KV_MISSING ? 0 : r;
}

int torap_rows_notes_change(
	struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, const struct torap_rows_notes *notes)
{
	int r = torap_rows_notes_hold(notes) ? 0 : torap_rows_digests_delete(txn, number, batch_no);
	return r ? r : torap_rows_notes_put(txn, number, batch_no, notes);
}
