#include "node/reissue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "node/batcher.h"
#include "node/replay.h"
#include "node/writes.h"
#include "store/kv.h"
#include "wire/open.h"

enum { KEY_SIZE = 48 };

struct node_reissue {
	struct node_reissue_options options;
	struct node_replay replay;
	bool look, active, stopped;
	struct torap_stream_id stream; /* the old one */
	uint64_t from, to;
	struct {
		struct node_event *first, *last;
	} waiting;      /* of this piece, not yet taken by the batcher */
	uint64_t next;  /* where the next piece begins */
	size_t pending; /* of this piece, with the batcher */
	bool failed;    /* some of this piece was not kept: it is told again */
	bool read, noted;
	uint64_t count;
};

struct copy {
	struct node_entry entry;
	struct node_reissue *reissue;
};

static struct torap_bytes prefix_of(char text[static KEY_SIZE], uint32_t lane)
{
	int size = snprintf(text, KEY_SIZE, "reissue/%s/", torap_lane_name(lane));
	return torap_bytes(text, (size_t)size);
}

static struct torap_bytes key_of(char text[static KEY_SIZE], const struct torap_stream_id *old)
{
	int size = snprintf(
		text, KEY_SIZE, "reissue/%s/%016" PRIx64, torap_lane_name(old->lane), old->incarnation);
	return torap_bytes(text, (size_t)size);
}

void node_reissue_write(
	const struct torap_stream_id *old, uint64_t from, uint64_t to, struct torap_writer *writes)
{
	char key[KEY_SIZE];
	struct torap_writer value = { 0 };
	torap_write_u64(&value, old->incarnation);
	torap_write_u64(&value, from);
	torap_write_u64(&value, to);
	node_writes_put(writes, NODE_TABLE_STATE, key_of(key, old), torap_bytes(value.data, value.size));
	writes->failed = writes->failed || value.failed;
	torap_writer_finish(&value);
}

/* Reads a row; one stream comes after the other.  False: there is nothing to do. */
static bool find_work(struct node_reissue *r)
{
	char key[KEY_SIZE];
	struct torap_kv_txn txn;
	struct torap_bytes found_key, value = { 0 };
	torap_kv_begin(&txn, r->options.kv, false);
	bool found = torap_kv_last(&txn, NODE_TABLE_STATE, prefix_of(key, r->options.lane), &found_key,
			     &value) == 0;
	if (found) {
		struct torap_reader reader = torap_reader(value);
		uint64_t incarnation = torap_read_u64(&reader);
		r->from = torap_read_u64(&reader);
		r->to = torap_read_u64(&reader);
		found = torap_read_end(&reader) &&
			torap_stream_id_make(&r->stream, r->options.writer, r->options.lane, incarnation);
	}
	torap_kv_abort(&txn);
	return found;
}

static int on_event(void *hint, const struct torap_opened *e)
{
	struct node_reissue *r = hint;
	if (!e->open || torap_kind_is_canary(e->group->class.kind))
		return 0;
	struct node_event *event = node_event_copy(
		&e->group->class, e->group->has_subject ? e->group->subject : NULL, e->open, e->personal);
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

static void on_read(struct node_replay *replay)
{
	struct node_reissue *r = replay->hint;
	struct torap_error err;
	int failure = replay->failed ? -EIO : 0;
	r->next = r->from;
	for (const struct node_sealed *s = replay->batches; s && !failure; s = s->next) {
		failure = torap_batch_open(s->batch, on_event, r, &err);
		r->next = s->mark.batch_no + 1;
	}
	node_sealed_unref_list(replay->batches);
	replay->batches = NULL;
	r->read = !failure && r->next > r->from;
	if (!r->read) {
		/* Tried again with the next start: the row stays. */
		torap_fail("REISSUE-FAILED", "lane %s: batches from %llu on cannot be read: %s",
			torap_lane_name(r->options.lane), (unsigned long long)r->from,
			replay->failed ? replay->err.text : err.text);
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

static void give_waiting(struct node_reissue *r, struct node_now now)
{
	while (r->waiting.first) {
		struct copy *c = calloc(1, sizeof *c);
		if (!c)
			return;
		struct node_event *e = r->waiting.first, *next = e->next;
		c->entry.done = on_copied;
		c->entry.event = e;
		c->reissue = r;
		if (node_batcher_add(r->options.batcher, &c->entry, now)) {
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
	if (r->next > r->to)
		torap_notice("REISSUED", "lane %s: what the forked stream held is told again: %llu events",
			torap_lane_name(r->options.lane), (unsigned long long)r->count);
}

/* A piece is durable: the row moves on, or goes. */
static void note(struct node_reissue *r, struct node_now now)
{
	char key[KEY_SIZE];
	struct copy *c = calloc(1, sizeof *c);
	if (!c)
		return;
	c->entry.done = on_noted;
	c->reissue = r;
	if (r->next > r->to)
		node_writes_delete(&c->entry.writes, NODE_TABLE_STATE, key_of(key, &r->stream));
	else
		node_reissue_write(&r->stream, r->next, r->to, &c->entry.writes);
	if (node_batcher_add(r->options.batcher, &c->entry, now)) {
		torap_writer_finish(&c->entry.writes);
		free(c);
		return;
	}
	r->noted = true;
}

static void begin_piece(struct node_reissue *r)
{
	r->look = false;
	if (!find_work(r))
		return;
	r->active = true;
	r->read = r->failed = false;
	r->replay.claims = NULL;
	r->replay.stream = r->stream;
	r->replay.from = r->from;
	r->replay.to = r->to;
	node_replay_ask(&r->replay);
}

void node_reissue_tick(struct node_reissue *r, struct node_now now)
{
	if (r->stopped)
		return;
	if (!r->active) {
		if (r->look)
			begin_piece(r);
		return;
	}
	if (!r->read || r->noted)
		return;
	give_waiting(r, now);
	if (r->waiting.first || r->pending)
		return;
	if (r->failed) {
		r->active = false;
		r->look = true; /* The disk was full: the whole piece again. */
		return;
	}
	note(r, now);
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
