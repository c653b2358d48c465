#include "agents/rtsp/outage/outage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/decide.h"
#include "agents/rtsp/outage/explain.h"

enum { HURRY_AGAIN_S = 10, FORMED_MAX = 32, LIST_FIRST = 8 };

const struct rtsp_outage_limits rtsp_outage_limits_default = {
	.cameras = 3,
	.share = 0.8f,
	.back = 0.9f,
	.hold_us = 30 * TORAP_US_PER_S,
	.settle_us = 60 * TORAP_US_PER_S,
	.join_us = 30 * TORAP_US_PER_S,
};

static uint32_t place_of(const struct rtsp_outages *o, const struct rtsp_outage *outage)
{
	return (uint32_t)(outage - o->list);
}

static bool is_open(const struct rtsp_outage *outage)
{
	return outage->number && !outage->ended;
}

/* The cameras. */

static void leave_group(struct rtsp_outages *o, const struct rtsp_member *gone, struct torap_mono now)
{
	if (gone->outage == RTSP_NO_OUTAGE)
		return;
	struct rtsp_outage *outage = &o->list[gone->outage];
	outage->members--;
	outage->dark -= gone->state == RTSP_MEMBER_IN;
	outage->left_at = now;
	o->changes++;
}

/* Of one that has ended its members are free again. */
static bool may_speak_for(const struct rtsp_outages *o, uint32_t i, uint32_t place)
{
	const struct rtsp_outage *outage = &o->list[place];
	return o->members[i].number &&
	       (o->members[i].outage == place || (outage->ended && outage->group != RTSP_NO_GROUP &&
							 o->groups.of[i][outage->common] == outage->group));
}

/* In whose name it is told, when the camera that it was is gone: any other. */
static void choose_first(struct rtsp_outages *o, uint32_t place)
{
	struct rtsp_outage *outage = &o->list[place];
	uint64_t other = 0;
	for (uint32_t i = 0; i < o->room; i++) {
		if (!may_speak_for(o, i, place))
			continue;
		if (o->members[i].number == outage->first)
			return;
		other = other ? other : o->members[i].number;
	}
	outage->first = other ? other : outage->first;
}

static void move_members(struct rtsp_outages *o, struct rtsp_member *fresh, const uint64_t *numbers,
	uint32_t room, struct torap_mono now)
{
	for (uint32_t i = 0; i < room; i++) {
		bool stays = i < o->room && numbers[i] && o->members[i].number == numbers[i];
		fresh[i] = stays ? o->members[i]
				 : (struct rtsp_member){ .number = numbers[i], .outage = RTSP_NO_OUTAGE };
	}
	for (uint32_t i = 0; i < o->room; i++)
		if (i >= room || numbers[i] != o->members[i].number)
			leave_group(o, &o->members[i], now);
}

int rtsp_outages_set(struct rtsp_outages *o, const uint64_t *numbers, const struct rtsp_belongs *belongs,
	uint32_t room, struct torap_mono now)
{
	struct rtsp_groups groups;
	if (rtsp_groups_make(&groups, belongs, room))
		return -ENOMEM;
	struct rtsp_member *members = calloc((size_t)room + 1, sizeof *members);
	uint32_t *scratch = calloc(2 * (size_t)room + 1, sizeof *scratch);
	struct rtsp_explaining *explaining = rtsp_explaining_create(groups.count, room);
	if (!members || !scratch || !explaining) {
		free(members);
		free(scratch);
		rtsp_explaining_destroy(explaining);
		rtsp_groups_finish(&groups);
		return -ENOMEM;
	}
	move_members(o, members, numbers, room, now);
	rtsp_groups_finish(&o->groups);
	free(o->members);
	free(o->scratch);
	rtsp_explaining_destroy(o->explaining);
	o->groups = groups;
	o->members = members;
	o->scratch = scratch;
	o->explaining = explaining;
	o->room = room;
	for (uint32_t i = 0; i < o->list_room; i++) {
		if (!o->list[i].number)
			continue;
		o->list[i].group = rtsp_groups_find(&o->groups, o->list[i].common, o->list[i].name);
		choose_first(o, i);
	}
	return 0;
}

void rtsp_outages_finish(struct rtsp_outages *o)
{
	for (uint32_t i = 0; i < o->list_room; i++) {
		free(o->list[i].name);
		kit_planned_unref(o->list[i].planned);
	}
	rtsp_groups_finish(&o->groups);
	rtsp_explaining_destroy(o->explaining);
	free(o->list);
	free(o->members);
	free(o->scratch);
	*o = (struct rtsp_outages){ .limits = o->limits, .port = o->port };
}

void rtsp_outages_well(struct rtsp_outages *o, uint32_t slot, struct torap_mono now)
{
	o->members[slot].failures = 0;
	o->members[slot].well_at = now;
}

void rtsp_outages_failed(
	struct rtsp_outages *o, uint32_t slot, enum rtsp_outcome outcome, struct torap_mono now)
{
	struct rtsp_member *m = &o->members[slot];
	if (!m->failures)
		m->failing_since = now;
	m->failures += m->failures < UINT8_MAX;
	m->outcome = outcome;
}

void rtsp_outages_known(struct rtsp_outages *o, uint32_t slot)
{
	o->members[slot].state = RTSP_MEMBER_TOLD;
}

uint32_t rtsp_outages_held(const struct rtsp_outages *o)
{
	uint32_t held = 0;
	for (uint32_t i = 0; i < o->room; i++)
		held += o->members[i].state == RTSP_MEMBER_HELD;
	return held;
}

/* A plan that began after the fault did does not excuse it. */
static void look_for_excuse(struct rtsp_outages *o, uint32_t slot)
{
	struct rtsp_member *m = &o->members[slot];
	const struct kit_planned *p = o->port.excuse(o->port.hint, slot);
	m->excused = p && (m->state != RTSP_MEMBER_HELD || p->from.us <= m->since.us);
}

/* Outages. */

static struct rtsp_outage *new_outage(struct rtsp_outages *o, enum rtsp_common common, const char *name)
{
	uint32_t place = 0;
	while (place < o->list_room && o->list[place].number)
		place++;
	if (place == o->list_room) {
		uint32_t room = o->list_room ? 2 * o->list_room : LIST_FIRST;
		struct rtsp_outage *list = reallocarray(o->list, room, sizeof *list);
		if (!list)
			return NULL;
		memset(list + o->list_room, 0, (room - o->list_room) * sizeof *list);
		o->list = list;
		o->list_room = room;
	}
	char *copy = strdup(name);
	if (!copy)
		return NULL;
	o->list[place] = (struct rtsp_outage){ .number = ++o->numbers,
		.common = common,
		.name = copy,
		.group = rtsp_groups_find(&o->groups, common, name) };
	return &o->list[place];
}

static void drop(struct rtsp_outage *outage)
{
	free(outage->name);
	kit_planned_unref(outage->planned);
	*outage = (struct rtsp_outage){ 0 };
}

static enum rtsp_outcome usual_outcome(const struct rtsp_outages *o, const uint32_t *slots, uint32_t count)
{
	uint32_t times[RTSP_OUTCOMES] = { 0 };
	unsigned usual = 0;
	for (uint32_t i = 0; i < count; i++)
		if (++times[o->members[slots[i]].reported] > times[usual])
			usual = o->members[slots[i]].reported;
	return (enum rtsp_outcome)usual;
}

static bool is_flapping(const struct rtsp_outages *o, const uint32_t *slots, uint32_t count)
{
	uint32_t flapping = 0;
	for (uint32_t i = 0; i < count; i++)
		flapping += o->members[slots[i]].flapping;
	return 2 * flapping > count;
}

static void tell(struct rtsp_outages *o, struct rtsp_outage *outage, enum rtsp_mass_state state,
	uint32_t count, uint32_t others)
{
	const uint32_t *slots = o->scratch;
	const struct rtsp_mass mass = {
		.outage = outage,
		.state = state,
		.outcome = state == RTSP_MASS_START ? usual_outcome(o, slots, count) : 0,
		.of = outage->group == RTSP_NO_GROUP ? outage->members : o->groups.list[outage->group].count,
		.flapping = state == RTSP_MASS_START && is_flapping(o, slots, count),
		.slots = slots,
		.slots_count = count,
		.others = o->scratch + o->room,
		.others_count = others,
	};
	outage->pending |= state != RTSP_MASS_END;
	outage->joined = outage->left = false;
	o->changes++;
	o->port.tell_mass(o->port.hint, &mass);
}

static void tell_start(struct rtsp_outages *o, struct rtsp_outage *outage)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < o->room; i++)
		if (o->members[i].outage == place_of(o, outage))
			o->scratch[count++] = i;
	o->starts[outage->planned != NULL]++;
	tell(o, outage, RTSP_MASS_START, count, 0);
}

static void tell_change(struct rtsp_outages *o, struct rtsp_outage *outage)
{
	uint32_t joined = 0, left = 0;
	for (uint32_t i = 0; i < o->room; i++) {
		struct rtsp_member *m = &o->members[i];
		if (m->outage != place_of(o, outage) || !m->untold)
			continue;
		m->untold = false;
		if (m->state == RTSP_MEMBER_IN)
			o->scratch[joined++] = i;
		else
			o->scratch[o->room + left++] = i;
	}
	if (joined || left)
		tell(o, outage, RTSP_MASS_CHANGE, joined, left);
}

/* Who stays dark is held again, and so explained by a smaller group, or told by itself. */
static void end(struct rtsp_outages *o, struct rtsp_outage *outage, struct rtsp_now now)
{
	uint32_t place = place_of(o, outage), all = 0, dark = 0;
	for (uint32_t i = 0; i < o->room; i++) {
		struct rtsp_member *m = &o->members[i];
		if (m->outage != place)
			continue;
		m->outage = RTSP_NO_OUTAGE;
		m->untold = false;
		o->scratch[all++] = i;
		if (m->state != RTSP_MEMBER_IN)
			continue;
		o->scratch[o->room + dark++] = i;
		m->state = RTSP_MEMBER_HELD;
		m->deadline = now.mono;
		if (!m->failures)
			continue; /* not tried since a restart */
		m->reported = m->outcome;
		m->cause =
			rtsp_health_cause(m->outcome, o->groups.of[i][RTSP_COMMON_RECORDER] != RTSP_NO_GROUP);
	}
	outage->ended = true;
	o->ends[outage->planned != NULL]++;
	tell(o, outage, RTSP_MASS_END, all, dark);
}

void rtsp_outages_taken(struct rtsp_outages *o, uint64_t number, enum rtsp_mass_state state, bool durable)
{
	for (uint32_t i = 0; i < o->list_room; i++) {
		struct rtsp_outage *outage = &o->list[i];
		if (outage->number != number)
			continue;
		o->changes++;
		/* The camera in whose name it was is gone from the registry, or there was no room. */
		outage->untold = !durable && state != RTSP_MASS_CHANGE;
		if (state == RTSP_MASS_END && durable) {
			drop(outage);
			return;
		}
		outage->pending = false;
		outage->durable |= durable;
	}
}

static void join(
	struct rtsp_outages *o, struct rtsp_outage *outage, struct rtsp_member *m, struct torap_mono now)
{
	outage->members += m->outage != place_of(o, outage);
	outage->dark++;
	m->outage = place_of(o, outage);
	m->state = RTSP_MEMBER_IN;
	m->untold = true;
	if (!outage->joined)
		outage->joined_at = now;
	outage->joined = true;
	o->swallowed++;
	o->changes++;
}

static struct rtsp_outage *open_outage_of(struct rtsp_outages *o, uint32_t slot)
{
	const struct rtsp_member *m = &o->members[slot];
	struct rtsp_outage *best = NULL;
	for (uint32_t i = 0; i < o->list_room; i++) {
		struct rtsp_outage *outage = &o->list[i];
		if (is_open(outage) && outage->group != RTSP_NO_GROUP &&
			outage->group == o->groups.of[slot][outage->common] &&
			outage->kind == rtsp_explain_kind(m) && (outage->planned != NULL) == m->excused &&
			(!best || outage->common < best->common))
			best = outage;
	}
	return best;
}

static void hurry_dark(struct rtsp_outages *o, struct rtsp_outage *outage, struct torap_mono now)
{
	if (outage->hurried_at.us && now.us - outage->hurried_at.us < HURRY_AGAIN_S * (int64_t)TORAP_US_PER_S)
		return;
	outage->hurried_at = now;
	for (uint32_t i = 0; i < o->room; i++)
		if (o->members[i].state == RTSP_MEMBER_IN && o->members[i].outage == place_of(o, outage))
			o->port.hurry(o->port.hint, i);
}

/* Deciding. */

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

/* False: they are too few yet, or there is no memory. */
static bool form(struct rtsp_outages *o, uint32_t group, const struct rtsp_member *one, struct rtsp_now now)
{
	const struct rtsp_group *g = &o->groups.list[group];
	const enum rtsp_outcome kind = rtsp_explain_kind(one);
	const bool excused = one->excused;
	const struct rtsp_explanation e = rtsp_explain(o, group, kind, excused);
	struct rtsp_outage *outage = e.held >= o->limits.cameras ? new_outage(o, g->common, g->name) : NULL;
	if (!outage)
		return false;
	outage->kind = kind;
	outage->before = e.before;
	outage->since = one->since;
	for (uint32_t i = 0; i < g->count; i++) {
		struct rtsp_member *m = &o->members[g->members[i]];
		if (m->state != RTSP_MEMBER_HELD || !rtsp_explain_fits(m, kind, excused))
			continue;
		o->scratch[outage->members] = g->members[i];
		join(o, outage, m, now.mono);
		m->untold = false;
		if (m->since.us < outage->since.us)
			outage->since = m->since;
	}
	uint32_t first = rtsp_decide_first(o, o->scratch, outage->members, o->scratch + o->room);
	outage->first = o->members[first].number;
	outage->cause = rtsp_decide_cause(g->common, kind, o->members[first].cause);
	if (excused)
		outage->planned = kit_planned_ref(o->port.excuse(o->port.hint, first));
	tell_start(o, outage);
	rtsp_explaining_forget(o->explaining);
	return true;
}

/* True: an outage was made of it. */
static bool decide(struct rtsp_outages *o, uint32_t slot, bool now_or_never, struct rtsp_now now)
{
	uint32_t group;
	enum rtsp_decision decision = rtsp_decide(o, slot, now_or_never, now.mono, &group);
	if (decision == RTSP_DECIDE_WAIT)
		return false;
	if (decision == RTSP_DECIDE_GROUP && form(o, group, &o->members[slot], now))
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
	struct rtsp_outage *outage = open_outage_of(o, slot);
	if (outage)
		join(o, outage, m, now.mono);
	else if (!o->limits.cameras)
		tell_alone(o, slot);
}

static void take_end(struct rtsp_outages *o, uint32_t slot, struct rtsp_now now)
{
	struct rtsp_member *m = &o->members[slot];
	struct rtsp_outage *outage = &o->list[m->outage];
	m->state = RTSP_MEMBER_FREE;
	m->untold = true;
	outage->dark--;
	outage->left = true;
	outage->left_at = now.mono;
	o->swallowed++;
	o->changes++;
	hurry_dark(o, outage, now.mono);
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
		take_end(o, slot, now);
		return;
	}
	m->state = RTSP_MEMBER_FREE;
	o->port.tell(o->port.hint, slot, report);
}

/* What was planned is over, or taken back, while they are dark. */
static bool outlasts_its_plan(struct rtsp_outages *o, const struct rtsp_outage *outage)
{
	if (!outage->planned)
		return false;
	for (uint32_t i = 0; i < o->room; i++)
		if (o->members[i].state == RTSP_MEMBER_IN && o->members[i].outage == place_of(o, outage) &&
			!o->port.excuse(o->port.hint, i))
			return true;
	return false;
}

static bool has_somebody(const struct rtsp_outages *o, uint32_t place)
{
	for (uint32_t i = 0; i < o->room; i++)
		if (o->members[i].number == o->list[place].first && may_speak_for(o, i, place))
			return true;
	return false;
}

/* Its start or end did not get through.  The lists of an end are gone by then. */
static void tell_again(struct rtsp_outages *o, struct rtsp_outage *outage, struct rtsp_now now)
{
	uint32_t place = place_of(o, outage);
	if (!outage->untold || !torap_mono_reached(outage->again, now.mono))
		return;
	choose_first(o, place);
	outage->again.us = now.mono.us + o->limits.join_us;
	if (!has_somebody(o, place)) {
		if (outage->ended)
			drop(outage);
		return;
	}
	outage->untold = false;
	if (outage->ended)
		tell(o, outage, RTSP_MASS_END, 0, 0);
	else
		tell_start(o, outage);
}

static void step_outage(struct rtsp_outages *o, struct rtsp_outage *outage, struct rtsp_now now)
{
	bool settled = outage->left_at.us && now.mono.us - outage->left_at.us >= o->limits.settle_us;
	bool few = outage->dark < o->limits.cameras ||
		   (float)outage->dark <= (1 - o->limits.back) * (float)outage->members;
	if (!outage->dark || (few && settled) || outlasts_its_plan(o, outage))
		end(o, outage, now);
	else if (!outage->pending &&
		 ((outage->joined && now.mono.us - outage->joined_at.us >= o->limits.join_us) ||
			 (outage->left && settled)))
		tell_change(o, outage);
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
	for (uint32_t i = 0; i < o->list_room; i++) {
		tell_again(o, &o->list[i], now);
		if (is_open(&o->list[i]))
			step_outage(o, &o->list[i], now);
	}
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
}

/* A restart. */

struct rtsp_outage *rtsp_outages_restore(struct rtsp_outages *o, enum rtsp_common common, const char *name,
	struct kit_planned *planned, struct torap_mono now)
{
	struct rtsp_outage *outage = new_outage(o, common, name);
	if (!outage)
		return NULL;
	outage->planned = kit_planned_ref(planned);
	outage->durable = true;
	outage->left_at = now;
	return outage;
}

void rtsp_outages_restored(struct rtsp_outages *o, struct rtsp_outage *outage)
{
	choose_first(o, place_of(o, outage));
}

void rtsp_outages_restore_member(struct rtsp_outages *o, struct rtsp_outage *outage, uint32_t slot, bool dark,
	bool untold, struct torap_wall since, enum rtsp_cause cause, struct torap_mono now)
{
	struct rtsp_member *m = &o->members[slot];
	m->outage = place_of(o, outage);
	m->state = dark ? RTSP_MEMBER_IN : RTSP_MEMBER_FREE;
	m->since = since;
	m->cause = cause;
	m->untold = untold;
	outage->members++;
	outage->dark += dark;
	if (untold && dark)
		outage->joined_at = now;
	outage->joined |= untold && dark;
	outage->left |= untold && !dark;
}
