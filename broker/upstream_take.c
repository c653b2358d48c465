#include "broker/upstream_take.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/admission.h"
#include "broker/arrival.h"
#include "broker/broker.h"
#include "broker/history.h"
#include "broker/own.h"
#include "broker/streams.h"
#include "broker/upstream.h"
#include "link/run.h"
#include "loop/app.h"
#include "loop/zlink.h"

enum { SAY_EVERY_MS = 1000 };

static const char *name_of(const struct broker_upstream_lane *l)
{
	return l->upstream->config.peer.name;
}

/* The lane goes down, and tries again in some seconds. */
static void refuse(struct broker_upstream_lane *l, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void refuse(struct broker_upstream_lane *l, int code, const char *format, ...)
{
	char why[200];
	va_list args;
	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	l->upstream->refused++;
	torap_fail("BATCH-REFUSED", "upstream %s, lane %s: %s; not stored, the lane is taken down",
		name_of(l), torap_lane_name(l->lane), why);
	torap_zlink_refuse(l->link, code);
}

static bool may_say(struct torap_mono *told)
{
	struct torap_mono now = torap_app_mono();
	if (told->us && !torap_mono_reached(torap_mono_add_ms(*told, SAY_EVERY_MS), now))
		return false;
	*told = now;
	return true;
}

/* Batches. */

static void pass_over(struct broker_upstream_lane *l, struct broker_heard_stream *heard,
	const struct torap_manifest *m, const char *why)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	l->upstream->passed_over++;
	if (!heard->over)
		heard->over_trust = l->upstream->broker->rules.trust->version;
	broker_heard_batch(&l->heard, heard, m, true);
	if (heard->over_told || !may_say(&l->told))
		return;
	heard->over_told = true;
	torap_warn("BATCH-PASSED-OVER", "upstream %s: %s from batch %" PRIu64 " on: %s", name_of(l),
		torap_stream_id_format(&m->stream, text), m->batch_no, why);
}

/* What the upstream leaves out without a reason was not granted to us: here it is not held.  If it was granted, it is withheld. */
static void note_omissions(struct broker_upstream_lane *l, struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	unsigned withheld = 0;
	for (unsigned g = 0; g < m->groups_count; g++) {
		const struct torap_group *group = &m->groups[g];
		bool parts[4];
		torap_grant_parts(l->granted, l->granted_count, &group->class, parts);
		for (unsigned p = 0; p < group->parts_count; p++) {
			unsigned i = group->first_frame + p;
			if (batch->frames[i] ||
				batch->omissions[i] != TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED)
				continue;
			batch->omissions[i] = TORAP__OMISSION_REASON__OMISSION_NOT_HELD;
			withheld += parts[group->parts[p].part];
		}
	}
	l->upstream->withheld += withheld;
	if (withheld && may_say(&l->told))
		torap_warn("FRAMES-WITHHELD",
			"upstream %s: %u granted frames came empty without a reason; %" PRIu64 " such in all",
			name_of(l), withheld, l->upstream->withheld);
}

static void submit(struct broker_upstream_lane *l, struct broker_heard_stream *heard,
	struct broker_stream *stream, struct torap_batch **take)
{
	struct broker_upstream *u = l->upstream;
	const struct torap_manifest *m = (*take)->manifest;
	uint64_t next = m->batch_no + 1;
	struct broker_source source = u->source;
	size_t most = l->credit_bytes + TORAP_BATCH_SIZE_MAX + TORAP_MANIFEST_SIZE_MAX;
	if (l->waiting_bytes + torap_batch_size(*take) > most) {
		refuse(l, TORAP__REFUSAL__CODE__LIMIT, "more in flight than the credit");
		return;
	}
	broker_heard_batch(&l->heard, heard, m, false);
	source.after = heard->submitted;
	if (broker_arrival(u->broker, stream, take, &source))
		torap_zlink_refuse(l->link, TORAP__REFUSAL__CODE__BUSY); /* Out of memory. */
	else if (next > heard->submitted)
		heard->submitted = next;
}

/* Does it say nothing new?  What it has damaged, and we were not given, is new: it may come again. */
static bool is_known(const struct broker_stream *stream, const struct torap_batch *batch)
{
	return broker_stream_holds(stream, batch) && !torap_batch_is_damaged(batch) &&
	       !torap_holes_has(&stream->holes, batch->manifest->batch_no);
}

/* The batch is here already, by another source or an older session. */
static void take_again(struct broker_upstream_lane *l, struct broker_heard_stream *heard,
	struct broker_stream *stream, struct torap_batch **take)
{
	const struct torap_manifest *m = (*take)->manifest;
	struct broker *b = l->upstream->broker;
	l->upstream->again++;
	if (broker_stream_differs(stream, m)) {
		broker_history_fork(b, stream, *take, name_of(l));
		pass_over(l, heard, m, "it contradicts what is here");
	} else if (m->batch_no < stream->first_batch || is_known(stream, *take)) {
		broker_heard_batch(&l->heard, heard, m, false);
	} else {
		submit(l, heard, stream, take);
	}
}

/* A stream of ours is written by ourselves alone.  What comes around is compared. */
static void take_own(struct broker_upstream_lane *l, struct broker_heard_stream *heard,
	struct broker_stream *stream, struct torap_batch **take)
{
	struct broker *b = l->upstream->broker;
	const struct torap_manifest *m = (*take)->manifest;
	if (torap_verify_batch(*take, torap_trust_lookup, b->rules.trust, NULL) != TORAP_VERDICT_GOOD) {
		refuse(l, TORAP__REFUSAL__CODE__BAD_SIGNATURE, "batch %" PRIu64 " of our own is not ours",
			m->batch_no);
	} else if (m->batch_no >= stream->flushed.next_batch || broker_stream_differs(stream, m)) {
		broker_history_fork(b, stream, *take, name_of(l));
		pass_over(l, heard, m,
			"it is signed by us and beyond what was here, or another than what is: this store is an "
			"older copy; begin with a new one");
	} else {
		take_again(l, heard, stream, take);
	}
}

static struct torap_position begin_at(uint64_t batch_no)
{
	return (struct torap_position){ .next_batch = batch_no, .next_seq = batch_no == 1 };
}

static void take_next(struct broker_upstream_lane *l, struct broker_heard_stream *heard,
	struct broker_stream *stream, struct torap_batch **take, const struct broker_admission *a)
{
	struct broker *b = l->upstream->broker;
	const struct torap_manifest *m = (*take)->manifest;
	uint64_t batch_no = m->batch_no;
	if (!stream)
		stream = broker_new_stream(b, &m->stream);
	if (!stream) {
		pass_over(l, heard, m, "this broker holds too many streams, of this writer or at all");
		return;
	}
	if (broker_stream_empty(stream)) {
		char text[TORAP_STREAM_TEXT_SIZE];
		broker_stream_begin(stream, batch_no);
		if (batch_no > 1)
			torap_warn("BEGINS-LATE",
				"upstream %s begins %s at batch %" PRIu64 "; what was before is not here",
				name_of(l), torap_stream_id_format(&m->stream, text), batch_no);
	}
	submit(l, heard, stream, take);
	if (*take && broker_stream_empty(stream))
		broker_stream_fall_back(stream);
	if (*take || !a->beyond_groups)
		return;
	b->counts.beyond_groups += a->beyond_groups;
	b->counts.beyond_events += a->beyond_events;
	broker_own_rights_exceeded(b->own, stream, batch_no, a->beyond_groups);
}

static void take_refused(struct broker_upstream_lane *l, struct broker_heard_stream *heard,
	struct broker_stream *stream, const struct torap_batch *batch, const struct broker_admission *a)
{
	const struct torap_manifest *m = batch->manifest;
	struct broker *b = l->upstream->broker;
	b->counts.refused[a->verdict]++;
	switch (a->verdict) {
	case TORAP_VERDICT_BROKEN_CHAIN:
		if (stream)
			broker_history_fork(b, stream, batch, name_of(l));
		pass_over(l, heard, m, "it does not continue what is here");
		return;
	case TORAP_VERDICT_UNKNOWN_KEY:
		pass_over(l, heard, m,
			l->upstream->trust_version > b->rules.trust->version
				? "our trust file does not know its key; the upstream has a newer one"
				: "our trust file does not know its key, or does not believe it any more");
		return;
	default:
		refuse(l, a->code, "%s: %s", m->stream.writer, a->reason);
		return;
	}
}

static void take_batch(struct broker_upstream_lane *l, struct torap_batch **take)
{
	struct broker *b = l->upstream->broker;
	const struct torap_manifest *m = (*take)->manifest;
	struct broker_heard_stream *heard =
		m->stream.lane == l->lane ? broker_heard_add(&l->heard, &m->stream) : NULL;
	if (!heard) {
		refuse(l, TORAP__REFUSAL__CODE__MALFORMED, "a batch of another lane, or of too many streams");
		return;
	}
	l->upstream->batches++;
	note_omissions(l, *take);
	struct broker_stream *stream = broker_streams_find(b->streams, &m->stream);
	if (stream && broker_own_writes(b->own, stream)) {
		take_own(l, heard, stream, take);
		return;
	}
	/* A newer trust file may believe what was passed over: the next session, which it makes begin soon, brings it from the begin on. */
	bool empty = !stream || broker_stream_empty(stream);
	if (empty && heard->over && heard->over_trust != b->rules.trust->version) {
		pass_over(l, heard, m, "batches before it were passed over by an older trust file");
		return;
	}
	struct torap_position begin = begin_at(m->batch_no);
	const struct torap_position *at = empty ? &begin : &stream->accepted;
	struct broker_admission a = broker_admission_judge_relayed(&b->rules, *take, at);
	switch (a.answer) {
	case BROKER_ADMIT:
		take_next(l, heard, stream, take, &a);
		break;
	case BROKER_ADMIT_OLD:
		take_again(l, heard, stream, take);
		break;
	case BROKER_ADMIT_GAP:
		pass_over(l, heard, m, "batches between it and what is here are missing there");
		break;
	case BROKER_ADMIT_NOT:
		take_refused(l, heard, stream, *take, &a);
		break;
	}
}

static void on_batch(struct broker_upstream_lane *l, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count)
{
	struct torap_batch *batch = NULL;
	struct torap_error err;
	if (torap_batch_from_frames(&batch, envelope, frames, count, &err)) {
		refuse(l, TORAP__REFUSAL__CODE__MALFORMED, "%s", err.text);
		return;
	}
	take_batch(l, &batch);
	torap_batch_destroy(batch);
}

/* One manifest of a run: a batch of which nothing is granted. */
static void take_manifest(struct broker_upstream_lane *l, const struct torap_envelope *envelope,
	uint64_t batch_no, struct torap_bytes signed_manifest)
{
	struct torap_error err = { "out of memory" };
	struct torap_batch *batch = NULL;
	struct torap_buffer *copy = torap_buffer_copy(signed_manifest);
	int r = copy ? torap_batch_create(&batch, copy, &err) : -1;
	torap_buffer_unref(copy);
	if (r) {
		refuse(l, TORAP__REFUSAL__CODE__MALFORMED, "batch %" PRIu64 " of a run: %s", batch_no,
			err.text);
		return;
	}
	memset(batch->omissions, TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED, batch->manifest->frames_count);
	if (batch->manifest->batch_no != batch_no ||
		!torap_stream_id_equal(&batch->manifest->stream, &envelope->stream))
		refuse(l, TORAP__REFUSAL__CODE__MALFORMED, "a run holds the manifest of another batch");
	else
		take_batch(l, &batch);
	torap_batch_destroy(batch);
}

static void on_run(
	struct broker_upstream_lane *l, const struct torap_envelope *envelope, struct torap_bytes body)
{
	struct torap_run run;
	struct torap_error err = { "it names no stream" };
	if (!envelope->has_stream || torap_run_decode(&run, body, &err)) {
		refuse(l, TORAP__REFUSAL__CODE__MALFORMED, "a run: %s", err.text);
		return;
	}
	for (size_t i = 0; i < run.count && torap_zlink_flowing(l->link); i++)
		take_manifest(l, envelope, envelope->batch_no + i, run.manifests[i]);
	torap_run_finish(&run);
}

/* Heads. */

static void on_head(struct broker_upstream_lane *l, struct torap_buffer *bytes)
{
	struct broker *b = l->upstream->broker;
	struct torap_head head;
	enum torap_verdict v =
		torap_verify_head(&head, torap_buffer_bytes(bytes), torap_trust_lookup, b->rules.trust);
	if (v == TORAP_VERDICT_UNKNOWN_KEY) {
		b->counts.heads_refused++; /* As its batches are: passed over. */
		return;
	}
	if (v != TORAP_VERDICT_GOOD || head.stream.lane != l->lane) {
		b->counts.heads_refused++;
		refuse(l,
			v == TORAP_VERDICT_BAD_SIGNATURE ? TORAP__REFUSAL__CODE__BAD_SIGNATURE
							 : TORAP__REFUSAL__CODE__MALFORMED,
			"a head: %s", v == TORAP_VERDICT_GOOD ? "of another lane" : torap_verdict_name(v));
		return;
	}
	broker_heard_add(&l->heard, &head.stream); /* It counts in the lag. */
	struct broker_stream *stream = broker_streams_find(b->streams, &head.stream);
	if (stream && broker_own_writes(b->own, stream)) {
		broker_history_own_head(b, stream, &head, bytes, name_of(l));
		return;
	}
	if (!stream)
		stream = broker_new_stream(b, &head.stream);
	if (stream)
		broker_history_head(b, stream, &head, bytes, name_of(l));
}

/* Welcome and grant. */

static void take_grant(struct broker_upstream_lane *l, struct torap_grant_row **rows, size_t *count)
{
	torap_grant_rows_destroy(l->granted, l->granted_count);
	l->granted = *rows;
	l->granted_count = *count;
	*rows = NULL;
	*count = 0;
}

/* The operator brings a trust file into force, not an upstream: a newer one is said. */
static void look_at_trust(struct broker_upstream_lane *l, const struct torap_buffer *bytes)
{
	struct broker_upstream *u = l->upstream;
	struct broker *b = u->broker;
	struct torap_trust *trust = NULL;
	struct torap_error err;
	if (!bytes)
		return;
	if (torap_trust_decode(&trust, torap_buffer_bytes(bytes), b->root, torap_app_wall(), &err)) {
		if (!u->trust_refused)
			torap_warn("TRUST-REFUSED", "upstream %s: %s; ours is in force all the same",
				name_of(l), err.text);
		u->trust_refused = true;
		return;
	}
	u->trust_refused = false;
	if (trust->version > b->rules.trust->version && trust->version > u->trust_version)
		torap_warn("TRUST-NEWER",
			"upstream %s has version %" PRIu64
			" of the trust file, signed by the same root, and %" PRIu64
			" is in force here; put it in place of %s and reload",
			name_of(l), trust->version, b->rules.trust->version, b->config->trust);
	if (trust->version > u->trust_version)
		u->trust_version = trust->version;
	torap_trust_unref(trust);
}

static void on_welcome(struct broker_upstream_lane *l, struct torap_bytes body)
{
	struct torap_welcome welcome;
	struct torap_error err;
	if (torap_welcome_decode(&welcome, body, &err)) {
		refuse(l, TORAP__REFUSAL__CODE__MALFORMED, "its welcome: %s", err.text);
		return;
	}
	look_at_trust(l, welcome.trust);
	take_grant(l, &welcome.granted, &welcome.granted_count);
	torap_welcome_finish(&welcome);
	torap_zlink_welcomed(l->link);
}

static void on_grant(struct broker_upstream_lane *l, struct torap_bytes body)
{
	struct torap_grant_row *rows;
	size_t count;
	struct torap_error err;
	if (torap_grant_decode(&rows, &count, body, &err)) {
		refuse(l, TORAP__REFUSAL__CODE__MALFORMED, "its grant: %s", err.text);
		return;
	}
	if (may_say(&l->grant_told))
		torap_notice("GRANT-CHANGED", "upstream %s changed what we are granted on the %s lane",
			name_of(l), torap_lane_name(l->lane));
	take_grant(l, &rows, &count);
}

void broker_upstream_take(struct broker_upstream_lane *l, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count)
{
	if (count == 0) {
		refuse(l, TORAP__REFUSAL__CODE__MALFORMED, "a message without its body");
		return;
	}
	switch (envelope->type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_WELCOME:
		on_welcome(l, torap_buffer_bytes(frames[0]));
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_GRANT:
		on_grant(l, torap_buffer_bytes(frames[0]));
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_BATCH:
		on_batch(l, envelope, frames, count);
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_RUN:
		on_run(l, envelope, torap_buffer_bytes(frames[0]));
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_HEAD:
		on_head(l, frames[0]);
		return;
	default:
		l->upstream->broker->counts.unknown_types++;
		return;
	}
}
