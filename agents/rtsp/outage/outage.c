#include "agents/rtsp/outage/outage.h"

#include <stdlib.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/course.h"
#include "agents/rtsp/outage/decide.h"
#include "agents/rtsp/outage/explain.h"
#include "agents/rtsp/outage/share.h"

enum { FORMED_MAX = 32, TOLD_MAX = 64 /* in a step: each looks at all cameras */ };

const struct rtsp_outage_limits rtsp_outage_limits_default = {
	.cameras = 3,
	.share = 0.8f,
	.back = 0.9f,
	.hold_us = 30 * TORAP_US_PER_S,
	.settle_us = 60 * TORAP_US_PER_S,
	.join_us = 30 * TORAP_US_PER_S,
};

/* A plan that began after the fault did does not excuse it. */
static void look_for_excuse(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault)
{
	struct rtsp_member *m = rtsp_outages_find(o, fault, slot);
	const struct kit_planned *p = o->port.excuse(o->port.hint, slot);
	m->excused = p && (m->state != RTSP_MEMBER_HELD || p->from.us <= m->since.us);
}

static void forget_verdict(struct rtsp_member *m)
{
	free(m->verdict);
	m->verdict = NULL;
}

static void tell_alone(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault)
{
	struct rtsp_member *m = rtsp_outages_find(o, fault, slot);
	struct rtsp_report report = { .fault = fault,
		.start = true,
		.flapping = m->flapping,
		.cause = m->cause,
		.outcome = m->reported,
		.since = m->since,
		.measured = m->verdict != NULL };
	if (m->verdict)
		report.verdict = *m->verdict;
	forget_verdict(m);
	m->state = RTSP_MEMBER_TOLD;
	o->port.tell(o->port.hint, slot, &report);
}

static struct rtsp_outage *new_outage(struct rtsp_outages *o, const struct rtsp_group *g,
	const struct rtsp_what *what, struct torap_wall since)
{
	const struct rtsp_explanation e = rtsp_explain(o, (uint32_t)(g - o->groups.list), what);
	struct rtsp_outage *outage =
		e.held >= o->limits.cameras ? rtsp_course_new(o, g->common, g->name, what) : NULL;
	if (!outage)
		return NULL;
	outage->before = e.before;
	outage->began = since;
	return outage;
}

static enum rtsp_cause usual_cause(
	const struct rtsp_outages *o, enum rtsp_fault fault, const uint32_t *slots, uint32_t count)
{
	uint32_t times[RTSP_CAUSES] = { 0 };
	unsigned usual = 0;
	for (uint32_t i = 0; i < count; i++) {
		unsigned cause = rtsp_outages_member(o, fault, slots[i])->cause;
		if (++times[cause] > times[usual])
			usual = cause;
	}
	return (enum rtsp_cause)usual;
}

/* False: they are too few yet, or there is no memory. */
static bool form(struct rtsp_outages *o, uint32_t group, uint32_t one, const struct rtsp_what *what,
	struct rtsp_now now)
{
	const struct rtsp_group *g = &o->groups.list[group];
	const struct rtsp_member *first = rtsp_outages_member(o, what->fault, one);
	struct rtsp_outage *outage = new_outage(o, g, what, first->since);
	if (!outage)
		return false;
	uint32_t count = 0;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct rtsp_member *m = rtsp_outages_member(o, what->fault, g->members[i]);
		if (m->state != RTSP_MEMBER_HELD || !rtsp_explain_fits(m, what) ||
			!rtsp_course_join(o, outage, g->members[i], now.mono))
			continue;
		o->scratch[count++] = g->members[i];
		if (m->since.us < outage->began.us)
			outage->began = m->since;
	}
	if (!count) {
		rtsp_course_release(o, outage);
		return false;
	}
	outage->cause = rtsp_decide_cause(g->common, what, usual_cause(o, what->fault, o->scratch, count));
	o->starts[what->excused]++;
	rtsp_explaining_forget(o->explaining);
	return first->state == RTSP_MEMBER_IN;
}

static bool join_open(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault, struct rtsp_now now)
{
	struct rtsp_outage *outage = rtsp_course_of(o, slot, fault);
	return outage && rtsp_course_join(o, outage, slot, now.mono);
}

/* True: an outage was made of it. */
static bool decide(
	struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault, bool now_or_never, struct rtsp_now now)
{
	uint32_t group;
	if (join_open(o, slot, fault, now))
		return false;
	const struct rtsp_what what = rtsp_explain_what(rtsp_outages_member(o, fault, slot), fault);
	enum rtsp_decision decision = rtsp_decide(o, slot, fault, now_or_never, now.mono, &group);
	if (decision == RTSP_DECIDE_WAIT)
		return false;
	if (decision == RTSP_DECIDE_GROUP && form(o, group, slot, &what, now))
		return true;
	tell_alone(o, slot, fault);
	return false;
}

/* Nobody sees its pictures any more: what was suspected of them is neither so nor not so. */
static void forget_suspicions(struct rtsp_outages *o, uint32_t slot)
{
	for (struct rtsp_member *m = o->seats[slot].members; m; m = m->next)
		if (m->fault != RTSP_OFFLINE && m->state == RTSP_MEMBER_FREE)
			m->failures = 0;
}

/* Without memory it is told without its measurements. */
static void keep_verdict(struct rtsp_member *m, const struct rtsp_report *report)
{
	forget_verdict(m);
	m->verdict = report->measured ? malloc(sizeof *m->verdict) : NULL;
	if (m->verdict)
		*m->verdict = report->verdict;
}

/* Without memory each camera is told by itself. */
static void take_start(
	struct rtsp_outages *o, uint32_t slot, const struct rtsp_report *report, struct rtsp_now now)
{
	struct rtsp_member *m = rtsp_outages_get(o, report->fault, slot);
	if (!m) {
		o->port.tell(o->port.hint, slot, report);
		return;
	}
	m->state = RTSP_MEMBER_HELD;
	m->since = report->since;
	m->cause = report->cause;
	m->reported = report->outcome;
	m->flapping = report->flapping;
	m->deadline.us = now.mono.us + o->limits.hold_us;
	keep_verdict(m, report);
	if (!m->failures) {
		m->failures = 1;
		m->failing_since = now.mono;
		m->outcome = report->outcome;
	}
	o->stirred |= rtsp_fault_bit(report->fault);
	if (report->fault == RTSP_OFFLINE)
		forget_suspicions(o, slot);
	look_for_excuse(o, slot, report->fault);
	if (!join_open(o, slot, report->fault, now) && !o->limits.cameras)
		tell_alone(o, slot, report->fault);
}

void rtsp_outages_report(
	struct rtsp_outages *o, uint32_t slot, const struct rtsp_report *report, struct rtsp_now now)
{
	if (report->start) {
		take_start(o, slot, report, now);
		return;
	}
	struct rtsp_member *m = rtsp_outages_find(o, report->fault, slot);
	if (!m) {
		o->port.tell(o->port.hint, slot, report);
		return;
	}
	if (m->state == RTSP_MEMBER_HELD) {
		rtsp_explaining_forget(o->explaining);
		decide(o, slot, report->fault, true, now);
	}
	forget_verdict(m);
	if (m->state == RTSP_MEMBER_IN) {
		rtsp_course_back(o, slot, report->fault, now.mono);
		return;
	}
	m->state = RTSP_MEMBER_FREE;
	o->port.tell(o->port.hint, slot, report);
}

/* Of one fault: which kinds of failures there are; and whether they are excused. */
static uint32_t look_at_failing(struct rtsp_outages *o, enum rtsp_fault fault)
{
	uint32_t kinds = 0;
	for (uint32_t slot = 0; slot < o->room; slot++) {
		const struct rtsp_member *m = rtsp_outages_member(o, fault, slot);
		if (!rtsp_explain_fails(m))
			continue;
		look_for_excuse(o, slot, fault);
		kinds |= 1u << rtsp_explain_what(m, fault).kind;
	}
	return kinds;
}

static void hurry(
	struct rtsp_outages *o, enum rtsp_fault fault, enum rtsp_outcome kind, struct torap_mono now)
{
	for (uint32_t slot = 0; slot < o->room; slot++) {
		const struct rtsp_member *m = rtsp_outages_member(o, fault, slot);
		const struct rtsp_what what = rtsp_explain_what(m, fault);
		if (!rtsp_explain_fails(m) || what.kind != kind)
			continue;
		for (unsigned i = 0; i < RTSP_COMMONS; i++)
			if (o->groups.of[slot][i] != RTSP_NO_GROUP)
				rtsp_explain_hurry(o, o->groups.of[slot][i], &what, now);
	}
}

/* Each new outage changes what explains the others, so they are few in one step. */
static void decide_all(struct rtsp_outages *o, enum rtsp_fault fault, enum rtsp_outcome kind,
	unsigned *formed, struct rtsp_now now)
{
	for (uint32_t slot = 0; slot < o->room && *formed < FORMED_MAX; slot++) {
		const struct rtsp_member *m = rtsp_outages_member(o, fault, slot);
		if (m->state == RTSP_MEMBER_HELD && rtsp_explain_what(m, fault).kind == kind)
			*formed += decide(o, slot, fault, false, now);
	}
}

static void step_fault(struct rtsp_outages *o, enum rtsp_fault fault, unsigned *formed, struct rtsp_now now)
{
	uint32_t kinds = look_at_failing(o, fault);
	if (!kinds)
		o->stirred &= ~rtsp_fault_bit(fault);
	for (unsigned kind = 0; kind < RTSP_OUTCOMES; kind++) {
		if (!(kinds >> kind & 1))
			continue;
		if (o->limits.cameras)
			hurry(o, fault, (enum rtsp_outcome)kind, now.mono);
		decide_all(o, fault, (enum rtsp_outcome)kind, formed, now);
	}
}

void rtsp_outages_step(struct rtsp_outages *o, struct rtsp_now now)
{
	unsigned told = 0, formed = 0;
	for (uint32_t i = 0; i < o->shares_room && told < TOLD_MAX; i++)
		told += rtsp_course_step(o, &o->shares[i], now);
	if (!o->room)
		return;
	rtsp_explaining_forget(o->explaining);
	for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++)
		if (o->stirred & rtsp_fault_bit(f))
			step_fault(o, f, &formed, now);
	for (uint32_t i = 0; i < o->shares_room && told < TOLD_MAX; i++)
		told += rtsp_share_due(o, &o->shares[i], now);
}
