/* members.c: the cameras as the machine of outages (outage.h) sees them: which there are, and how each fares. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/course.h"
#include "agents/rtsp/outage/explain.h"
#include "agents/rtsp/outage/outage.h"

/* The site that it stands at is of another region or facility now: what is told of it goes to others. */
static void change_audience(
	struct rtsp_outages *o, struct rtsp_member *m, uint64_t audience, struct torap_mono now)
{
	if (m->audience == audience)
		return;
	m->audience = audience;
	if (m->share == RTSP_NO_SHARE)
		return;
	rtsp_course_forget(o, m, now);
	m->share = RTSP_NO_SHARE;
	m->untold = false;
	if (m->state != RTSP_MEMBER_IN)
		return;
	m->state = RTSP_MEMBER_HELD;
	m->deadline = now;
}

static void move_members(struct rtsp_outages *o, struct rtsp_member *fresh, const uint64_t *numbers,
	const struct rtsp_belongs *belongs, uint32_t room, struct torap_mono now)
{
	for (uint32_t i = 0; i < o->room; i++)
		if (o->members[i].share != RTSP_NO_SHARE && (i >= room || numbers[i] != o->members[i].number))
			rtsp_course_forget(o, &o->members[i], now);
	for (uint32_t i = 0; i < room; i++) {
		bool stays = i < o->room && numbers[i] && o->members[i].number == numbers[i];
		fresh[i] = stays ? o->members[i]
				 : (struct rtsp_member){ .number = numbers[i],
					   .audience = belongs[i].audience,
					   .share = RTSP_NO_SHARE };
		change_audience(o, &fresh[i], belongs[i].audience, now);
	}
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
	move_members(o, members, numbers, belongs, room, now);
	rtsp_groups_finish(&o->groups);
	free(o->members);
	free(o->scratch);
	rtsp_explaining_destroy(o->explaining);
	o->groups = groups;
	o->members = members;
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
	rtsp_groups_finish(&o->groups);
	rtsp_explaining_destroy(o->explaining);
	free(o->list);
	free(o->shares);
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
