#include "agents/follow/rendering.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "agents/follow/mended.h"
#include "base/log.h"
#include "store/journal.h"

enum { CHUNK_SIZE = 1 << 20 }; /* about so much is rendered at once */

static int load_track(
	struct follow_rendering *f, struct torap_kv_txn *txn, const struct torap_journal_head *head)
{
	if (f->tracks_count == f->tracks_room) {
		size_t room = f->tracks_room ? 2 * f->tracks_room : 16;
		struct follow_track *tracks = realloc(f->tracks, room * sizeof *tracks);
		if (!tracks)
			return -ENOMEM;
		f->tracks = tracks;
		f->tracks_room = room;
	}
	struct follow_track t = { .stream = head->stream, .number = head->number };
	int r = follow_printed_get(txn, f->output, &head->stream, &t.at);
	if (r == TORAP_KV_MISSING) {
		t.at = (struct follow_printed){ .next_batch = head->first_batch };
		r = 0;
	}
	if (!r)
		f->tracks[f->tracks_count++] = t;
	return r;
}

struct look {
	struct follow_rendering *f;
	struct torap_kv_txn *txn;
	size_t place;
};

static int on_head(void *hint, const struct torap_journal_head *head)
{
	struct look *look = hint;
	struct follow_rendering *f = look->f;
	if (head->last_batch == 0)
		return 0;
	/* Streams are numbered as they come, so the journal's order is that of the list, save for what is new. */
	while (look->place < f->tracks_count && f->tracks[look->place].number < head->number)
		look->place++;
	if (look->place == f->tracks_count) {
		int r = load_track(f, look->txn, head);
		if (r)
			return r < 0 ? r : -EIO;
	}
	struct follow_track *t = &f->tracks[look->place];
	if (t->number != head->number)
		return 0; /* It began after a later one; comes with the next start. */
	t->last_batch = head->last_batch;
	t->next = t->at;
	return 0;
}

struct showing {
	struct follow_rendering *f;
	struct follow_track *track;
	uint64_t batch_no;
};

static int on_event(void *hint, const struct torap_opened *event)
{
	struct showing *s = hint;
	struct follow_rendering *f = s->f;
	if (event->seq < s->track->next.next_seq || !event->open)
		return 0;
	f->render(f->hint, &s->track->stream, event, &f->chunk);
	s->track->next.next_seq = event->seq + 1;
	f->chunk_events++;
	return f->count_max && f->events + f->chunk_events >= f->count_max;
}

/* Merges.
 *
 * A batch was rendered in an earlier round, from what was there then.  Whatever merge has come since, and only that, brought events that
 * could not be shown: those whose open frame came with it.  A batch that this round or a later one renders has them in its place. */

static int on_mended_event(void *hint, const struct torap_opened *event)
{
	struct showing *s = hint;
	struct follow_rendering *f = s->f;
	const struct follow_printed *at = &s->track->at;
	if (!event->open || (s->batch_no == at->next_batch && event->seq >= at->next_seq))
		return 0;
	f->render(f->hint, &s->track->stream, event, &f->chunk);
	f->chunk_events++;
	return 0;
}

/* Leaves of the batch the groups whose open frame came with the merge. */
static void keep_what_came(struct torap_batch *batch, const struct follow_mended *m)
{
	for (unsigned g = 0; g < batch->manifest->groups_count; g++) {
		const struct torap_group *group = &batch->manifest->groups[g];
		for (unsigned i = 0; i < group->parts_count && !m->came[group->first_frame]; i++)
			batch->frames[group->first_frame + i] =
				torap_buffer_unref(batch->frames[group->first_frame + i]);
	}
}

static struct follow_track *track_of(struct follow_rendering *f, const struct follow_mended *m)
{
	for (size_t i = 0; i < f->tracks_count; i++)
		if (f->tracks[i].number == m->stream_number)
			return &f->tracks[i];
	return NULL;
}

static int render_merge(struct follow_rendering *f, struct torap_kv_txn *txn, uint64_t number)
{
	struct follow_mended m;
	struct torap_batch *batch;
	int r = follow_mended_get(txn, number, &m);
	if (r)
		return torap_errorf(&f->why, -EBADMSG, "what came later cannot be read: run torap verify");
	struct follow_track *t = track_of(f, &m);
	if (!t || m.batch_no > t->at.next_batch)
		return 0;
	r = torap_journal_read(txn, t->number, m.batch_no, NULL, NULL, &batch, NULL, &f->why);
	if (r)
		return r < 0 ? r : torap_errorf(&f->why, -EBADMSG, "a batch is gone: run torap verify");
	struct showing showing = { f, t, m.batch_no };
	keep_what_came(batch, &m);
	r = torap_batch_open(batch, on_mended_event, &showing, &f->why);
	torap_batch_destroy(batch);
	return r == -EBADMSG ? 0 : r; /* Its writer's fault; said when it came. */
}

/* All that came up to this round's snapshot, before anything else is rendered from it: what is rendered then has it already.  0: all;
 * positive: the chunk is full, or the count is reached (a batch that came later is never cut, so by some events too many). */
static int render_merges(struct follow_rendering *f, struct torap_kv_txn *txn)
{
	uint64_t last;
	int r = f->mended_loaded ? 0 : follow_mended_seen(txn, f->output, &f->mended_at);
	if (!r)
		r = follow_mended_last(txn, &last);
	if (r)
		return torap_errorf(&f->why, r < 0 ? r : -EIO, "what came later cannot be read");
	if (!f->mended_loaded)
		f->mended_kept = f->mended_at;
	f->mended_loaded = true;
	for (f->mended_next = f->mended_at; f->mended_next < last;) {
		r = render_merge(f, txn, f->mended_next + 1);
		if (r)
			return r;
		f->mended_next++;
		if (f->chunk.size >= CHUNK_SIZE ||
			(f->count_max && f->events + f->chunk_events >= f->count_max))
			return 1;
	}
	return 0;
}

static int render_batch(struct follow_rendering *f, struct torap_kv_txn *txn, struct follow_track *t)
{
	struct torap_batch *batch;
	struct torap_wall received_at;
	int r = torap_journal_read(
		txn, t->number, t->next.next_batch, NULL, NULL, &batch, &received_at, &f->why);
	if (r == TORAP_KV_MISSING)
		return torap_errorf(
			&f->why, -EBADMSG, "a batch is gone from the directory: run torap verify");
	if (r)
		return r;
	struct showing showing = { f, t, t->next.next_batch };
	r = torap_batch_open(batch, on_event, &showing, &f->why);
	if (r == -EBADMSG) {
		/* Signed, and no events all the same: its writer's fault.  It stays stored for proof; what follows must still come out. */
		char text[TORAP_STREAM_TEXT_SIZE];
		torap_fail("BATCH-UNREADABLE", "%s batch %" PRIu64 ": %s; its events are not shown",
			torap_stream_id_format(&t->stream, text), t->next.next_batch, f->why.text);
		r = 0;
	}
	if (r == 0) {
		t->next.next_batch++;
		t->next.next_seq = batch->manifest->first_seq + batch->manifest->count;
	}
	t->dirty = true;
	torap_batch_destroy(batch);
	return r;
}

/* A batch of each stream of a lane in turn.  0: all rendered; positive: the chunk is full or the count is reached. */
static int render_lane(struct follow_rendering *f, struct torap_kv_txn *txn, uint8_t lane)
{
	bool more = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < f->tracks_count; i++) {
			struct follow_track *t = &f->tracks[i];
			if (t->stream.lane != lane || t->next.next_batch > t->last_batch)
				continue;
			int r = render_batch(f, txn, t);
			if (r)
				return r;
			if (f->chunk.size >= CHUNK_SIZE)
				return 1;
			more = true;
		}
	}
	return 0;
}

int follow_rendering_chunk(struct follow_rendering *f)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, f->kv, false);
	struct look look = { f, &txn, 0 };
	int r = torap_journal_heads(&txn, on_head, &look);
	if (r)
		r = torap_errorf(&f->why, r < 0 ? r : -EIO, "the positions of the output cannot be read");
	if (r == 0)
		r = render_merges(f, &txn);
	for (uint8_t lane = TORAP__LANE__LANE_CRITICAL; r == 0 && lane <= TORAP__LANE__LANE_BULK; lane++)
		r = render_lane(f, &txn, lane);
	torap_kv_abort(&txn);
	if (r == 0 && f->chunk.failed)
		r = torap_errorf(&f->why, -ENOMEM, "out of memory");
	return r;
}

/* What becomes of a chunk. */

void follow_rendering_written(struct follow_rendering *f)
{
	for (size_t i = 0; i < f->tracks_count; i++)
		f->tracks[i].at = f->tracks[i].next;
	f->mended_at = f->mended_next;
	f->events += f->chunk_events;
	torap_writer_finish(&f->chunk);
	f->chunk_events = 0;
}

void follow_rendering_lost(struct follow_rendering *f)
{
	for (size_t i = 0; i < f->tracks_count; i++)
		f->tracks[i].next = f->tracks[i].at;
	f->mended_next = f->mended_at;
	torap_writer_finish(&f->chunk);
	f->chunk_events = 0;
}

bool follow_rendering_moved(const struct follow_rendering *f)
{
	for (size_t i = 0; i < f->tracks_count; i++)
		if (f->tracks[i].dirty)
			return true;
	return f->mended_next != f->mended_kept;
}

int follow_rendering_put(const struct follow_rendering *f, struct torap_kv_txn *txn)
{
	for (size_t i = 0; i < f->tracks_count; i++) {
		const struct follow_track *t = &f->tracks[i];
		int r = t->dirty ? follow_printed_put(txn, f->output, &t->stream, t->next) : 0;
		if (r)
			return r;
	}
	return f->mended_next == f->mended_kept ? 0 : follow_mended_put_seen(txn, f->output, f->mended_next);
}

void follow_rendering_kept(struct follow_rendering *f)
{
	for (size_t i = 0; i < f->tracks_count; i++)
		f->tracks[i].dirty = false;
	f->mended_kept = f->mended_at;
}

void follow_rendering_finish(struct follow_rendering *f)
{
	torap_writer_finish(&f->chunk);
	free(f->tracks);
	f->tracks = NULL;
}
