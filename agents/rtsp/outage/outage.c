#include "agents/rtsp/outage/outage.h"

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
static void look_for_excuse(struct rtsp_outages *o, uint32_t slot)
{
	struct rtsp_member *m = &o->members[slot];
	const struct kit_planned *p = o->port.excuse(o->port.hint, slot);
	m->excused = p && (m->state != RTSP_MEMBER_HELD || p->from.us <= m->since.us);
}

static void tell_alone(struct rtsp_outages *o, uint32_t slot)
{
	struct rtsp_member *m = &o->members[slot];
	const struct rtsp_report report = { .fault = RTSP_OFFLINE,
		.start = true,
		.flapping = m->flapping,
		.cause = m->cause,
		.outcome = m->reported,
		.since = m->since };
	m->state = RTSP_MEMBER_TOLD;
	o->port.tell(o->port.hint, slot, &report);
}

static struct rtsp_outage *new_outage(struct rtsp_outages *o, const struct rtsp_group *g,
	const struct rtsp_member *one, const struct rtsp_explanation *e)
{
	struct rtsp_outage *outage =
		rtsp_course_new(o, g->common, g->name, rtsp_explain_kind(one), one->excused);
	if (!outage)
		return NULL;
	outage->before = e->before;
	outage->began = one->since;
	return outage;
}

/* False: they are too few yet, or there is no memory. */
static bool form(struct rtsp_outages *o, uint32_t group, uint32_t one, struct rtsp_now now)
{
	const struct rtsp_group *g = &o->groups.list[group];
	const enum rtsp_outcome kind = rtsp_explain_kind(&o->members[one]);
	const bool excused = o->members[one].excused;
	const struct rtsp_explanation e = rtsp_explain(o, group, kind, excused);
	struct rtsp_outage *outage =
		e.held >= o->limits.cameras ? new_outage(o, g, &o->members[one], &e) : NULL;
	if (!outage)
		return false;
	uint32_t count = 0;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct rtsp_member *m = &o->members[g->members[i]];
		if (m->state != RTSP_MEMBER_HELD || !rtsp_explain_fits(m, kind, excused) ||
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
	uint32_t first = rtsp_decide_first(o, o->scratch, count, o->scratch + o->room);
	outage->cause = rtsp_decide_cause(g->common, kind, o->members[first].cause);
	o->starts[excused]++;
	rtsp_explaining_forget(o->explaining);
	return o->members[one].state == RTSP_MEMBER_IN;
}

static bool join_open(struct rtsp_outages *o, uint32_t slot, struct rtsp_now now)
{
	struct rtsp_outage *outage = rtsp_course_of(o, slot);
	return outage && rtsp_course_join(o, outage, slot, now.mono);
}

/* True: an outage was made of it. */
static bool decide(struct rtsp_outages *o, uint32_t slot, bool now_or_never, struct rtsp_now now)
{
	uint32_t group;
	if (join_open(o, slot, now))
		return false;
	enum rtsp_decision decision = rtsp_decide(o, slot, now_or_never, now.mono, &group);
	if (decision == RTSP_DECIDE_WAIT)
		return false;
	if (decision == RTSP_DECIDE_GROUP && form(o, group, slot, now))
		return true;
	tell_alone(o, slot);
	return false;
}

static void take_start(
	struct rtsp_outages *o, uint32_t slot, const struct rtsp_report *report, struct rtsp_now now)
{
	struct rtsp_member *m = &o->members[slot];
	m->state = RTSP_MEMBER_HELD;
	m->since = report->since;
	m->cause = report->cause;
	m->reported = report->outcome;
	m->flapping = report->flapping;
	m->deadline.us = now.mono.us + o->limits.hold_us;
	if (!m->failures)
		rtsp_outages_failed(o, slot, report->outcome, now.mono);
	look_for_excuse(o, slot);
	if (!join_open(o, slot, now) && !o->limits.cameras)
		tell_alone(o, slot);
}

void rtsp_outages_report(
	struct rtsp_outages *o, uint32_t slot, const struct rtsp_report *report, struct rtsp_now now)
{
	struct rtsp_member *m = &o->members[slot];
	if (report->start) {
		take_start(o, slot, report, now);
		return;
	}
	if (m->state == RTSP_MEMBER_HELD) {
		rtsp_explaining_forget(o->explaining);
		decide(o, slot, true, now);
	}
	if (m->state == RTSP_MEMBER_IN) {
		rtsp_course_back(o, slot, now.mono);
		return;
	}
	m->state = RTSP_MEMBER_FREE;
	o->port.tell(o->port.hint, slot, report);
}

/* Which kinds of failures there are; and whether they are excused. */
static uint32_t look_at_failing(struct rtsp_outages *o)
{
	uint32_t kinds = 0;
	for (uint32_t slot = 0; slot < o->room; slot++) {
		const struct rtsp_member *m = &o->members[slot];
		if (!m->number || !rtsp_explain_fails(m))
			continue;
		look_for_excuse(o, slot);
		kinds |= 1u << rtsp_explain_kind(m);
	}
	return kinds;
}

static void hurry(struct rtsp_outages *o, enum rtsp_outcome kind, struct torap_mono now)
{
	for (uint32_t slot = 0; slot < o->room; slot++) {
		const struct rtsp_member *m = &o->members[slot];
		if (!m->number || !rtsp_explain_fails(m) || rtsp_explain_kind(m) != kind)
			continue;
		for (unsigned i = 0; i < RTSP_COMMONS; i++)
			if (o->groups.of[slot][i] != RTSP_NO_GROUP)
				rtsp_explain_hurry(o, o->groups.of[slot][i], kind, m->excused, now);
	}
}

/* Each new outage changes what explains the others, so they are few in one step. */
static void decide_all(struct rtsp_outages *o, enum rtsp_outcome kind, unsigned *formed, struct rtsp_now now)
{
	for (uint32_t slot = 0; slot < o->room && *formed < FORMED_MAX; slot++)
		if (o->members[slot].state == RTSP_MEMBER_HELD &&
			rtsp_explain_kind(&o->members[slot]) == kind)
			*formed += decide(o, slot, false, now);
}

void rtsp_outages_step(struct rtsp_outages *o, struct rtsp_now now)
{
	unsigned told = 0;
	for (uint32_t i = 0; i < o->shares_room && told < TOLD_MAX; i++)
		told += rtsp_course_step(o, &o->shares[i], now);
	if (!o->room)
		return;
	rtsp_explaining_forget(o->explaining);
	uint32_t kinds = look_at_failing(o);
	unsigned formed = 0;
	for (unsigned kind = 0; kind < RTSP_OUTCOMES; kind++) {
		if (!(kinds >> kind & 1))
			continue;
		if (o->limits.cameras)
			hurry(o, (enum rtsp_outcome)kind, now.mono);
		decide_all(o, (enum rtsp_outcome)kind, &formed, now);
	}
	for (uint32_t i = 0; i < o->shares_room && told < TOLD_MAX; i++)
		told += rtsp_share_due(o, &o->shares[i], now);
}
