/* members.c: the cameras as the machine of outages (outage.h) sees them: which there are, and how each fares. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/course.h"
#include "agents/rtsp/outage/explain.h"
#include "agents/rtsp/outage/outage.h"

static const struct rtsp_member none = { .share = RTSP_NO_SHARE };

struct rtsp_member *rtsp_outages_find(const struct rtsp_outages *o, enum rtsp_fault fault, uint32_t slot)
{
	struct rtsp_member *m = o->seats[slot].members;
	while (m && m->fault != fault)
		m = m->next;
	return m;
}

const struct rtsp_member *rtsp_outages_member(
	const struct rtsp_outages *o, enum rtsp_fault fault, uint32_t slot)
{
	const struct rtsp_member *m = rtsp_outages_find(o, fault, slot);
	return m ? m : &none;
}

struct rtsp_member *rtsp_outages_get(struct rtsp_outages *o, enum rtsp_fault fault, uint32_t slot)
{
	struct rtsp_member *m = rtsp_outages_find(o, fault, slot);
	if (m)
		return m;
	m = malloc(sizeof *m);
	if (!m)
		return NULL;
	*m = none;
	m->fault = fault;
	m->next = o->seats[slot].members;
	return o->seats[slot].members = m;
}

/* `all`, or only those of which there is nothing to know any more. */
static void free_members(struct rtsp_seat *seat, bool all)
{
	struct rtsp_member **at = &seat->members;
	while (*at) {
		struct rtsp_member *m = *at;
		bool idle = m->state == RTSP_MEMBER_FREE && !m->failures && m->share == RTSP_NO_SHARE;
		if (!all && !idle) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		free(m->verdict);
		free(m);
	}
}

/* The site that it stands at is of another region or facility now: what is told of it goes to others. */
static void leave_audience(struct rtsp_outages *o, struct rtsp_member *m, struct torap_mono now)
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
	o->stirred |= rtsp_fault_bit(m->fault);
}

static void remove_seat(struct rtsp_outages *o, struct rtsp_seat *seat, struct torap_mono now)
{
	for (struct rtsp_member *m = seat->members; m; m = m->next)
		if (m->share != RTSP_NO_SHARE)
			rtsp_course_forget(o, m, now);
	free_members(seat, true);
}

static void move_seats(struct rtsp_outages *o, struct rtsp_seat *fresh, const uint64_t *numbers,
	const struct rtsp_belongs *belongs, uint32_t room, struct torap_mono now)
{
	for (uint32_t i = 0; i < room || i < o->room; i++) {
		bool was = i < o->room && o->seats[i].number, is = i < room && numbers[i];
		bool stays = was && is && o->seats[i].number == numbers[i];
		if (was && !stays)
			remove_seat(o, &o->seats[i], now);
		if (i >= room)
			continue;
		fresh[i] = stays ? o->seats[i] : (struct rtsp_seat){ .number = numbers[i] };
		fresh[i].audience = belongs[i].audience;
		for (struct rtsp_member *m = fresh[i].members; m; m = m->next)
			if (fresh[i].audience != o->seats[i].audience)
				leave_audience(o, m, now);
	}
}

int rtsp_outages_set(struct rtsp_outages *o, const uint64_t *numbers, const struct rtsp_belongs *belongs,
	uint32_t room, struct torap_mono now)
{
	struct rtsp_groups groups;
	if (rtsp_groups_make(&groups, belongs, room))
		return -ENOMEM;
	struct rtsp_seat *seats = calloc((size_t)room + 1, sizeof *seats);
	uint32_t *scratch = calloc(2 * (size_t)room + 1, sizeof *scratch);
	struct rtsp_explaining *explaining = rtsp_explaining_create(groups.count, room);
	if (!seats || !scratch || !explaining) {
		free(seats);
		free(scratch);
		rtsp_explaining_destroy(explaining);
		rtsp_groups_finish(&groups);
		return -ENOMEM;
	}
	move_seats(o, seats, numbers, belongs, room, now);
	rtsp_groups_finish(&o->groups);
	free(o->seats);
	free(o->scratch);
	rtsp_explaining_destroy(o->explaining);
	o->groups = groups;
	o->seats = seats;
	o->scratch = scratch;
	o->explaining = explaining;
	o->room = room;
	for (uint32_t i = 0; i < o->list_room; i++)
		if (o->list[i])
			o->list[i]->group =
				rtsp_groups_find(&o->groups, o->list[i]->common, o->list[i]->name);
	return 0;
}

void rtsp_outages_amend(
	struct rtsp_outages *o, uint32_t slot, uint64_t number, uint64_t audience, struct torap_mono now)
{
	struct rtsp_seat *seat = &o->seats[slot];
	if (seat->number != number) {
		remove_seat(o, seat, now);
		*seat = (struct rtsp_seat){ 0 };
		return;
	}
	for (struct rtsp_member *m = seat->members; m; m = m->next)
		if (seat->audience != audience)
			leave_audience(o, m, now);
	seat->audience = audience;
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
	for (uint32_t i = 0; i < o->room; i++)
		free_members(&o->seats[i], true);
	rtsp_groups_finish(&o->groups);
	rtsp_explaining_destroy(o->explaining);
	free(o->seats);
	free(o->scratch);
	free(o->list);
	free(o->shares);
	*o = (struct rtsp_outages){ .limits = o->limits, .port = o->port };
}

/* How it fares. */

/* NULL: no memory, and nobody suspects it. */
static struct rtsp_member *fail(
	struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault, struct torap_mono since)
{
	struct rtsp_member *m = rtsp_outages_get(o, fault, slot);
	if (!m)
		return NULL;
	if (!m->failures)
		m->failing_since = since;
	m->failures += m->failures < UINT8_MAX;
	if (rtsp_explain_fails(m))
		o->stirred |= rtsp_fault_bit(fault);
	return m;
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
	const struct rtsp_verdict *v, struct torap_mono arrived)
{
	struct rtsp_seat *seat = &o->seats[slot];
	struct rtsp_member *m = rtsp_outages_find(o, fault, slot);
	if (m)
		m->failures = 0;
	if (fault != RTSP_OFFLINE && (seat->unasked & rtsp_fault_bit(fault)))
		return;
	if (rtsp_fault_is_sight(fault) && (v->faults & sights()))
		return;
	if (fault != RTSP_FROZEN)
		seat->well_at[fault] = arrived;
	else if (!v->first && !v->unchanged_us)
		seat->well_at[fault] = seat->seen_at;
}

void rtsp_outages_seen(struct rtsp_outages *o, uint32_t slot, const struct rtsp_verdict *verdict,
	uint32_t unasked, struct torap_mono arrived)
{
	o->seats[slot].unasked = unasked;
	for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++) {
		const uint32_t bit = rtsp_fault_bit(f);
		const struct torap_mono since = { arrived.us -
						  (f == RTSP_FROZEN ? verdict->unchanged_us : 0) };
		if (verdict->faults & bit)
			fail(o, slot, f, since);
		else if (!(verdict->unknown & bit))
			be_well(o, slot, f, verdict, arrived);
	}
	o->seats[slot].seen_at = arrived;
	free_members(&o->seats[slot], false);
}

void rtsp_outages_failed(
	struct rtsp_outages *o, uint32_t slot, enum rtsp_outcome outcome, struct torap_mono now)
{
	struct rtsp_member *m = fail(o, slot, RTSP_OFFLINE, now);
	if (m)
		m->outcome = outcome;
}

void rtsp_outages_known(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault)
{
	struct rtsp_member *m = rtsp_outages_get(o, fault, slot);
	if (m)
		m->state = RTSP_MEMBER_TOLD;
}

uint32_t rtsp_outages_held(const struct rtsp_outages *o)
{
	uint32_t held = 0;
	for (uint32_t i = 0; i < o->room; i++)
		for (const struct rtsp_member *m = o->seats[i].members; m; m = m->next)
			held += m->state == RTSP_MEMBER_HELD;
	return held;
}
