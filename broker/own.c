#include "broker/own.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/commit.h"
#include "broker/links.h"
#include "broker/streams.h"
#include "loop/app.h"
#include "store/sweeper.h"
#include "wire/seal.h"

enum {
	HEAD_EVERY_MS = 2000,
	RIGHTS_EVERY_MS = 1000,
	FIELDS_MAX = 8,
};

struct lane {
	struct broker_own *own;
	struct broker_stream *stream;
	struct torap_sealer *sealer;
	struct torap_batch *unflushed; /* sealed, and the store had no room */
	bool in_flight;                /* one is with the committer */
	bool head_due;
	uint64_t canaries;
};

struct broker_own {
	struct broker *broker;
	struct lane lanes[TORAP_LANES]; /* 0 is unused */
	struct torap_mono canary_due, head_due;
	struct broker_links *links, *upstreams; /* of writers; to upstreams */
	uint64_t lost;
};

static void on_done(struct broker_commit *c, enum broker_commit_result result);

static void submit(struct lane *l, struct torap_batch **take)
{
	struct broker *b = l->own->broker;
	if (broker_commit_submit(b->committer, l->stream, take, torap_app_wall(), NULL, on_done, l)) {
		l->unflushed = *take; /* Out of memory: the next tick tries again. */
		*take = NULL;
		return;
	}
	l->in_flight = true;
}

static void seal(struct lane *l)
{
	if (l->in_flight || l->unflushed || torap_sealer_count(l->sealer) == 0)
		return;
	struct torap_error err;
	struct torap_batch *batch = NULL;
	if (torap_sealer_seal(l->sealer, torap_app_wall(), &batch, &err)) {
		torap_fail(
			"OWN-FAILED", "the broker's own events cannot be sealed: %s; trying again", err.text);
		return;
	}
	submit(l, &batch);
}

static void on_done(struct broker_commit *c, enum broker_commit_result result)
{
	struct lane *l = c->hint;
	struct broker *b = l->own->broker;
	l->in_flight = false;
	if (result == BROKER_COMMIT_FLUSHED) {
		torap_position_advance(&l->stream->accepted, c->batch->manifest);
		broker_flushed(b, l->stream, &c->batch, c->received_at);
		return;
	}
	/* Its number is taken and its content signed: it can only be tried again as it is. */
	l->unflushed = c->batch;
	c->batch = NULL;
}

/* An event of the bus itself: no site, no device, this broker's region.  Its number; 0: there was no room for it. */
static uint64_t note(struct broker_own *o, uint32_t kind, uint32_t severity, Torap__State state, size_t count,
	const char *const (*fields)[2])
{
	struct torap_wall now = torap_app_wall();
	struct torap_app_clock clock = torap_app_clock();
	Torap__Field rows[FIELDS_MAX], *list[FIELDS_MAX];
	for (size_t i = 0; i < count; i++) {
		rows[i] = (Torap__Field)TORAP__FIELD__INIT;
		rows[i].name = (char *)fields[i][0];
		rows[i].value = (char *)fields[i][1];
		list[i] = &rows[i];
	}
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	open.state = state;
	open.received_at_us = open.occurred_at_us = now.us;
	open.clock_known = clock.known;
	open.clock_offset_ms = clock.offset_ms;
	open.detail = list;
	open.n_detail = count;
	struct torap_event event = {
		.class = { .region = o->broker->config->region,
			.facility = TORAP__FACILITY__FACILITY_NONE,
			.kind = (uint16_t)kind,
			.severity = (uint8_t)severity },
		.open = &open,
	};
	struct lane *l = &o->lanes[torap_class_lane(&event.class)];
	uint64_t seq;
	int r = torap_sealer_add(l->sealer, &event, &seq);
	if (r == TORAP_SEAL_FULL) {
		seal(l);
		r = torap_sealer_add(l->sealer, &event, &seq);
	}
	if (r) {
		/* Only a store that has been full for thousands of events brings us here. */
		if (o->lost++ % 1000 == 0)
			torap_fail("OWN-LOST", "no room for the broker's own events: %" PRIu64 " lost so far",
				o->lost);
		return 0;
	}
	return seq;
}

void broker_own_access(
	struct broker_own *o, const char *feed, const char *peer_key, uint32_t lane, bool opened)
{
	const char *fields[][2] = { { "feed", feed }, { "what", "session" }, { "peer", peer_key },
		{ "lane", torap_lane_name(lane) } };
	note(o, TORAP__KIND__KIND_ACCESS, torap_kind_severity(TORAP__KIND__KIND_ACCESS),
		opened ? TORAP__STATE__STATE_START : TORAP__STATE__STATE_END, 4, fields);
}

void broker_own_policy(struct broker_own *o, const char *file, const char *digest, const char *reason)
{
	const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	const char *fields[][2] = { { "file", name }, { "what", digest ? "loaded" : "refused" },
		{ digest ? "digest" : "reason", digest ? digest : reason } };
	note(o, TORAP__KIND__KIND_POLICY, torap_kind_severity(TORAP__KIND__KIND_POLICY),
		TORAP__STATE__STATE_PULSE, 3, fields);
}

static void note_rights(struct broker_own *o, struct broker_stream *stream, struct torap_mono now)
{
	char text[TORAP_STREAM_TEXT_SIZE], batch[24], count[16];
	snprintf(batch, sizeof batch, "%" PRIu64, stream->beyond_batch);
	snprintf(count, sizeof count, "%u", stream->beyond_groups);
	torap_stream_id_format(&stream->id, text);
	const char *fields[][2] = { { "writer", stream->id.writer }, { "stream", text }, { "batch", batch },
		{ "groups", count } };
	note(o, TORAP__KIND__KIND_RIGHTS_EXCEEDED, torap_kind_severity(TORAP__KIND__KIND_RIGHTS_EXCEEDED),
		TORAP__STATE__STATE_PULSE, 4, fields);
	stream->beyond_groups = 0;
	stream->beyond_told = now;
}

static bool is_rights_due(const struct broker_stream *stream, struct torap_mono now)
{
	return stream->beyond_told.us == 0 ||
	       torap_mono_reached(torap_mono_add_ms(stream->beyond_told, RIGHTS_EVERY_MS), now);
}

void broker_own_rights_exceeded(
	struct broker_own *o, struct broker_stream *stream, uint64_t batch_no, unsigned groups)
{
	struct torap_mono now = torap_app_mono();
	stream->beyond_groups += groups;
	stream->beyond_batch = batch_no;
	if (is_rights_due(stream, now))
		note_rights(o, stream, now);
}

static void rights_tick(struct broker_own *o, struct torap_mono now)
{
	struct broker_streams *streams = o->broker->streams;
	for (size_t i = 0; i < streams->count; i++)
		if (streams->all[i]->beyond_groups && is_rights_due(streams->all[i], now))
			note_rights(o, streams->all[i], now);
}

void broker_own_storage(struct broker_own *o, const char *what, const struct broker_stream *stream,
	uint64_t batch_no, unsigned batches)
{
	char text[TORAP_STREAM_TEXT_SIZE], batch[24], count[16];
	snprintf(batch, sizeof batch, "%" PRIu64, batch_no);
	snprintf(count, sizeof count, "%u", batches);
	torap_stream_id_format(&stream->id, text);
	const char *fields[][2] = { { "what", what }, { "stream", text }, { "batch", batch },
		{ "batches", count } };
	note(o, TORAP__KIND__KIND_STORAGE_FAULT, torap_kind_severity(TORAP__KIND__KIND_STORAGE_FAULT),
		TORAP__STATE__STATE_PULSE, 4, fields);
}

uint64_t broker_own_deletion(struct broker_own *o, const struct torap_sweep_account *account)
{
	const struct torap_sweep_tally *t = &account->tally;
	char numbers[3 + TORAP_LANES][24];
	const char *fields[FIELDS_MAX][2] = { { "reason", torap_sweep_reason_name(account->reason) },
		{ "batches", numbers[0] }, { "frames", numbers[1] }, { "bytes", numbers[2] } };
	size_t count = 4;
	snprintf(numbers[0], sizeof numbers[0], "%" PRIu64, t->batches);
	snprintf(numbers[1], sizeof numbers[1], "%" PRIu64, t->frames);
	snprintf(numbers[2], sizeof numbers[2], "%" PRIu64, t->bytes);
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		if (t->lanes[lane] == 0)
			continue;
		snprintf(numbers[3 + lane], sizeof numbers[0], "%" PRIu64, t->lanes[lane]);
		fields[count][0] = torap_lane_name(lane);
		fields[count++][1] = numbers[3 + lane];
	}
	return note(o, TORAP__KIND__KIND_DELETION, torap_kind_severity(TORAP__KIND__KIND_DELETION),
		TORAP__STATE__STATE_PULSE, count, fields);
}

bool broker_own_is_flushed(const struct broker_own *o, uint64_t seq)
{
	return o->lanes[TORAP__LANE__LANE_NORMAL].stream->flushed.next_seq > seq;
}

void broker_own_history(struct broker_own *o, const struct broker_stream *stream, uint64_t batch_no,
	const char *what, const char *from)
{
	char text[TORAP_STREAM_TEXT_SIZE], batch[24];
	snprintf(batch, sizeof batch, "%" PRIu64, batch_no);
	torap_stream_id_format(&stream->id, text);
	const char *fields[][2] = { { "stream", text }, { "batch", batch }, { "what", what },
		{ "from", from } };
	note(o, TORAP__KIND__KIND_HISTORY_CHANGED, torap_kind_severity(TORAP__KIND__KIND_HISTORY_CHANGED),
		TORAP__STATE__STATE_PULSE, 4, fields);
}

static void note_link(struct broker_own *o, const char *role, const char *name, uint32_t lane,
	Torap__State state, const char *reason)
{
	const char *fields[][2] = { { role, name }, { "lane", torap_lane_name(lane) }, { "reason", reason } };
	note(o, TORAP__KIND__KIND_LINK_LOST, torap_kind_severity(TORAP__KIND__KIND_LINK_LOST), state, 3,
		fields);
}

static void writer_back(void *hint, const char *writer, uint32_t lane)
{
	torap_notice("LINK-BACK", "writer %s, lane %s is back", writer, torap_lane_name(lane));
	note_link(hint, "writer", writer, lane, TORAP__STATE__STATE_END, "hello");
}

void broker_own_link_here(struct broker_own *o, const char *writer, uint32_t lane)
{
	if (broker_links_here(o->links, writer, lane, torap_app_mono()))
		writer_back(o, writer, lane);
}

void broker_own_link_gone(struct broker_own *o, const char *writer, uint32_t lane, const char *reason)
{
	if (!broker_links_gone(o->links, writer, lane, reason, torap_app_mono()))
		return;
	torap_warn("LINK-LOST", "writer %s, lane %s: %s", writer, torap_lane_name(lane), reason);
	note_link(o, "writer", writer, lane, TORAP__STATE__STATE_START, reason);
}

const char *broker_own_link_lost(
	const struct broker_own *o, const char *writer, uint32_t lane, struct torap_mono *out_since)
{
	return broker_links_lost(o->links, writer, lane, out_since);
}

/* The log has it from the link itself. */
static void upstream_back(void *hint, const char *upstream, uint32_t lane)
{
	note_link(hint, "upstream", upstream, lane, TORAP__STATE__STATE_END, "welcome");
}

void broker_own_upstream_here(struct broker_own *o, const char *upstream, uint32_t lane)
{
	if (broker_links_here(o->upstreams, upstream, lane, torap_app_mono()))
		upstream_back(o, upstream, lane);
}

void broker_own_upstream_gone(struct broker_own *o, const char *upstream, uint32_t lane, const char *reason)
{
	if (broker_links_gone(o->upstreams, upstream, lane, reason, torap_app_mono()))
		note_link(o, "upstream", upstream, lane, TORAP__STATE__STATE_START, reason);
}

static void settle_links(struct broker_own *o, struct torap_mono now)
{
	broker_links_settle(o->links, now, writer_back, o);
	broker_links_settle(o->upstreams, now, upstream_back, o);
}

bool broker_own_writes(const struct broker_own *o, const struct broker_stream *stream)
{
	return o->lanes[stream->id.lane].stream == stream;
}

void broker_own_turn(struct broker_own *o)
{
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++)
		seal(&o->lanes[lane]);
}

static void canary(struct broker_own *o, uint32_t lane)
{
	char number[24];
	snprintf(number, sizeof number, "%" PRIu64, ++o->lanes[lane].canaries);
	const char *fields[][2] = { { "number", number } };
	uint32_t kind = torap_lane_canary(lane);
	note(o, kind, torap_kind_severity(kind), TORAP__STATE__STATE_PULSE, 1, fields);
}

/* Only when all that was sealed is on the disk: what a head names, nobody may ever miss. */
static void head(struct lane *l)
{
	struct broker *b = l->own->broker;
	struct torap_head read;
	if (l->in_flight || l->unflushed || torap_sealer_count(l->sealer))
		return;
	struct torap_buffer *bytes = torap_sealer_head(l->sealer, torap_app_wall());
	if (!bytes)
		return; /* Out of memory: still due. */
	if (torap_verify_head(&read, torap_buffer_bytes(bytes), torap_trust_lookup, b->rules.trust) ==
		TORAP_VERDICT_GOOD)
		broker_stream_head(l->stream, &read, bytes);
	torap_buffer_unref(bytes);
	l->head_due = false;
}

void broker_own_tick(struct broker_own *o, struct torap_mono now)
{
	bool heads_due = torap_mono_reached(o->head_due, now);
	bool canaries_due = torap_mono_reached(o->canary_due, now);
	if (heads_due)
		o->head_due = torap_mono_add_ms(now, HEAD_EVERY_MS);
	if (canaries_due)
		o->canary_due.us = now.us + o->broker->config->canary_us;
	rights_tick(o, now);
	settle_links(o, now);
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		struct lane *l = &o->lanes[lane];
		struct torap_batch *again = l->unflushed;
		l->unflushed = NULL;
		if (again)
			submit(l, &again);
		if (canaries_due)
			canary(o, lane);
		l->head_due |= heads_due;
		if (l->head_due)
			head(l);
	}
}

uint64_t broker_own_lost(const struct broker_own *o)
{
	return o->lost;
}

/* When the last batch of the lane's stream was sealed. */
static int read_latest(struct lane *l, struct torap_error *err)
{
	struct torap_kv_txn txn;
	struct torap_batch *last;
	uint64_t batch_no = broker_stream_last(l->stream);
	if (!l->stream->stored || batch_no == 0)
		return 0;
	torap_kv_begin(&txn, l->own->broker->kv, false);
	int r = torap_journal_read(
		&txn, l->stream->number, batch_no, torap_journal_want_none, NULL, &last, NULL, err);
	torap_kv_abort(&txn);
	if (r == -EBADMSG || r == TORAP_KV_MISSING) {
		/* It is damaged, and will be mended; the stream goes on behind it, dated as if it had been sealed just now. */
		torap_warn("OWN-DAMAGED",
			"the last batch of this broker's own stream, lane %s, cannot be read; the stream goes on",
			torap_lane_name(l->stream->id.lane));
		torap_sealer_dated(l->sealer, torap_app_wall(), NULL);
		return 0;
	}
	if (r)
		return r;
	torap_sealer_dated(l->sealer, (struct torap_wall){ last->manifest->sealed_at_us }, NULL);
	torap_batch_destroy(last);
	return 0;
}

static int open_lane(struct broker_own *o, uint32_t lane, struct torap_error *err)
{
	struct broker *b = o->broker;
	struct lane *l = &o->lanes[lane];
	struct torap_stream_id id;
	if (!torap_stream_id_make(&id, b->config->name, lane, b->state.incarnation))
		return torap_errorf(err, -EINVAL, "%s is not a writer id", b->config->name);
	l->own = o;
	l->stream = broker_streams_find(b->streams, &id);
	if (!l->stream)
		l->stream = broker_streams_add(b->streams, &id);
	if (!l->stream)
		return torap_errorf(err, -ENOSPC, "the store holds too many streams");
	const struct torap_position *at = &l->stream->flushed;
	int r = torap_sealer_create(
		&l->sealer, &id, at->next_batch - 1, at->next_seq, at->last_digest, &b->keys.sign, err);
	if (r)
		return r;
	torap_sealer_canary(l->sealer, b->config->canary_us);
	return read_latest(l, err);
}

int broker_own_create(struct broker_own **out, struct broker *b, struct torap_error *err)
{
	struct broker_own *o = calloc(1, sizeof *o);
	if (!o)
		return torap_errorf(err, -ENOMEM, "out of memory");
	o->broker = b;
	o->links = broker_links_create();
	o->upstreams = broker_links_create();
	if (!o->links || !o->upstreams) {
		broker_own_destroy(o);
		return torap_errorf(err, -ENOMEM, "out of memory");
	}
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		int r = open_lane(o, lane, err);
		if (r) {
			broker_own_destroy(o);
			return r;
		}
	}
	*out = o;
	return 0;
}

struct broker_own *broker_own_destroy(struct broker_own *o)
{
	if (!o)
		return NULL;
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		torap_sealer_destroy(o->lanes[lane].sealer);
		torap_batch_destroy(o->lanes[lane].unflushed);
	}
	broker_links_destroy(o->links);
	broker_links_destroy(o->upstreams);
	free(o);
	return NULL;
}
