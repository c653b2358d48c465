/* Batches, runs and heads on their way in: decode, verify, hand to the committer. */
#include "agents/follow/inside.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "link/run.h"
#include "loop/app.h"

static void refuse(struct follow *f, struct torap_zlink *l, int code, const struct torap_stream_id *stream,
	uint64_t batch_no, const char *why)
{
	char text[TORAP_STREAM_TEXT_SIZE] = "-";
	if (stream)
		torap_stream_id_format(stream, text);
	f->totals.refused++;
	torap_fail("BATCH-REFUSED",
		"broker %s: %s batch %" PRIu64 ": %s; not stored, the %s lane is taken down",
		torap_zlink_peer(l)->name, text, batch_no, why, torap_lane_name(torap_zlink_lane(l)));
	torap_zlink_refuse(l, code);
}

static int code_of(enum torap_verdict v)
{
	switch (v) {
	case TORAP_VERDICT_UNKNOWN_KEY:
	case TORAP_VERDICT_BAD_SIGNATURE:
	case TORAP_VERDICT_BAD_DIGEST:
		return TORAP__REFUSAL__CODE__BAD_SIGNATURE;
	case TORAP_VERDICT_GAP:
	case TORAP_VERDICT_BROKEN_CHAIN:
		return TORAP__REFUSAL__CODE__BROKEN_CHAIN;
	default:
		return TORAP__REFUSAL__CODE__MALFORMED;
	}
}

/* Batches come at any rate. */
bool follow_may_tell(struct torap_mono *told)
{
	struct torap_mono now = torap_app_mono();
	if (!torap_mono_reached(torap_mono_add_ms(*told, 1000), now))
		return false;
	*told = now;
	return true;
}

/* A granted frame that is empty must have a reason. */
static void look_for_withheld(struct follow *f, struct torap_zlink *l, const struct torap_batch *b)
{
	const struct follow_lane *lane = &f->lanes[torap_zlink_lane(l)];
	unsigned withheld = 0;
	for (unsigned g = 0; g < b->manifest->groups_count; g++) {
		const struct torap_group *group = &b->manifest->groups[g];
		bool parts[4];
		torap_grant_parts(lane->granted, lane->granted_count, &group->class, parts);
		for (unsigned p = 0; p < group->parts_count; p++) {
			unsigned i = group->first_frame + p;
			withheld += parts[group->parts[p].part] && !b->frames[i] &&
				    b->omissions[i] == TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED;
		}
	}
	f->totals.withheld += withheld;
	if (withheld && follow_may_tell(&f->withheld_told)) {
		char text[TORAP_STREAM_TEXT_SIZE];
		torap_warn("FRAMES-WITHHELD",
			"broker %s: %s batch %" PRIu64
			" came without %u granted frames and without a reason; %" PRIu64 " such in all",
			torap_zlink_peer(l)->name, torap_stream_id_format(&b->manifest->stream, text),
			b->manifest->batch_no, withheld, f->totals.withheld);
	}
}

static void enforce_rights(struct follow *f, struct torap_zlink *l, struct torap_batch *b)
{
	unsigned dropped = follow_rights_enforce(b, f->trust);
	if (!dropped)
		return;
	char text[TORAP_STREAM_TEXT_SIZE];
	f->totals.beyond += dropped;
	if (follow_may_tell(&f->beyond_told))
		torap_warn("RIGHTS-EXCEEDED",
			"broker %s: %s batch %" PRIu64
			": %u frames beyond the writer's rights; not stored; %" PRIu64 " such in all",
			torap_zlink_peer(l)->name, torap_stream_id_format(&b->manifest->stream, text),
			b->manifest->batch_no, dropped, f->totals.beyond);
}

/* Takes the batch.  False: the link is down. */
static bool take_batch(struct follow *f, struct torap_zlink *l, struct torap_batch *b)
{
	const struct torap_manifest *m = b->manifest;
	struct follow_stream *s = follow_streams_find(&f->streams, &m->stream);
	if (!s && m->batch_no == 1)
		s = follow_streams_add(&f->streams, &m->stream);
	if (!s || m->stream.lane != torap_zlink_lane(l)) {
		refuse(f, l, TORAP__REFUSAL__CODE__BROKEN_CHAIN, &m->stream, m->batch_no,
			"a stream that does not begin here, or is one of another lane");
		torap_batch_destroy(b);
		return false;
	}
	if (follow_lets_go(f, s, b)) {
		torap_batch_destroy(b);
		return true;
	}
	if (!follow_believed(f->trust, b->manifest)) {
		refuse(f, l, TORAP__REFUSAL__CODE__BAD_SIGNATURE, &m->stream, m->batch_no,
			"beyond the last good batch of a compromised writer, says the trust file");
		torap_batch_destroy(b);
		return false;
	}
	enum torap_verdict v = follow_stream_check(s, f->trust, b);
	if (v != TORAP_VERDICT_GOOD && v != TORAP_VERDICT_OLD) {
		/* Signed by the writer, and no continuation of what it signed: proof of a fork.  Before the first batch there is
		 * nothing but a broker's word for where the stream stands, and that proves nothing. */
		if (v == TORAP_VERDICT_BROKEN_CHAIN && s->at.next_seq)
			follow_commit_proof(f, s, TORAP_PROOF_MANIFEST, m->batch_no, b->signed_manifest);
		refuse(f, l, code_of(v), &m->stream, m->batch_no, torap_verdict_name(v));
		torap_batch_destroy(b);
		return false;
	}
	follow_stream_shown(s, b->manifest);
	if (v == TORAP_VERDICT_OLD && follow_lets_go_old(f)) {
		torap_batch_destroy(b);
		return true;
	}
	enforce_rights(f, l, b);
	if (v == TORAP_VERDICT_GOOD)
		look_for_withheld(f, l, b);
	follow_commit_batch(f, s, &b);
	return true;
}

static void on_batch(struct follow *f, struct torap_zlink *l, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count)
{
	struct torap_batch *b;
	struct torap_error err;
	if (torap_batch_from_frames(&b, envelope, frames, count, &err)) {
		refuse(f, l, TORAP__REFUSAL__CODE__MALFORMED, &envelope->stream, envelope->batch_no,
			err.text);
		return;
	}
	take_batch(f, l, b);
}

/* One manifest of a run: a batch of which nothing is granted. */
static bool take_manifest(struct follow *f, struct torap_zlink *l, const struct torap_envelope *envelope,
	uint64_t batch_no, struct torap_bytes signed_manifest)
{
	struct torap_error err = { "out of memory" };
	struct torap_batch *b = NULL;
	struct torap_buffer *copy = torap_buffer_copy(signed_manifest);
	int r = copy ? torap_batch_create(&b, copy, &err) : -1;
	torap_buffer_unref(copy);
	if (r) {
		refuse(f, l, TORAP__REFUSAL__CODE__MALFORMED, &envelope->stream, batch_no, err.text);
		return false;
	}
	if (b->manifest->batch_no != batch_no ||
		!torap_stream_id_equal(&b->manifest->stream, &envelope->stream)) {
		refuse(f, l, TORAP__REFUSAL__CODE__MALFORMED, &envelope->stream, batch_no,
			"the run holds the manifest of another batch");
		torap_batch_destroy(b);
		return false;
	}
	memset(b->omissions, TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED, b->manifest->frames_count);
	return take_batch(f, l, b);
}

static void on_run(struct follow *f, struct torap_zlink *l, const struct torap_envelope *envelope,
	struct torap_bytes body)
{
	struct torap_run run;
	struct torap_error err;
	if (!envelope->has_stream || torap_run_decode(&run, body, &err)) {
		refuse(f, l, TORAP__REFUSAL__CODE__MALFORMED, envelope->has_stream ? &envelope->stream : NULL,
			envelope->batch_no, envelope->has_stream ? err.text : "a run of no stream");
		return;
	}
	for (size_t i = 0; i < run.count; i++)
		if (!take_manifest(f, l, envelope, envelope->batch_no + i, run.manifests[i]))
			break;
	torap_run_finish(&run);
}

static void keep_proof(struct follow *f, struct torap_zlink *l, struct follow_stream *s,
	const struct torap_head *head, struct torap_buffer *bytes, const char *what)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	f->totals.proofs++;
	if (!follow_commit_proof(f, s, TORAP_PROOF_HEAD, (uint64_t)head->at.us, bytes))
		return;
	torap_fail("HISTORY-CHANGED",
		"broker %s: a head of %s proves a %s: it says batch %" PRIu64 ", known was %" PRIu64
		"; both documents are kept",
		torap_zlink_peer(l)->name, torap_stream_id_format(&s->id, text), what, head->last_batch,
		s->has_head ? s->head.last_batch : s->at.next_batch - 1);
	if (s->has_head)
		follow_commit_proof(f, s, TORAP_PROOF_HEAD, (uint64_t)s->head.at.us, s->head_bytes);
}

/* An old head again says nothing of whether its writer lives. */
static void note_heard(struct follow_stream *s)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	s->head_heard = torap_app_mono();
	if (s->silent)
		torap_notice("WRITER-BACK", "%s has heads again", torap_stream_id_format(&s->id, text));
	s->silent = false;
}

static void on_head(struct follow *f, struct torap_zlink *l, struct torap_buffer *body)
{
	struct torap_head head;
	enum torap_verdict v =
		torap_verify_head(&head, torap_buffer_bytes(body), torap_trust_lookup, f->trust);
	if (v != TORAP_VERDICT_GOOD) {
		f->totals.refused++;
		torap_fail("HEAD-REFUSED",
			"broker %s: a head is not what its writer signed: %s; the %s lane is taken down",
			torap_zlink_peer(l)->name, torap_verdict_name(v),
			torap_lane_name(torap_zlink_lane(l)));
		torap_zlink_refuse(l, code_of(v));
		return;
	}
	struct follow_stream *s = follow_streams_add(&f->streams, &head.stream);
	if (!s || head.stream.lane != torap_zlink_lane(l)) {
		refuse(f, l, TORAP__REFUSAL__CODE__LIMIT, &head.stream, head.last_batch,
			"a head of another lane, or more streams than one subscriber can have");
		return;
	}
	switch (follow_stream_head(s, &head, body)) {
	case FOLLOW_HEAD_NEWER:
		note_heard(s);
		follow_writer_head(s, &head);
		return;
	case FOLLOW_HEAD_OLDER:
		return;
	case FOLLOW_HEAD_ROLLBACK:
		keep_proof(f, l, s, &head, body, "rollback");
		return;
	case FOLLOW_HEAD_FORK:
		keep_proof(f, l, s, &head, body, "fork");
		return;
	}
}

void follow_receive(struct follow *f, struct torap_zlink *l, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count)
{
	if (count == 0) {
		refuse(f, l, TORAP__REFUSAL__CODE__MALFORMED, NULL, 0, "a message without its body");
		return;
	}
	switch (envelope->type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_WELCOME:
		follow_receive_welcome(f, l, torap_buffer_bytes(frames[0]));
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_GRANT:
		follow_receive_grant(f, l, torap_buffer_bytes(frames[0]));
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_BATCH:
		on_batch(f, l, envelope, frames, count);
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_RUN:
		on_run(f, l, envelope, torap_buffer_bytes(frames[0]));
		return;
	case TORAP__MESSAGE_TYPE__MESSAGE_HEAD:
		on_head(f, l, frames[0]);
		return;
	default:
		torap_debug("MESSAGE-UNKNOWN", "broker %s: a message of type %" PRIu32 " is ignored",
			torap_zlink_peer(l)->name, envelope->type);
		return;
	}
}
