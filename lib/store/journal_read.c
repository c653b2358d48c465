#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "store/journal.h"
#include "store/journal_rows.h"
#include "wire/digest.h"
#include "wire/verify.h"

/* A batch on its way out of the store: its manifest first, then what is wanted of its frames. */
struct reading {
	struct torap_kv_txn *txn;
	uint32_t number;
	uint64_t batch_no;
	torap_journal_want want;
	void *hint;
	struct torap_error *err;
};

bool torap_journal_want_none(void *hint, const struct torap_batch *batch, size_t group, size_t part)
{
	(void)hint, (void)batch, (void)group, (void)part;
	return false;
}

static int failed(const struct reading *reading, int code)
{
	if (code > 0)
		return code;
	return torap_errorf(reading->err, code, "journal: batch %" PRIu64 " of stream %" PRIu32 ": %s",
		reading->batch_no, reading->number, strerror(-code));
}

static int read_manifest(
	const struct reading *reading, struct torap_batch **out, struct torap_wall *received_at)
{
	struct torap_rows_manifest row;
	int r = torap_rows_manifest_get(reading->txn, reading->number, reading->batch_no, &row);
	if (r)
		return failed(reading, r);
	struct torap_buffer *signed_manifest = torap_buffer_copy(row.signed_manifest);
	if (!signed_manifest)
		return failed(reading, -ENOMEM);
	struct torap_batch *batch = NULL;
	r = torap_batch_create(&batch, signed_manifest, reading->err);
	torap_buffer_unref(signed_manifest);
	if (r) {
		torap_error_prefix(reading->err, "journal: batch %" PRIu64 " of stream %" PRIu32 ": ",
			reading->batch_no, reading->number);
		return r;
	}
	if (batch->manifest->frames_count != row.frames_count ||
		batch->manifest->batch_no != reading->batch_no) {
		torap_batch_destroy(batch);
		return failed(reading, -EBADMSG);
	}
	if (received_at)
		*received_at = row.received_at;
	*out = batch;
	return 0;
}

static bool wanted(
	const struct reading *reading, const struct torap_batch *batch, unsigned group, unsigned part)
{
	return !reading->want || reading->want(reading->hint, batch, group, part);
}

/* The batch's size with all that is wanted of it, before it is read. */
static size_t wanted_bytes(const struct reading *reading, const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	size_t size = 0;
	for (unsigned g = 0; g < m->groups_count; g++)
		for (unsigned p = 0; p < m->groups[g].parts_count; p++)
			if (wanted(reading, batch, g, p))
				size += m->groups[g].parts[p].length;
	if (size)
		size += (size_t)m->frames_count * TORAP_DIGEST_SIZE;
	return batch->signed_manifest->size + size;
}

/* The entries that are damaged are those of frames that are here, perhaps: these are made again from the frames. */
static int renew_digests(
	const struct reading *reading, struct torap_buffer *digests, const struct torap_rows_notes *notes)
{
	for (unsigned i = 0; i < notes->count; i++) {
		struct torap_bytes frame;
		int r = notes->of[i] == ROWS_NOTE_HELD ? torap_rows_frame_get(reading->txn, reading->number,
								 reading->batch_no, i, &frame)
						       : TORAP_KV_MISSING;
		if (!r)
			torap_digest(digests->data + (size_t)i * TORAP_DIGEST_SIZE, frame);
		else if (r != TORAP_KV_MISSING)
			return r;
	}
	return 0;
}

/* Of a batch that is known to hold a frame.  Digests that are gone or damaged for good are left out, and all frames count as damaged. */
static int read_digests(
	const struct reading *reading, struct torap_batch *batch, const struct torap_rows_notes *notes)
{
	struct torap_bytes row;
	size_t size = (size_t)batch->manifest->frames_count * TORAP_DIGEST_SIZE;
	int r = torap_rows_digests_get(reading->txn, reading->number, reading->batch_no, &row);
	if (r && r != TORAP_KV_MISSING)
		return r;
	bool is_there = !r && row.size == size;
	struct torap_buffer *digests = torap_buffer_create(size);
	if (!digests)
		return -ENOMEM;
	if (is_there)
		memcpy(digests->data, row.data, size);
	else
		memset(digests->data, 0, size); /* Which no digest is. */
	batch->digests = digests;
	r = torap_verify_digests(batch) ? 0 : renew_digests(reading, digests, notes);
	if (r || !torap_verify_digests(batch))
		batch->digests = torap_buffer_unref(digests);
	return r;
}

static int read_frame(const struct reading *reading, struct torap_batch *batch, unsigned frame, uint8_t note)
{
	if (note != ROWS_NOTE_HELD) {
		batch->omissions[frame] = note & ROWS_NOTE_REASON;
		return 0;
	}
	batch->omissions[frame] = TORAP__OMISSION_REASON__OMISSION_DAMAGED; /* Unless it proves good. */
	struct torap_bytes bytes;
	int r = torap_rows_frame_get(reading->txn, reading->number, reading->batch_no, frame, &bytes);
	if (r)
		return r == TORAP_KV_MISSING ? 0 : r;
	batch->frames[frame] = torap_buffer_copy(bytes);
	if (!batch->frames[frame])
		return -ENOMEM;
	if (!torap_verify_frame(batch, frame))
		batch->frames[frame] = torap_buffer_unref(batch->frames[frame]);
	return 0;
}

static bool is_any_to_read(
	const struct reading *reading, const struct torap_batch *batch, const struct torap_rows_notes *notes)
{
	const struct torap_manifest *m = batch->manifest;
	for (unsigned g = 0; g < m->groups_count; g++)
		for (unsigned p = 0; p < m->groups[g].parts_count; p++)
			if (notes->of[m->groups[g].first_frame + p] == ROWS_NOTE_HELD &&
				wanted(reading, batch, g, p))
				return true;
	return false;
}

static int read_frames(const struct reading *reading, struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	struct torap_rows_notes notes;
	int r = torap_rows_notes_get(
		reading->txn, reading->number, reading->batch_no, m->frames_count, &notes);
	if (!r && is_any_to_read(reading, batch, &notes))
		r = read_digests(reading, batch, &notes);
	if (r)
		return failed(reading, r);
	for (unsigned g = 0; g < m->groups_count; g++) {
		for (unsigned p = 0; p < m->groups[g].parts_count; p++) {
			unsigned frame = m->groups[g].first_frame + p;
			if (!wanted(reading, batch, g, p)) {
				batch->omissions[frame] = TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED;
				continue;
			}
			r = read_frame(reading, batch, frame, notes.of[frame]);
			if (r)
				return failed(reading, r);
		}
	}
	return 0;
}

int torap_journal_read(struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no,
	torap_journal_want want, void *hint, struct torap_batch **out, struct torap_wall *received_at,
	struct torap_error *err)
{
	struct reading reading = { txn, stream_number, batch_no, want, hint, err };
	struct torap_batch *batch = NULL;
	int r = read_manifest(&reading, &batch, received_at);
	if (r)
		return r;
	r = read_frames(&reading, batch);
	if (r) {
		torap_batch_destroy(batch);
		return r;
	}
	*out = batch;
	return 0;
}

int torap_journal_read_range(struct torap_kv *kv, uint32_t stream_number, uint64_t from, size_t bytes_max,
	size_t count_max, torap_journal_want want, void *hint, struct torap_journal_entry *entries,
	size_t *count, struct torap_error *err)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	struct reading reading = { &txn, stream_number, from, want, hint, err };
	size_t bytes = 0;
	int r = 0;
	for (*count = 0; *count < count_max; reading.batch_no++) {
		struct torap_journal_entry *entry = &entries[*count];
		r = read_manifest(&reading, &entry->batch, &entry->received_at);
		if (r)
			break;
		bytes += wanted_bytes(&reading, entry->batch);
		bool fits = *count == 0 || bytes <= bytes_max;
		if (fits)
			r = read_frames(&reading, entry->batch);
		if (!fits || r) {
			entry->batch = torap_batch_destroy(entry->batch);
			break;
		}
		++*count;
	}
	torap_kv_abort(&txn);
	return *count || r == TORAP_KV_MISSING ? 0 : r;
}
