#include "agents/follow/output.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/follow/mended.h"
#include "agents/follow/output_file.h"
#include "agents/follow/printed.h"
#include "agents/follow/store.h"
#include "base/error.h"
#include "base/log.h"
#include "store/committer.h"

enum {
	CHUNK_SIZE = 1 << 20, /* about so much is rendered, written and committed at once */
	COMMIT_MS = 1000,     /* positions of a descriptor */
	POLL_MS = 100,
	IDLE_POLLS_MAX = 10, /* of a reader that takes nothing, while we are to stop */
};

/* Answer of the commit's apply: the file could not be written; nothing was changed. */
enum { OUTPUT_FAILED = 40 };

/* How far the output is in one stream.  Its place in the list is that of the stream in the journal. */
struct track {
	struct torap_stream_id stream;
	uint32_t number;
	uint64_t last_batch; /* flushed */
	struct follow_printed at, next;
	bool dirty; /* `next` is ahead of the store */
};

struct follow_output {
	struct torap_kv *kv;
	struct torap_committer *committer;
	struct follow_output_options options;
	char name[FOLLOW_OUTPUT_NAME_SIZE]; /* in the store */
	int fd;                             /* of a file: owned */
	bool is_file;
	uint64_t length; /* of the file, committed */

	struct track *tracks; /* the worker's while it works, else the loop's */
	size_t tracks_count, tracks_room;
	struct torap_writer chunk;
	/* The last merge (mended.h) of which the output shows what came: committed, rendered, and of this round. */
	uint64_t mended_kept, mended_at, mended_next;
	bool mended_loaded;
	uint64_t chunk_events, events;
	bool chunk_full;
	int failure;
	struct torap_error why;

	uv_work_t work;
	uv_timer_t timer;
	struct torap_commit_job job;
	bool working, committing, again, ended, closing;
	bool dirty; /* positions that are not committed yet */
	atomic_bool stopping;
	void (*on_closed)(void *hint);
	void *on_closed_hint;
};

static void go_on(struct follow_output *o);

/* The worker: reads and renders. */

static int load_track(
	struct follow_output *o, struct torap_kv_txn *txn, const struct torap_journal_head *head)
{
	if (o->tracks_count == o->tracks_room) {
		size_t room = o->tracks_room ? 2 * o->tracks_room : 16;
		struct track *tracks = realloc(o->tracks, room * sizeof *tracks);
		if (!tracks)
			return -ENOMEM;
		o->tracks = tracks;
		o->tracks_room = room;
	}
	struct track t = { .stream = head->stream, .number = head->number };
	int r = follow_printed_get(txn, o->name, &head->stream, &t.at);
	if (r == TORAP_KV_MISSING) {
		t.at = (struct follow_printed){ .next_batch = head->first_batch };
		r = 0;
	}
	if (!r)
		o->tracks[o->tracks_count++] = t;
	return r;
}

struct look {
	struct follow_output *o;
	struct torap_kv_txn *txn;
	size_t place;
};

static int on_head(void *hint, const struct torap_journal_head *head)
{
	struct look *look = hint;
	struct follow_output *o = look->o;
	if (head->last_batch == 0)
		return 0;
	/* Streams are numbered as they come, so the journal's order is that of the list, save for what is new. */
	while (look->place < o->tracks_count && o->tracks[look->place].number < head->number)
		look->place++;
	if (look->place == o->tracks_count) {
		int r = load_track(o, look->txn, head);
		if (r)
			return r < 0 ? r : -EIO;
	}
	struct track *t = &o->tracks[look->place];
	if (t->number != head->number)
		return 0; /* It began after a later one; comes with the next start. */
	t->last_batch = head->last_batch;
	t->next = t->at;
	return 0;
}

struct rendering {
	struct follow_output *o;
	struct track *track;
	uint64_t batch_no;
};

static int on_event(void *hint, const struct torap_opened *event)
{
	struct rendering *r = hint;
	struct follow_output *o = r->o;
	if (event->seq < r->track->next.next_seq || !event->open)
		return 0;
	o->options.render(o->options.hint, &r->track->stream, event, &o->chunk);
	r->track->next.next_seq = event->seq + 1;
	o->chunk_events++;
	return o->options.count_max && o->events + o->chunk_events >= o->options.count_max;
}

/* Merges.
 *
 * A batch was rendered in an earlier round, from what was there then.  Whatever merge has come since, and only that, brought events that
 * could not be shown: those whose open frame came with it.  A batch that this round or a later one renders has them in its place. */

static int on_mended_event(void *hint, const struct torap_opened *event)
{
	struct rendering *r = hint;
	struct follow_output *o = r->o;
	const struct follow_printed *at = &r->track->at;
	if (!event->open || (r->batch_no == at->next_batch && event->seq >= at->next_seq))
		return 0;
	o->options.render(o->options.hint, &r->track->stream, event, &o->chunk);
	o->chunk_events++;
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

static struct track *track_of(struct follow_output *o, const struct follow_mended *m)
{
	for (size_t i = 0; i < o->tracks_count; i++)
		if (o->tracks[i].number == m->stream_number)
			return &o->tracks[i];
	return NULL;
}

static int render_merge(struct follow_output *o, struct torap_kv_txn *txn, uint64_t number)
{
	struct follow_mended m;
	struct torap_batch *batch;
	int r = follow_mended_get(txn, number, &m);
	if (r)
		return torap_errorf(&o->why, -EBADMSG, "what came later cannot be read: run torap verify");
	struct track *t = track_of(o, &m);
	if (!t || m.batch_no > t->at.next_batch)
		return 0;
	r = torap_journal_read(txn, t->number, m.batch_no, NULL, NULL, &batch, NULL, &o->why);
	if (r)
		return r < 0 ? r : torap_errorf(&o->why, -EBADMSG, "a batch is gone: run torap verify");
	struct rendering rendering = { o, t, m.batch_no };
	keep_what_came(batch, &m);
	r = torap_batch_open(batch, on_mended_event, &rendering, &o->why);
	torap_batch_destroy(batch);
	return r == -EBADMSG ? 0 : r; /* Its writer's fault; said when it came. */
}

/* All that came up to this round's snapshot, before anything else is rendered from it: what is rendered then has it already.  0: all;
 * positive: the chunk is full, or the count is reached (a batch that came later is never cut, so by some events too many). */
static int render_merges(struct follow_output *o, struct torap_kv_txn *txn)
{
	uint64_t last;
	int r = o->mended_loaded ? 0 : follow_mended_seen(txn, o->name, &o->mended_at);
	if (!r)
		r = follow_mended_last(txn, &last);
	if (r)
		return torap_errorf(&o->why, r < 0 ? r : -EIO, "what came later cannot be read");
	if (!o->mended_loaded)
		o->mended_kept = o->mended_at;
	o->mended_loaded = true;
	for (o->mended_next = o->mended_at; o->mended_next < last;) {
		r = render_merge(o, txn, o->mended_next + 1);
		if (r)
			return r;
		o->mended_next++;
		if (o->chunk.size >= CHUNK_SIZE ||
			(o->options.count_max && o->events + o->chunk_events >= o->options.count_max))
			return 1;
	}
	return 0;
}

static int render_batch(struct follow_output *o, struct torap_kv_txn *txn, struct track *t)
{
	struct torap_batch *batch;
	struct torap_wall received_at;
	int r = torap_journal_read(
		txn, t->number, t->next.next_batch, NULL, NULL, &batch, &received_at, &o->why);
	if (r == TORAP_KV_MISSING)
		return torap_errorf(
			&o->why, -EBADMSG, "a batch is gone from the directory: run torap verify");
	if (r)
		return r;
	struct rendering rendering = { o, t, t->next.next_batch };
	r = torap_batch_open(batch, on_event, &rendering, &o->why);
	if (r == -EBADMSG) {
		/* Signed, and no events all the same: its writer's fault.  It stays stored for proof; what follows must still come out. */
		char text[TORAP_STREAM_TEXT_SIZE];
		torap_fail("BATCH-UNREADABLE", "%s batch %" PRIu64 ": %s; its events are not shown",
			torap_stream_id_format(&t->stream, text), t->next.next_batch, o->why.text);
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
static int render_lane(struct follow_output *o, struct torap_kv_txn *txn, uint8_t lane)
{
	bool more = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < o->tracks_count; i++) {
			struct track *t = &o->tracks[i];
			if (t->stream.lane != lane || t->next.next_batch > t->last_batch)
				continue;
			int r = render_batch(o, txn, t);
			if (r)
				return r;
			if (o->chunk.size >= CHUNK_SIZE)
				return 1;
			more = true;
		}
	}
	return 0;
}

static int render_all(struct follow_output *o)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, o->kv, false);
	struct look look = { o, &txn, 0 };
	int r = torap_journal_heads(&txn, on_head, &look);
	if (r)
		r = torap_errorf(&o->why, r < 0 ? r : -EIO, "the positions of the output cannot be read");
	if (r == 0)
		r = render_merges(o, &txn);
	for (uint8_t lane = TORAP__LANE__LANE_CRITICAL; r == 0 && lane <= TORAP__LANE__LANE_BULK; lane++)
		r = render_lane(o, &txn, lane);
	torap_kv_abort(&txn);
	if (r == 0 && o->chunk.failed)
		r = torap_errorf(&o->why, -ENOMEM, "out of memory");
	return r;
}

/* Small writes after poll() never block, so a reader that is stuck cannot hold up the stop; one that reads gets whole lines, and
 * none of them again. */
static int write_descriptor(struct follow_output *o)
{
	const uint8_t *at = o->chunk.data, *end = at + o->chunk.size;
	int idle = 0;
	while (at < end) {
		struct pollfd p = { .fd = o->options.descriptor, .events = POLLOUT };
		int n = poll(&p, 1, POLL_MS);
		if (n == 0 && atomic_load(&o->stopping) && ++idle >= IDLE_POLLS_MAX)
			return -ECANCELED;
		if (n == 0 || (n < 0 && errno == EINTR))
			continue;
		idle = 0;
		size_t most = (size_t)(end - at) < 4096 ? (size_t)(end - at) : 4096;
		ssize_t written = write(o->options.descriptor, at, most);
		if (written < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (written < 0)
			return torap_errorf(&o->why, -errno, "the output is closed: %s", strerror(errno));
		at += written;
	}
	return 0;
}

static void on_work(uv_work_t *work)
{
	struct follow_output *o = work->data;
	int r = render_all(o);
	o->chunk_full = r > 0;
	if (r >= 0 && !o->is_file)
		r = write_descriptor(o);
	o->failure = r < 0 ? r : 0;
}

/* The commit: on the committer's thread. */

static int put_positions(struct follow_output *o, struct torap_kv_txn *txn)
{
	for (size_t i = 0; i < o->tracks_count; i++) {
		const struct track *t = &o->tracks[i];
		int r = t->dirty ? follow_printed_put(txn, o->name, &t->stream, t->next) : 0;
		if (r)
			return r;
	}
	return o->mended_next == o->mended_kept ? 0 : follow_mended_put_seen(txn, o->name, o->mended_next);
}

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct follow_output *o = (struct follow_output *)((char *)job - offsetof(struct follow_output, job));
	if (o->is_file && o->chunk.size) {
		/* At its place, so that doing it twice is doing it once. */
		int r = follow_output_file_write(
			o->fd, o->length, torap_bytes(o->chunk.data, o->chunk.size), &o->why);
		if (r)
			return OUTPUT_FAILED;
		r = follow_printed_put_length(txn, o->name, o->length + o->chunk.size);
		if (r)
			return r;
	}
	return put_positions(o, txn);
}

static void end(struct follow_output *o, const char *why)
{
	if (o->ended)
		return;
	o->ended = true;
	o->options.on_end(o->options.hint, why);
}

static void take_chunk(struct follow_output *o)
{
	for (size_t i = 0; i < o->tracks_count; i++)
		o->tracks[i].at = o->tracks[i].next;
	o->mended_at = o->mended_next;
	o->length += o->chunk.size;
	o->events += o->chunk_events;
	torap_writer_finish(&o->chunk);
	o->chunk_events = 0;
}

static void clean(struct follow_output *o)
{
	for (size_t i = 0; i < o->tracks_count; i++)
		o->tracks[i].dirty = false;
	o->mended_kept = o->mended_at;
	o->dirty = false;
}

static void on_done(struct torap_commit_job *job, int result)
{
	struct follow_output *o = (struct follow_output *)((char *)job - offsetof(struct follow_output, job));
	o->committing = false;
	if (result == OUTPUT_FAILED) {
		end(o, o->why.text);
	} else if (result) {
		follow_store_full(o->kv, &o->why);
		end(o, o->why.text);
	} else {
		if (o->is_file)
			take_chunk(o);
		clean(o);
		if (o->options.count_max && o->events >= o->options.count_max)
			end(o, NULL);
	}
	go_on(o);
}

static void commit(struct follow_output *o)
{
	o->committing = true;
	o->job = (struct torap_commit_job){ .apply = apply, .done = on_done };
	torap_committer_submit(o->committer, &o->job);
}

/* The loop. */

static bool any_moved(const struct follow_output *o)
{
	for (size_t i = 0; i < o->tracks_count; i++)
		if (o->tracks[i].dirty)
			return true;
	return o->mended_next != o->mended_kept;
}

static void on_worked(uv_work_t *work, int status)
{
	struct follow_output *o = work->data;
	(void)status;
	o->working = false;
	o->again |= o->chunk_full;
	if (o->failure) {
		torap_writer_finish(&o->chunk);
		/* What was not written is not remembered as written. */
		for (size_t i = 0; i < o->tracks_count; i++)
			o->tracks[i].next = o->tracks[i].at;
		o->mended_next = o->mended_at;
		if (o->failure != -ECANCELED)
			end(o, o->why.text);
	} else if (o->is_file && o->chunk.size) {
		commit(o);
		return;
	} else {
		/* Written already, or batches that hold no line: the positions can wait. */
		o->dirty |= any_moved(o);
		take_chunk(o);
		if (o->options.count_max && o->events >= o->options.count_max)
			end(o, NULL);
	}
	go_on(o);
}

static void on_timer_closed(uv_handle_t *timer)
{
	struct follow_output *o = timer->data;
	void (*on_closed)(void *hint) = o->on_closed;
	void *hint = o->on_closed_hint;
	if (o->is_file)
		close(o->fd);
	torap_writer_finish(&o->chunk);
	free(o->tracks);
	free(o);
	if (on_closed)
		on_closed(hint);
}

/* One thing at a time: a worker's round, a commit, or nothing. */
static void go_on(struct follow_output *o)
{
	if (o->working || o->committing)
		return;
	if (o->closing) {
		if (o->dirty) {
			o->dirty = false;
			commit(o);
			return;
		}
		if (!uv_is_closing((uv_handle_t *)&o->timer))
			uv_close((uv_handle_t *)&o->timer, on_timer_closed);
		return;
	}
	if (!o->again || o->ended)
		return;
	o->again = false;
	o->working = true;
	o->chunk_full = false;
	int r = uv_queue_work(o->timer.loop, &o->work, on_work, on_worked);
	assert(r == 0); /* fails for a NULL callback only */
}

void follow_output_wake(struct follow_output *o)
{
	o->again = true;
	go_on(o);
}

static void on_timer(uv_timer_t *timer)
{
	struct follow_output *o = timer->data;
	if (o->dirty && !o->working && !o->committing && !o->ended)
		commit(o);
}

int follow_output_open(struct follow_output **out, uv_loop_t *loop, struct torap_kv *kv,
	struct torap_committer *committer, const struct follow_output_options *options,
	struct torap_error *err)
{
	struct follow_output *o = calloc(1, sizeof *o);
	if (!o)
		return torap_errorf(err, -ENOMEM, "out of memory");
	o->kv = kv;
	o->committer = committer;
	o->options = *options;
	o->is_file = options->file != NULL;
	o->fd = -1;
	snprintf(o->name, sizeof o->name, "descriptor");
	if (o->is_file) {
		int r = follow_output_file_open(&o->fd, o->name, &o->length, kv, options->file, err);
		if (r) {
			free(o);
			return r;
		}
	}
	o->work.data = o;
	uv_timer_init(loop, &o->timer);
	o->timer.data = o;
	uv_timer_start(&o->timer, on_timer, COMMIT_MS, COMMIT_MS);
	*out = o;
	follow_output_wake(o);
	return 0;
}

void follow_output_close(struct follow_output *o, void (*on_closed)(void *hint), void *hint)
{
	if (!o) {
		if (on_closed)
			on_closed(hint);
		return;
	}
	o->closing = true;
	atomic_store(&o->stopping, true);
	o->on_closed = on_closed;
	o->on_closed_hint = hint;
	go_on(o);
}

uint64_t follow_output_events(const struct follow_output *o)
{
	return o->events;
}
