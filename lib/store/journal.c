#include "store/journal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/journal_rows.h"
#include "store/sweep_rows.h"

/* A batch is appended with the head that follows from it, in one transaction, so the two never differ.  Its frames may come later
 * (a merge) and go later (retention); its manifest stays for good. */

static int put_frame(
	struct torap_kv_txn *txn, uint32_t number, const struct torap_batch *batch, unsigned frame)
{
	return torap_rows_frame_put(
		txn, number, batch->manifest->batch_no, frame, torap_buffer_bytes(batch->frames[frame]));
}

static int put_digests(struct torap_kv_txn *txn, uint32_t number, const struct torap_batch *batch)
{
	return torap_rows_digests_put(
		txn, number, batch->manifest->batch_no, torap_buffer_bytes(batch->digests));
}

/* Streams are numbered from 1, in the order of their first batches. */
static int number_stream(struct torap_kv_txn *txn, struct torap_journal_head *head)
{
	static const uint8_t small_numbers[] = { 0 }; /* All numbers begin with this byte, no id does. */
	struct torap_bytes key, value;
	struct torap_journal_head last = { .number = 0 };
	int r = torap_kv_last(
		txn, ROWS_STREAMS, torap_bytes(small_numbers, sizeof small_numbers), &key, &value);
	if (!r)
		r = torap_rows_head_decode(&last, key, value);
	if (r && r != TORAP_KV_MISSING)
		return r;
	if (last.number >= TORAP_STREAMS_MAX)
		return TORAP_JOURNAL_CROWDED;
	head->number = last.number + 1;

	struct torap_kv_key number = torap_rows_stream_key(head->number);
	struct torap_kv_key id = torap_rows_id_key(&head->stream);
	return torap_kv_put(txn, ROWS_STREAMS, torap_kv_key_bytes(&id), torap_kv_key_bytes(&number));
}

static int store(struct torap_kv_txn *txn, const struct torap_batch *batch, struct torap_wall received_at,
	struct torap_journal_head *head)
{
	const struct torap_manifest *m = batch->manifest;
	int r = torap_rows_manifest_put(txn, head->number, batch, received_at);
	struct torap_rows_notes notes = { .count = m->frames_count };
	bool any = false;
	for (unsigned i = 0; !r && i < m->frames_count; i++) {
		notes.of[i] = batch->frames[i] ? ROWS_NOTE_HELD : batch->omissions[i] & ROWS_NOTE_REASON;
		any |= batch->frames[i] != NULL;
		if (batch->frames[i])
			r = put_frame(txn, head->number, batch, i);
	}
	if (!r && any)
		r = put_digests(txn, head->number, batch);
	if (!r)
		r = torap_rows_notes_put(txn, head->number, m->batch_no, &notes);
	if (r)
		return r;
	head->last_batch = m->batch_no;
	head->next_seq = m->first_seq + m->count;
	memcpy(head->last_digest, m->digest, sizeof head->last_digest);
	return torap_rows_head_put(txn, head);
}

/* Will nobody ever fill this hole of ours?  Then it is none any more. */
static bool is_given_up(const struct torap_batch *batch, const struct torap_batch *ours, unsigned frame)
{
	return torap_omission_is_hole(ours->omissions[frame]) &&
	       batch->omissions[frame] != TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED &&
	       !torap_omission_is_hole(batch->omissions[frame]);
}

/* Not held where our copy came from; but this source has it, damaged: it may mend it, so that it is worth asking for. */
static bool is_damaged_there(const struct torap_batch *batch, const struct torap_batch *ours, unsigned frame)
{
	return ours->omissions[frame] == TORAP__OMISSION_REASON__OMISSION_NOT_HELD &&
	       batch->omissions[frame] == TORAP__OMISSION_REASON__OMISSION_DAMAGED;
}

/* Is there, or will there be, a frame that could not be verified without the digests? */
static bool are_digests_needed(const struct torap_batch *batch, const struct torap_rows_notes *notes)
{
	for (unsigned i = 0; i < notes->count; i++)
		if (batch->frames[i] && !torap_rows_note_is_final(notes->of[i]))
			return true;
	return torap_rows_notes_hold(notes);
}

/* Stores what `batch` has and `ours` lacks.  A frame of ours that is damaged was read as lacking. */
static int merge_frames(struct torap_kv_txn *txn, uint32_t number, const struct torap_batch *batch,
	const struct torap_batch *ours)
{
	const struct torap_manifest *m = batch->manifest;
	struct torap_rows_notes notes;
	int r = torap_rows_notes_get(txn, number, m->batch_no, m->frames_count, &notes);
	bool merged = false;
	for (unsigned i = 0; !r && i < m->frames_count; i++) {
		if (ours->frames[i] || torap_rows_note_is_final(notes.of[i]))
			continue;
		if (batch->frames[i]) {
			r = put_frame(txn, number, batch, i);
			notes.of[i] = ROWS_NOTE_HELD;
		} else if (is_given_up(batch, ours, i) || is_damaged_there(batch, ours, i)) {
			r = torap_rows_frame_delete(txn, number, m->batch_no, i, NULL);
			notes.of[i] = batch->omissions[i] & ROWS_NOTE_REASON;
		} else {
			continue;
		}
		merged = true;
	}
	if (r || !merged)
		return r ? r : TORAP_JOURNAL_OLD;
	r = torap_rows_notes_change(txn, number, m->batch_no, &notes);
	return r ? r : TORAP_JOURNAL_MERGED;
}

/* Merges `batch` into what is stored under its number, the digests first: without them no frame of ours could be told from a damaged one. */
static int merge(struct torap_kv_txn *txn, uint32_t number, const struct torap_batch *batch,
	const struct torap_batch *ours)
{
	uint64_t batch_no = batch->manifest->batch_no;
	struct torap_rows_notes notes;
	struct torap_batch *verified = NULL;
	if (!batch->digests || ours->digests)
		return merge_frames(txn, number, batch, ours);
	int r = torap_rows_notes_get(txn, number, batch_no, ours->manifest->frames_count, &notes);
	if (r || !are_digests_needed(batch, &notes))
		return r ? r : merge_frames(txn, number, batch, ours);
	r = put_digests(txn, number, batch);
	if (!r)
		r = torap_journal_read(txn, number, batch_no, NULL, NULL, &verified, NULL, NULL);
	if (!r)
		r = merge_frames(txn, number, batch, verified);
	torap_batch_destroy(verified);
	return r == TORAP_JOURNAL_OLD ? TORAP_JOURNAL_MERGED : r;
}

/* The digest that a manifest must have, by what stands behind it: the next manifest, or the head.  False: that cannot be read.
 * *received_at becomes about when it came, for the row that said so may be damaged. */
static bool chain_names(struct torap_kv_txn *txn, const struct torap_journal_head *head, uint64_t batch_no,
	uint8_t digest[static TORAP_DIGEST_SIZE], struct torap_wall *received_at)
{
	struct torap_rows_manifest row;
	struct torap_manifest *next = NULL;
	if (batch_no == head->last_batch) {
		memcpy(digest, head->last_digest, TORAP_DIGEST_SIZE);
		return true;
	}
	if (torap_rows_manifest_get(txn, head->number, batch_no + 1, &row))
		return false;
	bool known = torap_manifest_decode(&next, row.signed_manifest, NULL) == 0 && next->has_previous;
	if (known)
		memcpy(digest, next->previous, TORAP_DIGEST_SIZE);
	*received_at = row.received_at;
	torap_manifest_destroy(next);
	return known;
}

bool torap_journal_named(struct torap_kv_txn *txn, const struct torap_journal_head *head, uint64_t batch_no,
	uint8_t digest[static TORAP_DIGEST_SIZE])
{
	struct torap_wall received_at;
	return batch_no <= head->last_batch && chain_names(txn, head, batch_no, digest, &received_at);
}

int torap_journal_digest(struct torap_kv_txn *txn, const struct torap_journal_head *head, uint64_t batch_no,
	uint8_t digest[static TORAP_DIGEST_SIZE], struct torap_error *err)
{
	struct torap_batch *batch = NULL;
	if (torap_journal_named(txn, head, batch_no, digest))
		return 0;
	int r = torap_journal_read(txn, head->number, batch_no, NULL, NULL, &batch, NULL, err);
	if (!r)
		memcpy(digest, batch->manifest->digest, TORAP_DIGEST_SIZE);
	torap_batch_destroy(batch);
	return r;
}

/* What stands under this number is damaged, and `batch` is the one that was there: the chain names its digest. */
static int mend(struct torap_kv_txn *txn, const struct torap_journal_head *head,
	const struct torap_batch *batch, struct torap_wall received_at)
{
	const struct torap_manifest *m = batch->manifest;
	struct torap_rows_notes notes = { .count = m->frames_count };
	struct torap_batch *ours = NULL;
	int r = torap_rows_manifest_put(txn, head->number, batch, received_at);
	if (!r && torap_rows_notes_get(txn, head->number, m->batch_no, m->frames_count, &notes) == -EBADMSG) {
		memset(notes.of, ROWS_NOTE_HELD, m->frames_count);
		r = torap_rows_notes_put(txn, head->number, m->batch_no, &notes);
	}
	if (!r)
		r = torap_journal_read(txn, head->number, m->batch_no, NULL, NULL, &ours, NULL, NULL);
	if (!r)
		r = merge(txn, head->number, batch, ours);
	torap_batch_destroy(ours);
	if (r && r != TORAP_JOURNAL_OLD && r != TORAP_JOURNAL_MERGED)
		return r;
	r = torap_swept_back(txn, head->number, m->batch_no); /* Retention could not read it, either. */
	return r ? r : TORAP_JOURNAL_MERGED;
}

/* What was signed is the same; is the signature?  One of them is damaged then, and the caller has verified the one that came. */
static bool is_signed_alike(const struct torap_batch *ours, const struct torap_batch *batch)
{
	return torap_bytes_equal(
		torap_buffer_bytes(ours->signed_manifest), torap_buffer_bytes(batch->signed_manifest));
}

static int compare(struct torap_kv_txn *txn, const struct torap_journal_head *head,
	const struct torap_batch *batch, struct torap_wall received_at)
{
	const struct torap_manifest *m = batch->manifest;
	uint8_t named[TORAP_DIGEST_SIZE];
	struct torap_batch *ours = NULL;
	struct torap_wall ours_received_at;
	int r = torap_journal_read(
		txn, head->number, m->batch_no, NULL, NULL, &ours, &ours_received_at, NULL);
	if (r && r != -EBADMSG && r != TORAP_KV_MISSING)
		return r;
	bool same = !r && memcmp(ours->manifest->digest, m->digest, TORAP_DIGEST_SIZE) == 0;
	if (same && is_signed_alike(ours, batch))
		r = merge(txn, head->number, batch, ours);
	else if (same)
		r = mend(txn, head, batch, ours_received_at);
	else if (chain_names(txn, head, m->batch_no, named, &received_at) &&
		 memcmp(named, m->digest, sizeof named) == 0)
		r = mend(txn, head, batch, received_at);
	else
		r = TORAP_JOURNAL_OTHER;
	torap_batch_destroy(ours);
	return r;
}

static bool chained(const struct torap_journal_head *head, const struct torap_manifest *m)
{
	return m->first_seq == head->next_seq && m->has_previous &&
	       !memcmp(m->previous, head->last_digest, sizeof head->last_digest);
}

int torap_journal_append(
	struct torap_kv_txn *txn, const struct torap_batch *batch, struct torap_wall received_at)
{
	const struct torap_manifest *m = batch->manifest;
	assert(m->batch_no > 0);
	struct torap_journal_head head;
	int r = torap_rows_head_find(txn, &m->stream, &head);
	if (r == TORAP_KV_MISSING) {
		head = (struct torap_journal_head){ .stream = m->stream, .first_batch = m->batch_no };
		r = number_stream(txn, &head);
		return r ? r : store(txn, batch, received_at, &head);
	}
	if (r)
		return r;
	if (m->batch_no < head.first_batch || m->batch_no > head.last_batch + 1)
		return TORAP_JOURNAL_GAP;
	if (m->batch_no <= head.last_batch)
		return compare(txn, &head, batch, received_at);
	if (!chained(&head, m))
		return TORAP_JOURNAL_BROKEN;
	return store(txn, batch, received_at, &head);
}

struct heads {
	int (*each)(void *hint, const struct torap_journal_head *head);
	void *hint;
};

/* The rows of ids come after all heads and are few: they are passed over. */
static int on_stream(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	struct heads *heads = hint;
	struct torap_journal_head head;
	if (!torap_rows_is_head(key))
		return 0;
	int r = torap_rows_head_decode(&head, key, value);
	return r ? r : heads->each(heads->hint, &head);
}

int torap_journal_heads(
	struct torap_kv_txn *txn, int (*each)(void *hint, const struct torap_journal_head *head), void *hint)
{
	struct heads heads = { each, hint };
	return torap_kv_walk(txn, ROWS_STREAMS, torap_bytes(NULL, 0), on_stream, &heads);
}

int torap_journal_head(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, struct torap_journal_head *out)
{
	return torap_rows_head_find(txn, stream, out);
}

int torap_journal_find_time(
	struct torap_kv_txn *txn, uint32_t stream_number, struct torap_wall at, uint64_t *out_batch_no)
{
	struct torap_journal_head head;
	int r = torap_rows_head_get(txn, stream_number, &head);
	if (r)
		return r;
	uint64_t low = head.first_batch, high = head.last_batch + 1; /* the answer is in [low, high] */
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		struct torap_rows_manifest row;
		r = torap_rows_manifest_get(txn, stream_number, middle, &row);
		if (r)
			return r == TORAP_KV_MISSING ? -EBADMSG : r;
		if (row.received_at.us < at.us)
			low = middle + 1;
		else
			high = middle;
	}
	*out_batch_no = low;
	return 0;
}

/* Of a stream with more notes of whole batches the rest counts as partial. */
enum { NOTES_LOOKED_AT_MAX = 1 << 16 };

struct partial_search {
	uint32_t number;
	unsigned looks;
	bool found;
	uint64_t batch_no;
};

static int on_notes(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	struct partial_search *h = hint;
	struct torap_reader r = torap_reader(key);
	if (torap_read_u32(&r) != h->number)
		return 1;
	h->batch_no = torap_read_u64(&r);
	if (!torap_read_end(&r))
		return -EBADMSG;
	h->found = ++h->looks > NOTES_LOOKED_AT_MAX;
	for (size_t i = 0; i < value.size && !h->found; i++)
		h->found = value.data[i] == TORAP__OMISSION_REASON__OMISSION_NOT_HELD;
	return h->found;
}

int torap_journal_find_partial(
	struct torap_kv_txn *txn, uint32_t stream_number, uint64_t from, uint64_t *out_batch_no)
{
	struct partial_search h = { .number = stream_number };
	struct torap_kv_key key = torap_rows_batch_key(stream_number, from);
	int r = torap_kv_walk(txn, ROWS_NOTES, torap_kv_key_bytes(&key), on_notes, &h);
	if (r < 0)
		return r;
	if (!h.found)
		return TORAP_KV_MISSING;
	*out_batch_no = h.batch_no;
	return 0;
}
