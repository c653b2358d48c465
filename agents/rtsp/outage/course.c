#include "agents/rtsp/outage/course.h"

#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/explain.h"

enum { HURRY_AGAIN_S = 10, LIST_FIRST = 8 };

uint32_t rtsp_course_place(const struct rtsp_outages *o, const struct rtsp_outage *outage)
{
	return (uint32_t)(outage - o->list);
}

bool rtsp_course_is_open(const struct rtsp_outage *outage)
{
	return outage->number && !outage->ended;
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
void rtsp_course_choose_first(struct rtsp_outages *o, uint32_t place)
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

struct rtsp_outage *rtsp_course_new(struct rtsp_outages *o, enum rtsp_common common, const char *name)
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

void rtsp_course_start(struct rtsp_outages *o, struct rtsp_outage *outage)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < o->room; i++)
		if (o->members[i].outage == rtsp_course_place(o, outage))
			o->scratch[count++] = i;
	o->starts[outage->planned != NULL]++;
	tell(o, outage, RTSP_MASS_START, count, 0);
}

static void tell_change(struct rtsp_outages *o, struct rtsp_outage *outage)
{
	uint32_t joined = 0, left = 0;
	for (uint32_t i = 0; i < o->room; i++) {
		struct rtsp_member *m = &o->members[i];
		if (m->outage != rtsp_course_place(o, outage) || !m->untold)
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
	uint32_t place = rtsp_course_place(o, outage), all = 0, dark = 0;
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

void rtsp_course_join(
	struct rtsp_outages *o, struct rtsp_outage *outage, struct rtsp_member *m, struct torap_mono now)
{
	if (m->outage != rtsp_course_place(o, outage)) {
		if (m->outage != RTSP_NO_OUTAGE)
			o->list[m->outage].members--;
		outage->members++;
	}
	outage->dark++;
	m->outage = rtsp_course_place(o, outage);
	m->state = RTSP_MEMBER_IN;
	m->untold = true;
	if (!outage->joined)
		outage->joined_at = now;
	outage->joined = true;
	o->swallowed++;
	o->changes++;
}

struct rtsp_outage *rtsp_course_of(struct rtsp_outages *o, uint32_t slot)
{
	const struct rtsp_member *m = &o->members[slot];
	struct rtsp_outage *best = NULL;
	for (uint32_t i = 0; i < o->list_room; i++) {
		struct rtsp_outage *outage = &o->list[i];
		if (rtsp_course_is_open(outage) && outage->group != RTSP_NO_GROUP &&
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
		if (o->members[i].state == RTSP_MEMBER_IN &&
			o->members[i].outage == rtsp_course_place(o, outage))
			o->port.hurry(o->port.hint, i);
}

void rtsp_course_leave(struct rtsp_outages *o, uint32_t slot, struct torap_mono now)
{
	struct rtsp_member *m = &o->members[slot];
	struct rtsp_outage *outage = &o->list[m->outage];
	m->state = RTSP_MEMBER_FREE;
	m->untold = true;
	outage->dark--;
	outage->left = true;
	outage->left_at = now;
	o->swallowed++;
	o->changes++;
	hurry_dark(o, outage, now);
}

/* What was planned is over, or taken back, while they are dark. */
static bool outlasts_its_plan(struct rtsp_outages *o, const struct rtsp_outage *outage)
{
	if (!outage->planned)
		return false;
	for (uint32_t i = 0; i < o->room; i++)
		if (o->members[i].state == RTSP_MEMBER_IN &&
			o->members[i].outage == rtsp_course_place(o, outage) &&
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
	uint32_t place = rtsp_course_place(o, outage);
	if (!outage->untold || !torap_mono_reached(outage->again, now.mono))
		return;
	rtsp_course_choose_first(o, place);
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
		rtsp_course_start(o, outage);
}

void rtsp_course_step(struct rtsp_outages *o, struct rtsp_outage *outage, struct rtsp_now now)
{
	tell_again(o, outage, now);
	if (!rtsp_course_is_open(outage))
		return;
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

/* A restart. */

struct rtsp_outage *rtsp_outages_restore(struct rtsp_outages *o, enum rtsp_common common, const char *name,
	struct kit_planned *planned, struct torap_mono now)
{
	struct rtsp_outage *outage = rtsp_course_new(o, common, name);
	if (!outage)
		return NULL;
	outage->planned = kit_planned_ref(planned);
	outage->durable = true;
	outage->left_at = now;
	return outage;
}

void rtsp_outages_restored(struct rtsp_outages *o, struct rtsp_outage *outage)
{
	rtsp_course_choose_first(o, rtsp_course_place(o, outage));
}

void rtsp_outages_restore_member(struct rtsp_outages *o, struct rtsp_outage *outage, uint32_t slot, bool dark,
	bool untold, struct torap_wall since, enum rtsp_cause cause, struct torap_mono now)
{
	struct rtsp_member *m = &o->members[slot];
	m->outage = rtsp_course_place(o, outage);
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
