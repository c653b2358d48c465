#include "broker/admission.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/session.pb-c.h"

__attribute__((format(printf, 3, 4))) static struct broker_admission no(
	int code, enum torap_verdict verdict, const char *format, ...)
{
	struct broker_admission a = { .answer = BROKER_ADMIT_NOT, .verdict = verdict, .code = code };
	va_list args;
	va_start(args, format);
	vsnprintf(a.reason, sizeof a.reason, format, args);
	va_end(args);
	return a;
}

/* Leaves out what the writer may not speak for.  The manifest stays: the stream has no hole, and everyone sees what was refused. */
static void leave_out(struct torap_batch *batch, const struct torap_trust_writer *trusted,
	const struct broker_policy_writer *named, struct broker_admission *a)
{
	const struct torap_manifest *m = batch->manifest;
	for (unsigned g = 0; g < m->groups_count; g++) {
		const struct torap_group *group = &m->groups[g];
		if (torap_trust_may_speak(trusted, group->class.region) &&
			(!named || broker_policy_may_speak(named, group->class.region)))
			continue;
		a->beyond_groups++;
		a->beyond_events += group->count;
		for (unsigned i = 0; i < group->parts_count; i++) {
			unsigned frame = group->first_frame + i;
			batch->frames[frame] = torap_buffer_unref(batch->frames[frame]);
			batch->omissions[frame] = TORAP__OMISSION_REASON__OMISSION_REFUSED;
		}
	}
}

static struct broker_admission judge(const struct broker_rules *rules,
	const struct torap_trust_writer *trusted, struct torap_batch *batch, const struct torap_position *at)
{
	const struct torap_manifest *m = batch->manifest;
	unsigned bad_frame = 0;
	enum torap_verdict verdict = torap_verify_batch(batch, torap_trust_lookup, rules->trust, &bad_frame);
	if (verdict == TORAP_VERDICT_MALFORMED)
		return no(TORAP__REFUSAL__CODE__MALFORMED, verdict, "batch %" PRIu64 " is malformed",
			m->batch_no);
	if (verdict == TORAP_VERDICT_BAD_DIGEST && bad_frame == m->frames_count)
		return no(TORAP__REFUSAL__CODE__BAD_SIGNATURE, verdict,
			"batch %" PRIu64 ": the digests of its frames are not those that were signed",
			m->batch_no);
	if (verdict == TORAP_VERDICT_BAD_DIGEST)
		return no(TORAP__REFUSAL__CODE__BAD_SIGNATURE, verdict,
			"batch %" PRIu64 ": frame %u is not the one that was signed", m->batch_no, bad_frame);
	if (verdict != TORAP_VERDICT_GOOD)
		return no(TORAP__REFUSAL__CODE__BAD_SIGNATURE, verdict, "batch %" PRIu64 ": %s", m->batch_no,
			torap_verdict_name(verdict));
	if (!torap_trust_believes(trusted, &m->stream, m->batch_no))
		return no(TORAP__REFUSAL__CODE__BAD_SIGNATURE, TORAP_VERDICT_UNKNOWN_KEY,
			"batch %" PRIu64 " is beyond the last good one of its stream", m->batch_no);

	struct broker_admission a = { .answer = BROKER_ADMIT, .verdict = torap_verify_chain(at, m) };
	if (a.verdict == TORAP_VERDICT_GAP) {
		a.answer = BROKER_ADMIT_GAP;
		return a;
	}
	if (a.verdict != TORAP_VERDICT_GOOD && a.verdict != TORAP_VERDICT_OLD)
		return no(TORAP__REFUSAL__CODE__BROKEN_CHAIN, a.verdict,
			"batch %" PRIu64 " does not continue what is here", m->batch_no);
	leave_out(batch, trusted, broker_policy_writer(rules->policy, m->stream.writer), &a);
	if (a.verdict == TORAP_VERDICT_OLD) /* What is beyond its rights was told when it came first. */
		a = (struct broker_admission){ .answer = BROKER_ADMIT_OLD, .verdict = a.verdict };
	return a;
}

struct broker_admission broker_admission_judge(const struct broker_rules *rules, const char *writer,
	uint32_t lane, struct torap_batch *batch, const struct torap_position *at)
{
	const struct torap_manifest *m = batch->manifest;
	const struct torap_trust_writer *trusted = broker_rules_writer(rules, writer);
	if (!trusted)
		return no(TORAP__REFUSAL__CODE__NOT_ADMITTED, TORAP_VERDICT_UNKNOWN_KEY,
			"%s is not among the writers any more", writer);
	if (strcmp(m->stream.writer, writer) != 0 || m->stream.lane != lane)
		return no(TORAP__REFUSAL__CODE__MALFORMED, TORAP_VERDICT_MALFORMED,
			"a batch of %s, lane %u, in a session of %s, lane %u", m->stream.writer,
			m->stream.lane, writer, lane);
	return judge(rules, trusted, batch, at);
}

struct broker_admission broker_admission_judge_relayed(
	const struct broker_rules *rules, struct torap_batch *batch, const struct torap_position *at)
{
	const char *writer = batch->manifest->stream.writer;
	const struct torap_trust_writer *trusted = torap_trust_writer(rules->trust, writer);
	if (!trusted)
		return no(TORAP__REFUSAL__CODE__NOT_ADMITTED, TORAP_VERDICT_UNKNOWN_KEY,
			"%s does not stand in the trust file", writer);
	return judge(rules, trusted, batch, at);
}
