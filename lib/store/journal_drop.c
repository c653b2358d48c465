#include "store/journal.h"

#include <errno.h>
#include <string.h>

#include "store/journal_rows.h"
#include "wire/digest.h"

/* What goes from a batch: frames and their notes.  Its manifest never does. */

/* A frame that was never here is noted like one that was, for neither may come any more; that it was refused or erased stays said. */
static uint8_t note_of(uint8_t before, int reason)
{
	int said = before & ROWS_NOTE_REASON;
	bool stays = before != ROWS_NOTE_HELD && (said == TORAP__OMISSION_REASON__OMISSION_REFUSED ||
							 said == TORAP__OMISSION_REASON__OMISSION_ERASED);
	return (uint8_t)((stays ? said : reason) | ROWS_NOTE_FINAL);
}

static bool all_gone(const struct torap_rows_notes *notes)
{
	for (unsigned i = 0; i < notes->count; i++)
		if (!torap_rows_note_is_final(notes->of[i]))
			return false;
	return true;
}

/* Digests that are damaged are made again from the frames, or not at all once one of these is gone: then what stays could not be proven. */
static int mend_digests(struct torap_kv_txn *txn, uint32_t number, const struct torap_manifest *m)
{
	struct torap_bytes row;
	uint8_t digest[TORAP_DIGEST_SIZE];
	int r = torap_rows_digests_get(txn, number, m->batch_no, &row);
	if (r && r != TORAP_KV_MISSING)
		return r;
	if (!r)
		torap_digest(digest, row);
	if (!r && memcmp(digest, m->frames, sizeof digest) == 0)
		return 0;
	struct torap_batch *batch = NULL;
	r = torap_journal_read(txn, number, m->batch_no, NULL, NULL, &batch, NULL, NULL);
	if (!r && batch->digests)
		r = torap_rows_digests_put(txn, number, m->batch_no, torap_buffer_bytes(batch->digests));
	torap_batch_destroy(batch);
	return r;
}

static int drop_due(struct torap_kv_txn *txn, uint32_t number, const struct torap_manifest *m,
	torap_journal_due due, void *hint, struct torap_rows_notes *notes, struct torap_journal_dropped *out)
{
	bool changed = false;
	for (unsigned g = 0; g < m->groups_count; g++) {
		const struct torap_group *group = &m->groups[g];
		for (unsigned p = 0; p < group->parts_count; p++) {
			unsigned frame = group->first_frame + p;
			bool held;
			if (torap_rows_note_is_final(notes->of[frame]) ||
				!due(hint, &group->class, group->parts[p].part))
				continue;
			int r = changed ? 0 : mend_digests(txn, number, m);
			if (!r)
				r = torap_rows_frame_delete(txn, number, m->batch_no, frame, &held);
			if (r)
				return r;
			out->frames += held;
			out->bytes += held ? group->parts[p].length : 0;
			notes->of[frame] =
				note_of(notes->of[frame], TORAP__OMISSION_REASON__OMISSION_EXPIRED);
			changed = true;
		}
	}
	return changed ? torap_rows_notes_change(txn, number, m->batch_no, notes) : 0;
}

int torap_journal_drop_due(struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no,
	torap_journal_due due, void *hint, struct torap_journal_dropped *out)
{
	struct torap_rows_manifest row;
	struct torap_rows_notes notes;
	*out = (struct torap_journal_dropped){ 0 };
	int r = torap_rows_manifest_get(txn, stream_number, batch_no, &row);
	if (r)
		return r;
	r = torap_rows_notes_get(txn, stream_number, batch_no, row.frames_count, &notes);
	if (r || all_gone(&notes))
		return r;
	struct torap_manifest *m = NULL;
	r = torap_manifest_decode(&m, row.signed_manifest, NULL);
	if (r)
		return r;
	if (m->frames_count != row.frames_count || m->batch_no != batch_no)
		r = -EBADMSG;
	else
		r = drop_due(txn, stream_number, m, due, hint, &notes, out);
	torap_manifest_destroy(m);
	return r;
}
