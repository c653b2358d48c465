#include "node/lane_round.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "node/lane.h"
#include "node/lane_load.h"
#include "node/reissue_rows.h"
#include "node/writes.h"
#include "store/journal.h"
#include "store/kv.h"
#include "store/kv_key.h"

void node_lane_round_open(struct node_lane *l, const struct node_stream *s)
{
	struct torap_error err;
	struct torap_sealer *before = l->sealer;
	if (torap_sealer_create(
		    &l->sealer, &s->id, s->sealed.batch_no, s->sealed.next_seq, s->digest, &l->key, &err))
		node_lane_die(l, err.text);
	torap_sealer_canary(l->sealer, l->options->canary_us);
	if (before || s->sealed.batch_no)
		torap_sealer_dated(l->sealer, s->sealed.sealed_at, before);
	torap_sealer_destroy(before);
	/* They were in one batch before, so they fit into one again; perhaps not below the limit of today. */
	for (struct node_event *e = l->unsealed.first; e; e = e->next)
		if (torap_sealer_add_packed(l->sealer, &e->event, &e->seq))
			node_lane_die(l, "events that were numbered already do not fit any more");
}

static struct torap_kv_key unsealed_key(uint32_t lane, uint64_t seq)
{
	struct torap_kv_key key = { 0 };
	torap_kv_key_u8(&key, (uint8_t)lane);
	torap_kv_key_u64(&key, seq);
	return key;
}

static void delete_unsealed_rows(struct node_lane *l)
{
	for (const struct node_event *e = l->unsealed.first; e; e = e->next) {
		struct torap_kv_key key = unsealed_key(l->lane, e->seq);
		node_writes_delete(&l->job.writes, NODE_TABLE_UNSEALED, torap_kv_key_bytes(&key));
	}
}

void node_lane_round_begin_stream(struct node_lane *l)
{
	struct node_lane_job *job = &l->job;
	const struct node_stream *old = node_lane_stream(l);
	node_stretch_begin(&old->id, l->reissue_from, old->sealed.batch_no, &job->writes);
	struct torap_stream_id id = old->id;
	id.incarnation = node_lane_random();
	node_stream_init(&job->stream, &id);
	job->begins_stream = true;
	node_lane_write_incarnation(&id, &job->writes);
	delete_unsealed_rows(l);
	node_lane_round_open(l, &job->stream);
}

static const struct node_stream *stream_of(const struct node_lane *l)
{
	return l->job.begins_stream ? &l->job.stream : node_lane_stream(l);
}

/* Closes the open batch into the job.  The first to be closed holds all that was unsealed, so their rows go. */
static void seal(struct node_lane *l)
{
	struct node_lane_job *job = &l->job;
	struct torap_batch *batch = NULL;
	struct torap_error err;
	if (torap_sealer_seal(l->sealer, job->received_at, &batch, &err))
		node_lane_die(l, err.text);
	const struct node_stream *stream = stream_of(l);
	struct node_sealed *s = node_sealed_create(&batch, job->last ? &job->last->mark : &stream->sealed);
	if (!s)
		node_lane_die(l, "out of memory");
	if (job->last)
		job->last->next = s;
	else
		job->first = s;
	if (!job->last && !job->begins_stream)
		delete_unsealed_rows(l);
	job->last = s;
	node_mark_write(&s->mark, &stream->id, &job->writes);
}

/* Numbers the entry's event.  Returns false when it can never be sealed. */
static bool number(struct node_lane *l, struct node_entry *entry)
{
	struct node_event *e = entry->event;
	int r = torap_sealer_add_packed(l->sealer, &e->event, &e->seq);
	if (r == TORAP_SEAL_FULL) {
		/* An event that finds even the empty batch full is too big. */
		if (torap_sealer_count(l->sealer) == 0)
			return false;
		seal(l);
		r = torap_sealer_add_packed(l->sealer, &e->event, &e->seq);
	}
	if (r < 0)
		node_lane_die(l, r == -ENOMEM ? "out of memory" : "an event of another lane");
	return r == 0;
}

static void number_all(struct node_lane *l)
{
	struct node_lane_job *job = &l->job;
	struct node_entries taken = job->entries;
	job->entries = (struct node_entries){ 0 };
	struct node_entry *e;
	while ((e = node_entries_pop(&taken))) {
		job->has_writes |= e->writes.size > 0;
		job->has_places |= e->place_at > 0;
		node_entries_push(!e->event || number(l, e) ? &job->entries : &job->too_big, e);
	}
}

static void write_unsealed_rows(struct node_lane *l)
{
	struct torap_writer row = { 0 };
	for (const struct node_entry *entry = l->job.entries.first; entry; entry = entry->next) {
		const struct node_event *e = entry->event;
		if (!e || e->seq < l->job.open_from)
			continue;
		struct torap_kv_key key = unsealed_key(l->lane, e->seq);
		row.size = 0;
		node_event_write(e, &row);
		node_writes_put(&l->job.writes, NODE_TABLE_UNSEALED, torap_kv_key_bytes(&key),
			torap_bytes(row.data, row.size));
	}
	if (row.failed)
		node_lane_die(l, "out of memory");
	torap_writer_finish(&row);
}

/* Rows that tell where their event stands. */
static void fill_in_places(struct node_lane *l)
{
	for (struct node_entry *e = l->job.entries.first; e; e = e->next) {
		if (!e->place_at)
			continue;
		struct torap_kv_key place = { .size = 0 };
		torap_kv_key_u8(&place, (uint8_t)l->lane);
		torap_kv_key_u64(&place, stream_of(l)->id.incarnation);
		torap_kv_key_u64(&place, e->event->seq);
		assert(place.size == NODE_ENTRY_PLACE_SIZE && e->place_at + place.size <= e->writes.size);
		memcpy(e->writes.data + e->place_at, place.data, place.size);
	}
}

static void make(struct node_lane *l)
{
	struct node_lane_job *job = &l->job;
	number_all(l);
	if (job->has_places)
		fill_in_places(l);
	if (job->seal_all && torap_sealer_count(l->sealer))
		seal(l);
	job->open_from = torap_sealer_next_seq(l->sealer) - torap_sealer_count(l->sealer);
	if (torap_sealer_count(l->sealer))
		write_unsealed_rows(l);
	if (job->writes.failed)
		node_lane_die(l, "out of memory");
	job->made = true;
}

int node_lane_round_apply(struct torap_commit_job *commit, struct torap_kv_txn *txn)
{
	struct node_lane_job *job = (struct node_lane_job *)commit;
	if (!job->made) /* It is, when a transaction was full and the job comes again. */
		make(node_lane_of(job));
	if (job->limit_percent)
		torap_kv_limit(txn, job->limit_percent);
	if (job->frees)
		torap_kv_frees(txn);
	for (const struct node_sealed *s = job->first; s; s = s->next) {
		int r = torap_journal_append(txn, s->batch, job->received_at);
		if (r == TORAP_KV_FULL || r < 0)
			return r;
		assert(r == 0); /* The sealer goes on where the journal ends. */
	}
	int r = node_writes_apply(&job->writes, txn);
	for (const struct node_entry *e = job->entries.first; job->has_writes && e && !r; e = e->next)
		r = node_writes_apply(&e->writes, txn);
	return r;
}
