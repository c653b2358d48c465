#include "broker/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/admission.h"
#include "broker/arrival.h"
#include "broker/broker.h"
#include "broker/door.h"
#include "broker/give_back.h"
#include "broker/history.h"
#include "broker/mend.h"
#include "broker/own.h"
#include "broker/session.h"
#include "broker/sessions.h"
#include "broker/source.h"
#include "broker/streams.h"
#include "link/message.h"
#include "loop/app.h"
#include "store/kv.h"
#include "wire/envelope.h"

enum {
	CREDIT_BYTES = 8 << 20, /* what a writer may have in flight */
	IN_FLIGHT_MAX =
		CREDIT_BYTES + TORAP_BATCH_SIZE_MAX + TORAP_MANIFEST_SIZE_MAX, /* one batch always may be */
	TOLD_AGAIN_MS = 1000,
	OTHERS_MAX = 256, /* streams that a welcome names unasked: a writer has no more in a lane */
	OWED_MAX = 64,    /* streams of one session with an acknowledgement due; a writer has one or two */
};

struct broker_writer {
	struct broker_session *session;
	struct broker_writer *next_owing;   /* of the broker's list, while anything is owed */
	struct broker_writer *next_greeted; /* likewise, until its welcome, as these: */
	struct torap_stream_position
		*named; /* by its hello; `at.next_batch`: what must be on the disk before */
	size_t named_count;
	struct broker_stream *owed[OWED_MAX];
	size_t owed_count;
	/* The gap that it was told of last: what it still has in flight must not make it go back again and again. */
	const struct broker_stream *told;
	uint64_t told_batch;
	struct torap_mono told_at;
	struct broker_give_back give_back;
};

static bool is_admitted(const struct broker_session *s, const char **reason)
{
	const struct torap_trust_writer *w = broker_rules_writer(&s->broker->rules, s->name);
	*reason = !w ? "not among this broker's writers" : "not the key of this writer";
	return w && torap_trust_has_curve(w, s->key);
}

static struct broker_source source_of(const struct broker_session *s)
{
	struct broker_source source = { .kind = BROKER_SOURCE_WRITER };
	snprintf(source.name, sizeof source.name, "%.31s", s->name);
	return source;
}

/* What it sent and is on the disk.  By an upstream we may be ahead of it, and it may not hear of what it has not sent. */
static struct torap_stream_position position_of(const struct broker_stream *s)
{
	bool ahead = s->flushed.next_batch > s->writer_got.next_batch;
	return (struct torap_stream_position){ .stream = s->id, .at = ahead ? s->writer_got : s->flushed };
}

/* Where the writer is to go on: what is here, or the first of it that is not whole, for an upstream may have brought it in part. */
static struct torap_stream_position resume_of(
	struct broker_session *s, struct torap_kv_txn *txn, const struct broker_stream *stream)
{
	struct broker_source source = source_of(s);
	struct torap_stream_position p = { .stream = stream->id };
	int r = broker_source_resume(txn, &source, stream, &p.at);
	if (r)
		torap_fail("STORE-DAMAGED", "what is missing of %s cannot be read: %s", stream->id.writer,
			strerror(r < 0 ? -r : EIO));
	return p;
}

static bool is_named(const struct broker_writer *w, const struct torap_stream_id *id)
{
	for (size_t i = 0; i < w->named_count; i++)
		if (torap_stream_id_equal(&w->named[i].stream, id))
			return true;
	return false;
}

/* Streams of the writer that it does not name: of a disk that it has lost, or of a clone.  Returns how many. */
static size_t tell_others(const struct broker_writer *w, struct torap_stream_position *positions, size_t room)
{
	const struct broker_session *s = w->session;
	const struct broker_streams *streams = s->broker->streams;
	size_t count = 0;
	for (size_t i = 0; i < streams->lane_count[s->lane] && count < room; i++) {
		const struct broker_stream *stream = streams->lanes[s->lane][i];
		if (strcmp(stream->id.writer, s->name) == 0 && stream->flushed.next_batch > 1 &&
			!is_named(w, &stream->id))
			positions[count++] =
				(struct torap_stream_position){ .stream = stream->id, .at = stream->flushed };
	}
	return count;
}

/* Where we stand in each of the streams that the writer named, and in others of it. */
static bool send_welcome(struct broker_writer *w)
{
	struct broker_session *s = w->session;
	struct torap_stream_position *positions = calloc(w->named_count + OTHERS_MAX, sizeof *positions);
	if (!positions)
		return false;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, s->broker->kv, false);
	for (size_t i = 0; i < w->named_count; i++) {
		const struct torap_stream_id *id = &w->named[i].stream;
		struct broker_stream *stream = broker_streams_find(s->broker->streams, id);
		positions[i] = (struct torap_stream_position){ .stream = *id, .at = { .next_batch = 1 } };
		if (!stream)
			continue;
		positions[i] = resume_of(s, &txn, stream);
		torap_holes_hurry(&stream->holes, torap_app_mono());
		broker_mend_ask(&positions[i], stream);
		stream->writer = w;
		stream->writer_got = positions[i].at;
		stream->writer_merged = 0;
	}
	torap_kv_abort(&txn);
	size_t room = TORAP_POSITIONS_MAX - w->named_count;
	size_t count = w->named_count +
		       tell_others(w, positions + w->named_count, room < OTHERS_MAX ? room : OTHERS_MAX);
	struct torap_welcome welcome = {
		.version = 1,
		.positions = positions,
		.positions_count = count,
		.credit_bytes = CREDIT_BYTES,
		.trust = s->broker->rules.trust->signed_bytes,
		.heartbeat_ms = BROKER_HEARTBEAT_MS,
	};
	snprintf(welcome.broker, sizeof welcome.broker, "%s", s->broker->config->name);
	struct torap_buffer *body = torap_welcome_encode(&welcome);
	torap_positions_destroy(positions, count);
	return broker_session_send(s, TORAP__MESSAGE_TYPE__MESSAGE_WELCOME, body);
}

static void welcome(struct broker_writer *w)
{
	const struct broker_session *s = w->session;
	if (send_welcome(w)) {
		torap_info("WRITER-HERE", "%s (%s), lane %s", s->name, s->software, torap_lane_name(s->lane));
		broker_own_link_here(s->broker->own, s->name, s->lane);
	}
	torap_positions_destroy(w->named, w->named_count);
	w->named = NULL;
	w->named_count = 0;
}

/* What an older session sent may be on its way to the disk.  A welcome that does not name it would let a clone go on under numbers that are
 * taken. */
static void take_named(struct broker_writer *w, struct torap_hello *h)
{
	w->named = h->positions;
	w->named_count = h->positions_count;
	h->positions = NULL;
	h->positions_count = 0;
	for (size_t i = 0; i < w->named_count; i++) {
		const struct broker_stream *stream =
			broker_streams_find(w->session->broker->streams, &w->named[i].stream);
		w->named[i].at.next_batch = stream ? stream->accepted.next_batch : 0;
	}
}

/* Or it will not come to be there: a commit failed. */
static bool is_on_the_disk(const struct broker_writer *w)
{
	for (size_t i = 0; i < w->named_count; i++) {
		const struct broker_stream *stream =
			broker_streams_find(w->session->broker->streams, &w->named[i].stream);
		if (stream && stream->flushed.next_batch < w->named[i].at.next_batch &&
			stream->flushed.next_batch < stream->accepted.next_batch)
			return false;
	}
	return true;
}

static int judge_positions(const struct torap_hello *h, const char **reason)
{
	for (size_t i = 0; i < h->positions_count; i++) {
		const struct torap_stream_id *id = &h->positions[i].stream;
		if (strcmp(id->writer, h->name) != 0 || id->lane != h->lane) {
			*reason = "a stream of another writer or lane";
			return TORAP__REFUSAL__CODE__MALFORMED;
		}
	}
	return 0;
}

int broker_writer_create(
	struct broker_writer **out, struct broker_session *s, struct torap_hello *h, const char **reason)
{
	if (!is_admitted(s, reason))
		return TORAP__REFUSAL__CODE__NOT_ADMITTED;
	int code = judge_positions(h, reason);
	if (code)
		return code;
	struct broker_writer *w = calloc(1, sizeof *w);
	if (!w) {
		*reason = "out of memory";
		return TORAP__REFUSAL__CODE__BUSY;
	}
	w->session = s;
	*out = w;
	take_named(w, h);
	if (is_on_the_disk(w)) {
		welcome(w);
		return 0;
	}
	w->next_greeted = s->broker->greeted;
	s->broker->greeted = w;
	return 0;
}

static void unlist(struct broker_writer *w)
{
	for (struct broker_writer **at = &w->session->broker->owing; *at; at = &(*at)->next_owing) {
		if (*at == w) {
			*at = w->next_owing;
			return;
		}
	}
}

static void unlist_greeted(struct broker_writer *w)
{
	struct broker_writer **at = &w->session->broker->greeted;
	while (*at && *at != w)
		at = &(*at)->next_greeted;
	if (*at)
		*at = w->next_greeted;
}

struct broker_writer *broker_writer_destroy(struct broker_writer *w)
{
	if (!w)
		return NULL;
	struct broker_session *s = w->session;
	struct broker_streams *streams = s->broker->streams;
	for (size_t i = 0; i < streams->lane_count[s->lane]; i++)
		if (streams->lanes[s->lane][i]->writer == w)
			streams->lanes[s->lane][i]->writer = NULL;
	unlist(w);
	unlist_greeted(w);
	torap_positions_destroy(w->named, w->named_count);
	if (!s->broker->stopping && !broker_sessions_writer(s->broker->sessions, s->name, s->lane))
		broker_own_link_gone(s->broker->own, s->name, s->lane, s->why);
	free(w);
	return NULL;
}

static void acknowledge(struct broker_writer *w)
{
	struct torap_stream_position positions[OWED_MAX];
	size_t count = 0;
	/* Frames of it that were missing here are on their way to the disk: it is owed again when they are there. */
	for (size_t i = 0; i < w->owed_count; i++) {
		struct broker_stream *stream = w->owed[i];
		if (stream->writer_merges || !stream->writer_got.next_batch)
			continue;
		positions[count] = position_of(stream);
		if (stream->ask_writer)
			broker_mend_ask_in_turn(w->session->broker, &positions[count], stream, 0);
		stream->ask_writer = false;
		count++;
	}
	w->owed_count = 0;
	if (!count)
		return;
	struct torap_buffer *body = torap_ack_encode(positions, count);
	for (size_t i = 0; i < count; i++)
		free(positions[i].holes);
	broker_session_send(w->session, TORAP__MESSAGE_TYPE__MESSAGE_ACK, body);
}

void broker_writer_owe(struct broker_writer *w, struct broker_stream *stream)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->owed_count; i++)
		if (w->owed[i] == stream)
			return;
	if (w->owed_count == OWED_MAX)
		acknowledge(w);
	if (w->owed_count == 0) {
		struct broker *b = w->session->broker;
		unlist(w);
		w->next_owing = b->owing;
		b->owing = w;
	}
	w->owed[w->owed_count++] = stream;
}

bool broker_writer_ask(struct broker_stream *stream)
{
	stream->ask_writer = stream->writer && stream->writer_got.next_batch;
	if (stream->ask_writer)
		broker_writer_owe(stream->writer, stream);
	return stream->ask_writer;
}

void broker_writer_full(struct broker_writer *w)
{
	if (w)
		broker_session_end(
			w->session, "store full", TORAP__REFUSAL__CODE__BUSY, "the broker's store is full");
}

void broker_writer_forked(struct broker_writer *w, uint64_t batch_no)
{
	char reason[96];
	snprintf(reason, sizeof reason, "another batch %" PRIu64 " is here already", batch_no);
	if (w)
		broker_session_end(w->session, torap_verdict_name(TORAP_VERDICT_BROKEN_CHAIN),
			TORAP__REFUSAL__CODE__BROKEN_CHAIN, reason);
}

struct broker_lag broker_writer_lag(
	const struct broker *b, const char *writer, uint8_t lane, struct torap_wall now)
{
	struct broker_lag lag = { 0 };
	for (size_t i = 0; i < b->streams->lane_count[lane]; i++)
		if (strcmp(b->streams->lanes[lane][i]->id.writer, writer) == 0)
			broker_lag_ahead(&lag, b->streams->lanes[lane][i], now);
	return lag;
}

/* Whose session has ended goes from the list when it is buried. */
static void welcome_greeted(struct broker *b)
{
	for (struct broker_writer **at = &b->greeted; *at;) {
		struct broker_writer *w = *at;
		if (w->session->ended || !is_on_the_disk(w)) {
			at = &w->next_greeted;
			continue;
		}
		*at = w->next_greeted;
		welcome(w);
	}
}

bool broker_writer_waits(const struct broker_writer *w)
{
	return w->named != NULL;
}

void broker_writers_turn(struct broker *b)
{
	while (b->owing) {
		struct broker_writer *w = b->owing;
		b->owing = w->next_owing;
		acknowledge(w);
	}
	welcome_greeted(b); /* Behind: it reads the store, which may wait for a commit. */
}

static void send_back(struct broker_writer *w, const struct broker_stream *stream)
{
	struct broker_session *s = w->session;
	struct torap_stream_position resume = { .stream = stream->id, .at = stream->accepted };
	struct torap_mono now = torap_app_mono();
	if (w->told == stream && w->told_batch == stream->accepted.next_batch &&
		!torap_mono_reached(torap_mono_add_ms(w->told_at, TOLD_AGAIN_MS), now))
		return;
	w->told = stream;
	w->told_batch = stream->accepted.next_batch;
	w->told_at = now;
	if (s->peer) /* One that does not take it will find out by the silence. */
		(void)broker_door_refuse(s->peer, TORAP__REFUSAL__CODE__RESUME,
			"batches before this one are missing", &resume);
}

static void refuse(struct broker_writer *w, const struct broker_admission *a)
{
	struct broker_session *s = w->session;
	torap_warn("BATCH-REFUSED", "%s, lane %s: %s; the link is refused until it is mended", s->name,
		torap_lane_name(s->lane), a->reason);
	broker_session_end(s, torap_verdict_name(a->verdict), a->code, a->reason);
}

/* To the disk.  False: the session has ended. */
static bool submit(struct broker_writer *w, struct broker_stream *stream, struct torap_batch **take,
	const struct broker_source *source)
{
	struct broker_session *s = w->session;
	if (stream->waiting_bytes + torap_batch_size(*take) > IN_FLIGHT_MAX) {
		broker_session_end(s, "beyond its credit", TORAP__REFUSAL__CODE__LIMIT,
			"more in flight than the credit");
		return false;
	}
	if (broker_arrival(s->broker, stream, take, source)) {
		broker_session_end(s, "out of memory", TORAP__REFUSAL__CODE__BUSY, "out of memory");
		return false;
	}
	return true;
}

static void admit(struct broker_writer *w, struct broker_stream *stream, struct torap_batch **take,
	const struct broker_admission *a)
{
	static const struct broker_source itself = { .kind = BROKER_SOURCE_NONE };
	struct broker *b = w->session->broker;
	uint64_t batch_no = (*take)->manifest->batch_no;
	if (!submit(w, stream, take, &itself) || !a->beyond_groups)
		return;
	b->counts.beyond_groups += a->beyond_groups;
	b->counts.beyond_events += a->beyond_events;
	broker_own_rights_exceeded(b->own, stream, batch_no, a->beyond_groups);
}

/* How far this session has sent the stream.  True: in its order, for the first time. */
static bool hear(struct broker_writer *w, struct broker_stream *stream, const struct torap_manifest *m,
	enum broker_admission_answer answer)
{
	if (stream->writer != w) {
		stream->writer_got = (struct torap_position){ 0 };
		stream->writer_merged = 0;
	}
	stream->writer = w;
	if (answer == BROKER_ADMIT_GAP || m->batch_no < stream->writer_got.next_batch)
		return false;
	torap_position_advance(&stream->writer_got, m);
	return true;
}

/* It is here already; perhaps not all of it, when an upstream brought it.  Beside the order only what fills a hole is looked at: a writer
 * that says old numbers again must not keep the disk busy. */
static void take_again(
	struct broker_writer *w, struct broker_stream *stream, struct torap_batch **take, bool in_order)
{
	static const struct broker_source beside = { .kind = BROKER_SOURCE_NONE };
	struct broker_source source = source_of(w->session);
	uint64_t batch_no = (*take)->manifest->batch_no;
	bool lacks = batch_no >= stream->first_batch && !broker_stream_holds(stream, *take);
	source.after = stream->writer_merged;
	if (in_order && (lacks || torap_holes_has(&stream->holes, batch_no))) {
		if (submit(w, stream, take, &source))
			stream->writer_merged = batch_no + 1;
	} else if (torap_holes_has(&stream->holes, batch_no)) {
		submit(w, stream, take, &beside);
	} else {
		broker_writer_owe(w, stream);
	}
}

static void on_batch(struct broker_writer *w, struct torap_batch **take)
{
	static const struct torap_position begin = { .next_batch = 1, .next_seq = 1 };
	struct broker_session *s = w->session;
	struct broker *b = s->broker;
	const struct torap_manifest *m = (*take)->manifest;
	struct broker_stream *stream = broker_streams_find(b->streams, &m->stream);
	struct broker_admission a = broker_admission_judge(
		&b->rules, s->name, s->lane, *take, stream ? &stream->accepted : &begin);
	if (a.answer == BROKER_ADMIT_OLD && broker_stream_differs(stream, m)) {
		a.answer = BROKER_ADMIT_NOT;
		a.verdict = TORAP_VERDICT_BROKEN_CHAIN;
		a.code = TORAP__REFUSAL__CODE__BROKEN_CHAIN;
		snprintf(a.reason, sizeof a.reason, "another batch %" PRIu64 " is here already", m->batch_no);
	}
	if (a.answer != BROKER_ADMIT)
		b->counts.refused[a.verdict]++;
	if (a.answer == BROKER_ADMIT_NOT) {
		if (a.verdict == TORAP_VERDICT_BROKEN_CHAIN && stream)
			broker_history_fork(b, stream, *take, s->name);
		refuse(w, &a);
		return;
	}
	/* Only now, when the writer has signed for it, a stream may come into being. */
	if (!stream)
		stream = broker_new_stream(b, &m->stream);
	if (!stream) {
		broker_session_end(s, "too many streams", TORAP__REFUSAL__CODE__LIMIT,
			"this broker holds too many streams, of this writer or at all");
		return;
	}
	bool in_order = hear(w, stream, m, a.answer);
	if (a.answer == BROKER_ADMIT_OLD)
		take_again(w, stream, take, in_order);
	else if (a.answer == BROKER_ADMIT_GAP)
		send_back(w, stream);
	else
		admit(w, stream, take, &a);
}

static int on_head(struct broker_writer *w, struct torap_buffer *signed_head, struct torap_error *err)
{
	struct broker_session *s = w->session;
	struct broker *b = s->broker;
	struct torap_head head;
	enum torap_verdict verdict =
		torap_verify_head(&head, torap_buffer_bytes(signed_head), torap_trust_lookup, b->rules.trust);
	if (verdict == TORAP_VERDICT_MALFORMED)
		return torap_errorf(err, -EBADMSG, "a head that cannot be read");
	if (verdict != TORAP_VERDICT_GOOD) {
		struct broker_admission a = { .verdict = verdict,
			.code = TORAP__REFUSAL__CODE__BAD_SIGNATURE };
		snprintf(a.reason, sizeof a.reason, "head: %s", torap_verdict_name(verdict));
		b->counts.heads_refused++;
		refuse(w, &a);
		return 0;
	}
	if (strcmp(head.stream.writer, s->name) != 0 || head.stream.lane != s->lane)
		return torap_errorf(err, -EBADMSG, "a head of another writer or lane");
	struct broker_stream *stream = broker_streams_find(b->streams, &head.stream);
	if (!stream)
		stream = broker_new_stream(b, &head.stream);
	if (!stream)
		return 0;
	broker_history_head(b, stream, &head, signed_head, s->name);
	return 0;
}

int broker_writer_message(struct broker_writer *w, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count, struct torap_error *err)
{
	struct torap_batch *batch = NULL;
	switch (envelope->type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_BATCH: {
		int r = torap_batch_from_frames(&batch, envelope, frames, count, err);
		if (r)
			return r;
		on_batch(w, &batch);
		torap_batch_destroy(batch);
		return 0;
	}
	case TORAP__MESSAGE_TYPE__MESSAGE_ACK:
		return count == 1 ? broker_give_back(
					    &w->give_back, w->session, torap_buffer_bytes(frames[0]), err)
				  : torap_errorf(err, -EBADMSG, "an acknowledgement has two frames");
	case TORAP__MESSAGE_TYPE__MESSAGE_HEAD:
		return count == 1 ? on_head(w, frames[0], err)
				  : torap_errorf(err, -EBADMSG, "a head has two frames");
	default:
		w->session->broker->counts.unknown_types++;
		return 0;
	}
}

void broker_writer_judge(struct broker_writer *w)
{
	const char *reason;
	if (is_admitted(w->session, &reason))
		return;
	w->session->broker->counts.revoked++;
	broker_session_end(w->session, "not admitted any more", TORAP__REFUSAL__CODE__NOT_ADMITTED, reason);
}
