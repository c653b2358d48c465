/* members.c: the cameras as the machine of outages (outage.h) sees them: which there are, and how each fares. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/course.h"
#include "agents/rtsp/outage/explain.h"
#include "agents/rtsp/outage/outage.h"

/* The site that it stands at is of another region or facility now: what is told of it goes to others. */
static void leave_audience(
	struct rtsp_outages *o, struct rtsp_member *m, enum rtsp_fault fault, struct torap_mono now)
{
	if (m->share == RTSP_NO_SHARE)
		return;
	rtsp_course_forget(o, m, now);
	m->share = RTSP_NO_SHARE;
	m->untold = false;
	if (m->state != RTSP_MEMBER_IN)
		return;
	m->state = RTSP_MEMBER_HELD;
	m->deadline = now;
	o->stirred |= rtsp_fault_bit(fault);
}

static void remove_member(struct rtsp_outages *o, struct rtsp_member *m, struct torap_mono now)
{
	if (m->share != RTSP_NO_SHARE)
		rtsp_course_forget(o, m, now);
	free(m->verdict);
}

/* What the machine has for each camera. */
struct rows {
	struct rtsp_seat *seats;
	struct rtsp_member *members;
	uint32_t room;
};

static void move_one(struct rtsp_outages *o, struct rows *fresh, uint32_t slot, enum rtsp_fault fault,
	bool stays, struct torap_mono now)
{
	struct rtsp_member *m = &fresh->members[(size_t)(fault - RTSP_OFFLINE) * fresh->room + slot];
	if (!stays) {
		*m = (struct rtsp_member){ .share = RTSP_NO_SHARE };
		return;
	}
	*m = *rtsp_outages_member(o, fault, slot);
	if (o->seats[slot].audience != fresh->seats[slot].audience)
		leave_audience(o, m, fault, now);
}

static void move_all(struct rtsp_outages *o, struct rows *fresh, const uint64_t *numbers,
	const struct rtsp_belongs *belongs, struct torap_mono now)
{
	for (uint32_t i = 0; i < fresh->room || i < o->room; i++) {
		bool was = i < o->room && o->seats[i].number, is = i < fresh->room && numbers[i];
		bool stays = was && is && o->seats[i].number == numbers[i];
		if (i < fresh->room) {
			fresh->seats[i] = stays ? o->seats[i] : (struct rtsp_seat){ .number = numbers[i] };
			fresh->seats[i].audience = belongs[i].audience;
		}
		for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++) {
			if (was && !stays)
				remove_member(o, rtsp_outages_member(o, f, i), now);
			if (i < fresh->room)
				move_one(o, fresh, i, f, stays, now);
		}
	}
}

static void free_parts(struct rows *rows, uint32_t *scratch, struct rtsp_explaining *explaining)
{
	free(rows->seats);
	free(rows->members);
	free(scratch);
	rtsp_explaining_destroy(explaining);
}

int rtsp_outages_set(struct rtsp_outages *o, const uint64_t *numbers, const struct rtsp_belongs *belongs,
	uint32_t room, struct torap_mono now)
{
	struct rtsp_groups groups;
	if (rtsp_groups_make(&groups, belongs, room))
		return -ENOMEM;
	struct rows fresh = { calloc((size_t)room + 1, sizeof *fresh.seats),
		calloc((size_t)room * (RTSP_FAULTS - RTSP_OFFLINE) + 1, sizeof *fresh.members), room };
	uint32_t *scratch = calloc(2 * (size_t)room + 1, sizeof *scratch);
	struct rtsp_explaining *explaining = rtsp_explaining_create(groups.count, room);
	if (!fresh.seats || !fresh.members || !scratch || !explaining) {
		free_parts(&fresh, scratch, explaining);
		rtsp_groups_finish(&groups);
		return -ENOMEM;
	}
	move_all(o, &fresh, numbers, belongs, now);
	rtsp_groups_finish(&o->groups);
	free_parts(&(struct rows){ o->seats, o->members, o->room }, o->scratch, o->explaining);
	o->groups = groups;
	o->seats = fresh.seats;
	o->members = fresh.members;
	o->scratch = scratch;
	o->explaining = explaining;
	o->room = room;
	for (uint32_t i = 0; i < o->list_room; i++)
		if (o->list[i])
			o->list[i]->group =
				rtsp_groups_find(&o->groups, o->list[i]->common, o->list[i]->name);
	return 0;
}

void rtsp_outages_finish(struct rtsp_outages *o)
{
	for (uint32_t i = 0; i < o->shares_room; i++)
		kit_planned_unref(o->shares[i].planned);
	for (uint32_t i = 0; i < o->list_room; i++) {
		if (o->list[i])
			free(o->list[i]->name);
		free(o->list[i]);
	}
	for (size_t i = 0; i < (size_t)o->room * (RTSP_FAULTS - RTSP_OFFLINE); i++)
		free(o->members[i].verdict);
	rtsp_groups_finish(&o->groups);
	free_parts(&(struct rows){ o->seats, o->members, o->room }, o->scratch, o->explaining);
	free(o->list);
	free(o->shares);
	*o = (struct rtsp_outages){ .limits = o->limits, .port = o->port };
}

/* How it fares. */

static void fail(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault, struct torap_mono since)
{
	struct rtsp_member *m = rtsp_outages_member(o, fault, slot);
	if (!m->failures)
		m->failing_since = since;
	m->failures += m->failures < UINT8_MAX;
	if (rtsp_explain_fails(m))
		o->stirred |= rtsp_fault_bit(fault);
}

static uint32_t sights(void)
{
	uint32_t bits = 0;
	for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++)
		bits |= rtsp_fault_is_sight(f) ? rtsp_fault_bit(f) : 0;
	return bits;
}

/* A picture without this fault.  Where nobody looks for it, that says nothing (but that a picture came); nor does one that shows another.  One that is new says that it was not frozen when the one before it came, and nothing of now. */
static void be_well(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault,
	const struct rtsp_verdict *v, struct torap_mono now)
{
	struct rtsp_member *m = rtsp_outages_member(o, fault, slot);
	m->failures = 0;
	if (fault != RTSP_OFFLINE && (o->seats[slot].unasked & rtsp_fault_bit(fault)))
		return;
	if (rtsp_fault_is_sight(fault) && (v->faults & sights()))
		return;
	if (fault != RTSP_FROZEN)
		m->well_at = now;
	else if (!v->first && !v->unchanged_us)
		m->well_at = o->seats[slot].seen_at;
}

void rtsp_outages_seen(struct rtsp_outages *o, uint32_t slot, const struct rtsp_verdict *verdict,
	uint32_t unasked, struct torap_mono now)
{
	o->seats[slot].unasked = unasked;
	for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++) {
		const uint32_t bit = rtsp_fault_bit(f);
		const struct torap_mono since = { now.us - (f == RTSP_FROZEN ? verdict->unchanged_us : 0) };
		if (verdict->faults & bit)
			fail(o, slot, f, since);
		else if (!(verdict->unknown & bit))
			be_well(o, slot, f, verdict, now);
	}
	o->seats[slot].seen_at = now;
}

void rtsp_outages_failed(
	struct rtsp_outages *o, uint32_t slot, enum rtsp_outcome outcome, struct torap_mono now)
{
	fail(o, slot, RTSP_OFFLINE, now);
	rtsp_outages_member(o, RTSP_OFFLINE, slot)->outcome = outcome;
}

void rtsp_outages_known(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault)
{
	rtsp_outages_member(o, fault, slot)->state = RTSP_MEMBER_TOLD;
}

uint32_t rtsp_outages_held(const struct rtsp_outages *o)
{
	uint32_t held = 0;
	for (size_t i = 0; i < (size_t)o->room * (RTSP_FAULTS - RTSP_OFFLINE); i++)
		held += o->members[i].state == RTSP_MEMBER_HELD;
	return held;
}
