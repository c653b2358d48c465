#include "agents/rtsp/outage/share.h"

#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/course.h"
#include "agents/rtsp/outage/decide.h"

enum { LIST_FIRST = 8 };

uint32_t rtsp_share_place(const struct rtsp_outages *o, const struct rtsp_share *share)
{
	return (uint32_t)(share - o->shares);
}

bool rtsp_share_is_open(const struct rtsp_share *share)
{
	return share->number && !share->ended;
}

struct rtsp_share *rtsp_share_new(
	struct rtsp_outages *o, struct rtsp_outage *outage, uint64_t audience, struct kit_planned *planned)
{
	uint32_t place = 0;
	while (place < o->shares_room && o->shares[place].number)
		place++;
	if (place == o->shares_room) {
		uint32_t room = o->shares_room ? 2 * o->shares_room : LIST_FIRST;
		struct rtsp_share *shares = reallocarray(o->shares, room, sizeof *shares);
		if (!shares) {
			kit_planned_unref(planned);
			return NULL;
		}
		memset(shares + o->shares_room, 0, (room - o->shares_room) * sizeof *shares);
		o->shares = shares;
		o->shares_room = room;
	}
	o->shares[place] = (struct rtsp_share){ .number = ++o->numbers,
		.outage = outage,
		.audience = audience,
		.planned = planned,
		.untold = true };
	outage->shares++;
	outage->open++;
	return &o->shares[place];
}

static void drop(struct rtsp_outages *o, struct rtsp_share *share)
{
	struct rtsp_outage *outage = share->outage;
	outage->members -= share->members;
	outage->shares--;
	kit_planned_unref(share->planned);
	*share = (struct rtsp_share){ 0 };
	rtsp_course_release(o, outage);
}

/* Of one that has ended its members are free again: another of the group, or who spoke for it before the registry knew the group no more. */
static bool may_speak_for(const struct rtsp_outages *o, uint32_t slot, const struct rtsp_share *share)
{
	const struct rtsp_outage *outage = share->outage;
	const struct rtsp_member *m = rtsp_outages_member(o, outage->what.fault, slot);
	return o->seats[slot].number && o->seats[slot].audience == share->audience &&
	       (m->share == rtsp_share_place(o, share) ||
		       (share->ended &&
			       (o->seats[slot].number == share->first ||
				       (outage->group != RTSP_NO_GROUP &&
					       o->groups.of[slot][outage->common] == outage->group))));
}

/* In whose name it is told: at first of the site that has most; when that camera is gone, another.  False: nobody is left. */
static bool choose_first(struct rtsp_outages *o, struct rtsp_share *share)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < o->room; i++) {
		if (!may_speak_for(o, i, share))
			continue;
		if (o->seats[i].number == share->first)
			return true;
		o->scratch[count++] = i;
	}
	if (count)
		share->first = o->seats[rtsp_decide_first(o, o->scratch, count, o->scratch + o->room)].number;
	return count != 0;
}

static enum rtsp_outcome usual_outcome(const struct rtsp_outages *o, const uint32_t *slots, uint32_t count)
{
	uint32_t times[RTSP_OUTCOMES] = { 0 };
	unsigned usual = 0;
	for (uint32_t i = 0; i < count; i++)
		if (++times[rtsp_outages_member(o, RTSP_OFFLINE, slots[i])->reported] > times[usual])
			usual = rtsp_outages_member(o, RTSP_OFFLINE, slots[i])->reported;
	return (enum rtsp_outcome)usual;
}

static bool is_flapping(
	const struct rtsp_outages *o, enum rtsp_fault fault, const uint32_t *slots, uint32_t count)
{
	uint32_t flapping = 0;
	for (uint32_t i = 0; i < count; i++)
		flapping += rtsp_outages_member(o, fault, slots[i])->flapping;
	return 2 * flapping > count;
}

static void tell(struct rtsp_outages *o, struct rtsp_share *share, enum rtsp_mass_state state, uint32_t count,
	uint32_t others)
{
	const struct rtsp_outage *outage = share->outage;
	const enum rtsp_fault fault = outage->what.fault;
	const uint32_t *slots = o->scratch;
	const bool starts = state == RTSP_MASS_START;
	const struct rtsp_mass mass = {
		.share = share,
		.state = state,
		.outcome = starts && fault == RTSP_OFFLINE ? usual_outcome(o, slots, count) : 0,
		.of = outage->group == RTSP_NO_GROUP ? outage->members : o->groups.list[outage->group].count,
		.flapping = starts && is_flapping(o, fault, slots, count),
		.slots = slots,
		.slots_count = count,
		.others = o->scratch + o->room,
		.others_count = others,
	};
	share->pending |= state != RTSP_MASS_END;
	share->joined = false;
	share->left &= starts;
	o->changes++;
	o->port.tell_mass(o->port.hint, &mass);
}

/* All that were in it, also who is back already: that is told next. */
static void start(struct rtsp_outages *o, struct rtsp_share *share)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < o->room; i++) {
		struct rtsp_member *m = rtsp_outages_find(o, share->outage->what.fault, i);
		if (!m || m->share != rtsp_share_place(o, share))
			continue;
		m->untold &= m->state != RTSP_MEMBER_IN;
		o->scratch[count++] = i;
	}
	share->untold = false;
	tell(o, share, RTSP_MASS_START, count, 0);
}

void rtsp_share_change(struct rtsp_outages *o, struct rtsp_share *share)
{
	uint32_t joined = 0, left = 0;
	choose_first(o, share);
	for (uint32_t i = 0; i < o->room; i++) {
		struct rtsp_member *m = rtsp_outages_find(o, share->outage->what.fault, i);
		if (!m || m->share != rtsp_share_place(o, share) || !m->untold)
			continue;
		m->untold = false;
		if (m->state == RTSP_MEMBER_IN)
			o->scratch[joined++] = i;
		else
			o->scratch[o->room + left++] = i;
	}
	share->joined = share->left = false;
	if (joined || left)
		tell(o, share, RTSP_MASS_CHANGE, joined, left);
}

static void hold_again(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault, struct rtsp_now now)
{
	struct rtsp_member *m = rtsp_outages_find(o, fault, slot);
	m->state = RTSP_MEMBER_HELD;
	m->deadline = now.mono;
	o->stirred |= rtsp_fault_bit(fault);
	if (fault != RTSP_OFFLINE || !m->failures)
		return; /* what its pictures showed stays; or it was not tried since a restart */
	m->reported = m->outcome;
	m->cause = rtsp_health_cause(m->outcome, o->groups.of[slot][RTSP_COMMON_RECORDER] != RTSP_NO_GROUP);
}

void rtsp_share_end(struct rtsp_outages *o, struct rtsp_share *share, struct rtsp_now now)
{
	uint32_t place = rtsp_share_place(o, share), all = 0, dark = 0;
	bool somebody = choose_first(o, share);
	if (somebody && share->untold)
		start(o, share); /* No end without one. */
	for (uint32_t i = 0; i < o->room; i++) {
		struct rtsp_member *m = rtsp_outages_find(o, share->outage->what.fault, i);
		if (!m || m->share != place)
			continue;
		m->share = RTSP_NO_SHARE;
		m->untold = false;
		o->scratch[all++] = i;
		if (m->state != RTSP_MEMBER_IN)
			continue;
		o->scratch[o->room + dark++] = i;
		hold_again(o, i, share->outage->what.fault, now);
	}
	share->ended = true;
	share->outage->dark -= share->dark;
	o->ends[share->outage->what.excused] += --share->outage->open == 0;
	tell(o, share, RTSP_MASS_END, all, dark);
}

/* A change did not get through: all of them are named again. */
static void tell_change_again(struct rtsp_outages *o, struct rtsp_share *share)
{
	for (uint32_t i = 0; i < o->room; i++) {
		struct rtsp_member *m = rtsp_outages_find(o, share->outage->what.fault, i);
		if (!m || m->share != rtsp_share_place(o, share))
			continue;
		m->untold = true;
		share->joined |= m->state == RTSP_MEMBER_IN;
		share->left |= m->state != RTSP_MEMBER_IN;
	}
}

void rtsp_outages_taken(struct rtsp_outages *o, uint64_t number, enum rtsp_mass_state state, bool durable)
{
	for (uint32_t i = 0; i < o->shares_room; i++) {
		struct rtsp_share *share = &o->shares[i];
		if (share->number != number)
			continue;
		o->changes++;
		/* If not: the camera in whose name it was is gone from the registry, or there was no room.  What came before its end
		 * says nothing of the end. */
		if (state != RTSP_MASS_CHANGE && (state == RTSP_MASS_END) == share->ended)
			share->untold = !durable;
		if (state == RTSP_MASS_CHANGE && !durable && !share->ended)
			tell_change_again(o, share);
		if (state == RTSP_MASS_END && durable) {
			drop(o, share);
			return;
		}
		share->pending &= state == RTSP_MASS_END;
		share->durable |= durable;
	}
}

bool rtsp_share_due(struct rtsp_outages *o, struct rtsp_share *share, struct rtsp_now now)
{
	if (!share->untold || !torap_mono_reached(share->due, now.mono))
		return false;
	share->due.us = now.mono.us + o->limits.join_us;
	bool unknown =
		share->ended && !share->durable && !share->pending; /* The node never heard that it began. */
	if (unknown || !choose_first(o, share)) {
		if (share->ended)
			drop(o, share);
		return false;
	}
	if (!share->ended) {
		start(o, share);
		return true;
	}
	share->untold = false;
	tell(o, share, RTSP_MASS_END, 0, 0); /* The lists are gone by now. */
	return true;
}
