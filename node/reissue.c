#include "node/reissue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "node/batcher.h"
#include "node/faults.h"
#include "node/reissue_rows.h"
#include "node/replay.h"
#include "wire/open.h"

enum {
	WANTS_MAX = 16,
	SAY_TICKS = 100, /* so long a piece waits for the events about what of it cannot be read */
};

struct node_reissue {
	struct node_reissue_options options;
	struct node_replay replay;
	bool look, active, stopped;
	struct node_stretch at; /* what is told again now */
	struct {
		struct torap_stream_id stream;
		uint64_t from;
	} wants[WANTS_MAX]; /* that the disk does not know of yet */
	size_t wants_count;
	bool wanting; /* rows of one are on their way */
	struct {
		struct node_event *first, *last;
	} waiting;      /* of this piece, not yet taken by the batcher */
	uint64_t next;  /* where the next piece begins */
	size_t pending; /* of this piece, with the batcher */
	bool failed;    /* some of this piece was not kept: it is told again */
	int waited;     /* ticks, for the events about faults */
	bool read, noted;
	uint64_t count;
};

struct copy {
	struct node_entry entry;
	struct node_reissue *reissue;
};

bool node_reissue_want(struct node_reissue *r, const struct torap_stream_id *stream, uint64_t from)
{
	for (size_t i = 0; i < r->wants_count; i++) {
		if (!torap_stream_id_equal(&r->wants[i].stream, stream))
			continue;
		bool more = from < r->wants[i].from;
		if (more)
			r->wants[i].from = from;
		return more;
	}
	if (node_stretch_told(r->options.kv, stream) <= from || r->wants_count == WANTS_MAX)
		return false; /* Beyond so many at once: with the broker's next session. */
	r->wants[r->wants_count].stream = *stream;
	r->wants[r->wants_count++].from = from;
	return true;
}

static int on_event(void *hint, const struct torap_opened *e)
{
	struct node_reissue *r = hint;
	if (!e->open || torap_kind_is_canary(e->group->class.kind))
		return 0;
	struct node_event *event = node_event_copy(&e->group->class,
		e->group->has_subject ? e->group->subject : NULL, e->open, e->personal, e->image);
	if (!event)
		return -ENOMEM;
	if (r->waiting.last)
		r->waiting.last->next = event;
	else
		r->waiting.first = event;
	r->waiting.last = event;
	return 0;
}

static void drop_waiting(struct node_reissue *r)
{
	while (r->waiting.first) {
		struct node_event *e = r->waiting.first;
		r->waiting.first = e->next;
		node_event_destroy(e);
	}
	r->waiting.last = NULL;
}

static void tell_of_fault(struct node_reissue *r, enum node_fault what, uint64_t batch_no)
{
	if (r->options.faults)
		node_faults_add(r->options.faults, what, &r->at.stream, batch_no);
}

static void tell_what_is_lost(struct node_reissue *r)
{
	const struct node_replay *replay = &r->replay;
	char text[TORAP_STREAM_TEXT_SIZE];
	if (replay->unreadable_count == 0)
		return;
	torap_fail("BATCH-LOST",
		"%s: of batches %" PRIu64 " to %" PRIu64
		" %zu cannot be read and are not told again, %" PRIu64
		" events; who has not got them never gets them from here: %s",
		torap_stream_id_format(&r->at.stream, text), replay->unreadable[0],
		replay->unreadable[replay->unreadable_count - 1], replay->unreadable_count,
		replay->unreadable_events, replay->err.text);
	for (size_t i = 0; i < replay->unreadable_count; i++)
		tell_of_fault(r, NODE_FAULT_UNREADABLE, replay->unreadable[i]);
}

static int take_batch(struct node_reissue *r, const struct torap_batch *batch)
{
	struct torap_error err;
	char text[TORAP_STREAM_TEXT_SIZE];
	uint64_t batch_no = batch->manifest->batch_no;
	for (unsigned i = 0; i < batch->manifest->frames_count; i++)
		if (!batch->frames[i] && batch->omissions[i] == TORAP__OMISSION_REASON__OMISSION_DAMAGED)
			tell_of_fault(r, NODE_FAULT_DAMAGED, batch_no);
	int failure = torap_batch_open(batch, on_event, r, &err);
	if (!failure || failure == -ENOMEM)
		return failure;
	torap_fail("BATCH-LOST", "%s batch %" PRIu64 " is told again only in part: %s",
		torap_stream_id_format(&r->at.stream, text), batch_no, err.text);
	tell_of_fault(r, NODE_FAULT_DAMAGED, batch_no);
	return 0;
}

static void on_read(struct node_replay *replay)
{
	struct node_reissue *r = replay->hint;
	int failure = replay->failed ? -EIO : 0;
	for (const struct node_sealed *s = replay->batches; s && !failure; s = s->next)
		failure = take_batch(r, s->batch);
	node_sealed_unref_list(replay->batches);
	replay->batches = NULL;
	r->next = replay->next;
	r->read = !failure && r->next > r->at.from;
	if (r->read) {
		tell_what_is_lost(r);
	} else {
		/* Tried again with the next start: the row stays. */
		torap_fail("REISSUE-FAILED", "lane %s: batches from %llu on cannot be read: %s",
			torap_lane_name(r->options.lane), (unsigned long long)r->at.from,
			replay->failed ? replay->err.text : "out of memory");
		drop_waiting(r);
		r->active = false;
	}
}

static void on_copied(struct node_entry *entry, enum node_entry_result result)
{
	struct copy *c = (struct copy *)entry;
	struct node_reissue *r = c->reissue;
	r->pending--;
	r->failed = r->failed || result == NODE_ENTRY_FULL;
	r->count += result == NODE_ENTRY_DURABLE;
	free(c);
}

static void give_waiting(struct node_reissue *r)
{
	while (r->waiting.first) {
		struct copy *c = calloc(1, sizeof *c);
		if (!c)
			return;
		struct node_event *e = r->waiting.first, *next = e->next;
		c->entry.done = on_copied;
		c->entry.event = e;
		c->reissue = r;
		if (node_batcher_add(r->options.batcher, &c->entry)) {
			free(c);
			return; /* Busy: with the next tick. */
		}
		r->pending++;
		r->waiting.first = next;
	}
	r->waiting.last = NULL;
}

static void on_noted(struct node_entry *entry, enum node_entry_result result)
{
	struct copy *c = (struct copy *)entry;
	struct node_reissue *r = c->reissue;
	free(c);
	r->noted = false;
	if (result != NODE_ENTRY_DURABLE)
		return; /* The disk is full: with the next tick. */
	r->active = false;
	r->look = true; /* For the rest of this stream, and for others. */
	if (r->next > r->at.to)
		torap_notice("REISSUED", "lane %s: what an older stream held is told again: %llu events",
			torap_lane_name(r->options.lane), (unsigned long long)r->count);
}

/* A piece is durable: the row moves on, or goes. */
static void note(struct node_reissue *r)
{
	struct node_stretch rest = r->at;
	struct copy *c = calloc(1, sizeof *c);
	if (!c)
		return;
	c->entry.done = on_noted;
	c->reissue = r;
	rest.from = r->next;
	node_stretch_move(&rest, &c->entry.writes);
	if (node_batcher_add(r->options.batcher, &c->entry)) {
		torap_writer_finish(&c->entry.writes);
		free(c);
		return;
	}
	r->noted = true;
}

static void begin_piece(struct node_reissue *r)
{
	r->look = false;
	if (!node_stretch_find(&r->at, r->options.kv, r->options.writer, r->options.lane))
		return;
	r->active = true;
	r->read = r->failed = false;
	r->waited = 0;
	r->replay.claims = NULL;
	r->replay.stream = r->at.stream;
	r->replay.from = r->at.from;
	r->replay.to = r->at.to;
	node_replay_ask(&r->replay);
}

static void on_wanted(struct node_entry *entry, enum node_entry_result result)
{
	struct copy *c = (struct copy *)entry;
	c->reissue->wanting = false;
	c->reissue->look = c->reissue->look || result == NODE_ENTRY_DURABLE;
	free(c);
}

/* The rows for a stream that does not go on any more. */
static void write_want(struct node_reissue *r, const struct node_stream *stream, uint64_t from, uint64_t told)
{
	struct copy *c = calloc(1, sizeof *c);
	if (!c)
		return;
	c->entry.done = on_wanted;
	c->reissue = r;
	node_stretch_begin(
		&stream->id, from, told == UINT64_MAX ? stream->sealed.batch_no : told - 1, &c->entry.writes);
	if (node_batcher_add(r->options.batcher, &c->entry)) {
		torap_writer_finish(&c->entry.writes);
		free(c);
		return;
	}
	r->wanting = true;
}

/* A want stays until the disk knows of it, whatever happens meanwhile. */
static void settle_want(struct node_reissue *r, size_t i)
{
	size_t count;
	const struct node_stream *streams = node_batcher_streams(r->options.batcher, r->options.lane, &count);
	const struct node_stream *stream = streams;
	uint64_t from = r->wants[i].from, told = node_stretch_told(r->options.kv, &r->wants[i].stream);
	while (stream < streams + count && !torap_stream_id_equal(&stream->id, &r->wants[i].stream))
		stream++;
	bool is_current = stream == streams + count - 1;
	bool is_done =
		stream == streams + count || told <= from || (!is_current && from > stream->sealed.batch_no);
	if (is_done)
		r->wants[i] = r->wants[--r->wants_count];
	else if (is_current)
		node_batcher_new_incarnation(r->options.batcher, r->options.lane, from);
	else
		write_want(r, stream, from, told);
}

void node_reissue_tick(struct node_reissue *r)
{
	if (r->stopped)
		return;
	for (size_t i = r->wants_count; i > 0 && !r->wanting; i--)
		settle_want(r, i - 1);
	if (!r->active) {
		if (r->look)
			begin_piece(r);
		return;
	}
	if (!r->read || r->noted)
		return;
	give_waiting(r);
	if (r->waiting.first || r->pending)
		return;
	/* A crash must not forget them; but when there is no room for them, alarms do not wait for that. */
	if (r->options.faults && !node_faults_idle(r->options.faults) && r->waited++ < SAY_TICKS)
		return;
	if (r->failed) {
		r->active = false;
		r->look = true; /* The disk was full: the whole piece again. */
		return;
	}
	note(r);
}

void node_reissue_look(struct node_reissue *r)
{
	r->look = true;
}

void node_reissue_stop(struct node_reissue *r)
{
	r->stopped = true;
}

uint64_t node_reissue_count(const struct node_reissue *r)
{
	return r->count;
}

int node_reissue_create(
	struct node_reissue **out, const struct node_reissue_options *options, struct torap_error *err)
{
	struct node_reissue *r = calloc(1, sizeof *r);
	if (!r)
		return torap_errorf(err, -ENOMEM, "reissue: out of memory");
	r->options = *options;
	r->replay.loop = options->loop;
	r->replay.kv = options->kv;
	r->replay.done = on_read;
	r->replay.hint = r;
	r->replay.trust = options->trust;
	r->replay.skip_unreadable = true;
	r->look = true;
	*out = r;
	return 0;
}

struct node_reissue *node_reissue_destroy(struct node_reissue *r)
{
	if (r) {
		drop_waiting(r);
		free(r);
	}
	return NULL;
}
