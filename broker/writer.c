#include "broker/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/admission.h"
#include "broker/broker.h"
#include "broker/commit.h"
#include "broker/listener.h"
#include "broker/mend.h"
#include "broker/own.h"
#include "broker/session.h"
#include "broker/streams.h"
#include "link/message.h"
#include "loop/app.h"
#include "wire/envelope.h"

enum {
	CREDIT_BYTES = 8 << 20, /* what a writer may have in flight */
	IN_FLIGHT_MAX =
		CREDIT_BYTES + TORAP_BATCH_SIZE_MAX + TORAP_MANIFEST_SIZE_MAX, /* one batch always may be */
	TOLD_AGAIN_MS = 1000,
	OWED_MAX = 64, /* streams of one session with an acknowledgement due; a writer has one or two */
};

struct broker_writer {
	struct broker_session *session;
	struct broker_writer *next_owing; /* of the broker's list, while anything is owed */
	struct broker_stream *owed[OWED_MAX];
	size_t owed_count;
	/* The gap that it was told of last: what it still has in flight must not make it go back again and again. */
	const struct broker_stream *told;
	uint64_t told_batch;
	struct torap_mono told_at;
};

static bool is_admitted(const struct broker_session *s, const char **reason)
{
	const struct torap_trust_writer *w = broker_rules_writer(&s->broker->rules, s->name);
	*reason = !w ? "not among this broker's writers" : "not the key of this writer";
	return w && torap_trust_has_curve(w, s->key);
}

static struct torap_stream_position position_of(const struct broker_stream *s)
{
	return (struct torap_stream_position){ .stream = s->id, .at = s->flushed };
}

/* What we lack of the stream, and ask for with this.  Without memory it is asked for later. */
static void add_holes(struct torap_stream_position *p, struct broker_stream *s)
{
	size_t most = s->holes.count < TORAP_HOLES_ASKED_MAX ? s->holes.count : TORAP_HOLES_ASKED_MAX;
	p->holes = most ? malloc(most * sizeof *p->holes) : NULL;
	if (p->holes)
		p->holes_count = torap_holes_ask(&s->holes, p->holes, most, torap_app_mono());
}

/* Where we stand in each of the streams that the writer named. */
static bool send_welcome(struct broker_session *s, const struct torap_hello *h)
{
	struct torap_stream_position *positions = calloc(h->positions_count + 1, sizeof *positions);
	if (!positions)
		return false;
	for (size_t i = 0; i < h->positions_count; i++) {
		const struct torap_stream_id *id = &h->positions[i].stream;
		struct broker_stream *stream = broker_streams_find(s->broker->streams, id);
		positions[i] = (struct torap_stream_position){ .stream = *id, .at = { .next_batch = 1 } };
		if (!stream)
			continue;
		positions[i] = position_of(stream);
		torap_holes_hurry(&stream->holes, torap_app_mono());
		add_holes(&positions[i], stream);
		/* What an older session sent and is not flushed yet is acknowledged to this one. */
		stream->writer = s->writer;
	}
	struct torap_welcome welcome = {
		.version = 1,
		.positions = positions,
		.positions_count = h->positions_count,
		.credit_bytes = CREDIT_BYTES,
		.trust = s->broker->rules.trust->signed_bytes,
		.heartbeat_ms = BROKER_HEARTBEAT_MS,
	};
	snprintf(welcome.broker, sizeof welcome.broker, "%s", s->broker->config->name);
	struct torap_buffer *body = torap_welcome_encode(&welcome);
	torap_positions_destroy(positions, h->positions_count);
	return broker_session_send(s, TORAP__MESSAGE_TYPE__MESSAGE_WELCOME, body);
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

int broker_writer_create(struct broker_writer **out, struct broker_session *s, const struct torap_hello *h,
	const char **reason)
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
	if (send_welcome(s, h)) {
		torap_info("WRITER-HERE", "%s (%s), lane %s", s->name, s->software, torap_lane_name(s->lane));
		broker_own_link_here(s->broker->own, s->name, s->lane);
	}
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
	if (!s->broker->stopping && !broker_listener_writer(s->broker->listener, s->name, s->lane))
		broker_own_link_gone(s->broker->own, s->name, s->lane, s->why);
	free(w);
	return NULL;
}

static void acknowledge(struct broker_writer *w)
{
	struct torap_stream_position positions[OWED_MAX];
	for (size_t i = 0; i < w->owed_count; i++) {
		positions[i] = position_of(w->owed[i]);
		add_holes(&positions[i], w->owed[i]);
	}
	struct torap_buffer *body = torap_ack_encode(positions, w->owed_count);
	for (size_t i = 0; i < w->owed_count; i++)
		free(positions[i].holes);
	w->owed_count = 0;
	broker_session_send(w->session, TORAP__MESSAGE_TYPE__MESSAGE_ACK, body);
}

static void owe(struct broker_writer *w, struct broker_stream *stream)
{
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

void broker_writer_owe(struct broker_stream *stream)
{
	owe(stream->writer, stream);
}

void broker_writers_turn(struct broker *b)
{
	while (b->owing) {
		struct broker_writer *w = b->owing;
		b->owing = w->next_owing;
		acknowledge(w);
	}
}

/* Said once for each stream until something of it finds room again: its writer comes back every few seconds. */
static void refuse_full(struct broker *b, struct broker_stream *stream)
{
	b->counts.refused_full++;
	struct broker_session *s = stream->writer ? stream->writer->session : NULL;
	if (!s)
		return;
	if (!stream->full_told)
		torap_fail("STORE-FULL", "no room for batches of %s; it keeps them and tries again", s->name);
	stream->full_told = true;
	broker_session_end(s, "store full", TORAP__REFUSAL__CODE__BUSY, "the broker's store is full");
}

static void on_done(struct broker_commit *c, enum broker_commit_result result)
{
	struct broker *b = c->hint;
	struct broker_stream *stream = c->stream;
	stream->waiting_bytes -= torap_batch_size(c->batch);
	if (result == BROKER_COMMIT_FULL) {
		broker_stream_fall_back(stream);
		refuse_full(b, stream);
	}
	if (result != BROKER_COMMIT_FLUSHED)
		return;
	stream->full_told = false;
	if (torap_batch_lacks(c->batch))
		broker_mend_found(b, stream, c->batch->manifest->batch_no);
	broker_flushed(b, stream, &c->batch, c->received_at);
	if (stream->writer)
		owe(stream->writer, stream);
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
	broker_listener_refuse(s->broker->listener, s->peer, s->peer_size, TORAP__REFUSAL__CODE__RESUME,
		"batches before this one are missing", &resume);
}

static void refuse(struct broker_writer *w, const struct broker_admission *a)
{
	struct broker_session *s = w->session;
	torap_warn("BATCH-REFUSED", "%s, lane %s: %s; the link is refused until it is mended", s->name,
		torap_lane_name(s->lane), a->reason);
	broker_session_end(s, torap_verdict_name(a->verdict), a->code, a->reason);
}

static void admit(struct broker_writer *w, struct broker_stream *stream, struct torap_batch **take,
	const struct broker_admission *a)
{
	struct broker_session *s = w->session;
	struct broker *b = s->broker;
	const struct torap_manifest *m = (*take)->manifest;
	size_t size = torap_batch_size(*take);
	if (stream->waiting_bytes + size > IN_FLIGHT_MAX) {
		broker_session_end(s, "beyond its credit", TORAP__REFUSAL__CODE__LIMIT,
			"more in flight than the credit");
		return;
	}
	struct torap_position accepted = stream->accepted;
	uint64_t batch_no = m->batch_no;
	torap_position_advance(&accepted, m);
	if (broker_commit_submit(b->committer, stream, take, torap_app_wall(), on_done, b)) {
		broker_session_end(s, "out of memory", TORAP__REFUSAL__CODE__BUSY, "out of memory");
		return;
	}
	stream->accepted = accepted;
	stream->waiting_bytes += size;
	if (!a->beyond_groups)
		return;
	b->counts.beyond_groups += a->beyond_groups;
	b->counts.beyond_events += a->beyond_events;
	broker_own_rights_exceeded(b->own, stream, batch_no, a->beyond_groups);
}

/* The same number as one that is here, and another batch: a fork, as long as we can still see it. */
static bool differs(const struct broker_stream *stream, const struct torap_manifest *m)
{
	const struct broker_recent *e = broker_stream_recent(stream, m->batch_no);
	return e && memcmp(e->batch->manifest->digest, m->digest, sizeof m->digest) != 0;
}

/* Beside the order: one that we asked for, or one that came twice. */
static void on_old(struct broker_writer *w, struct broker_stream *stream, struct torap_batch **take)
{
	struct broker_session *s = w->session;
	if (!torap_holes_has(&stream->holes, (*take)->manifest->batch_no)) {
		owe(w, stream);
		return;
	}
	if (stream->waiting_bytes + torap_batch_size(*take) > IN_FLIGHT_MAX)
		broker_session_end(s, "beyond its credit", TORAP__REFUSAL__CODE__LIMIT,
			"more in flight than the credit");
	else if (broker_mend_take(s->broker, stream, take))
		broker_session_end(s, "out of memory", TORAP__REFUSAL__CODE__BUSY, "out of memory");
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
	if (a.answer == BROKER_ADMIT_OLD && differs(stream, m)) {
		a.answer = BROKER_ADMIT_NOT;
		a.verdict = TORAP_VERDICT_BROKEN_CHAIN;
		a.code = TORAP__REFUSAL__CODE__BROKEN_CHAIN;
		snprintf(a.reason, sizeof a.reason, "another batch %" PRIu64 " is here already", m->batch_no);
	}
	if (a.answer != BROKER_ADMIT)
		b->counts.refused[a.verdict]++;
	if (a.answer == BROKER_ADMIT_NOT) {
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
	stream->writer = w;
	if (a.answer == BROKER_ADMIT_OLD)
		on_old(w, stream, take);
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
	b->counts.heads++;
	enum broker_head_answer answer = broker_stream_head(stream, &head, signed_head);
	bool said = stream->rolled_back;
	if (answer != BROKER_HEAD_OLD)
		stream->rolled_back = answer == BROKER_HEAD_ROLLBACK;
	b->counts.rollbacks += answer == BROKER_HEAD_ROLLBACK;
	if (answer == BROKER_HEAD_ROLLBACK && !said) {
		char text[TORAP_STREAM_TEXT_SIZE];
		torap_warn("WRITER-ROLLBACK",
			"%s signed a head at batch %" PRIu64 ", and %" PRIu64 " are here",
			torap_stream_id_format(&stream->id, text), head.last_batch,
			broker_stream_last(stream));
	}
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
