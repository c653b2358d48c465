#include "agents/rtsp/outage/course.h"

#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/explain.h"
#include "agents/rtsp/outage/share.h"

enum { HURRY_AGAIN_S = 10, LIST_FIRST = 8 };

struct rtsp_outage *rtsp_course_new(
	struct rtsp_outages *o, enum rtsp_common common, const char *name, const struct rtsp_what *what)
{
	uint32_t place = 0;
	while (place < o->list_room && o->list[place])
		place++;
	if (place == o->list_room) {
		uint32_t room = o->list_room ? 2 * o->list_room : LIST_FIRST;
		struct rtsp_outage **list = reallocarray(o->list, room, sizeof *list);
		if (!list)
			return NULL;
		memset(list + o->list_room, 0, (room - o->list_room) * sizeof *list);
		o->list = list;
		o->list_room = room;
	}
	struct rtsp_outage *outage = calloc(1, sizeof *outage);
	char *copy = strdup(name);
	if (!outage || !copy) {
		free(outage);
		free(copy);
		return NULL;
	}
	*outage = (struct rtsp_outage){ .common = common,
		.name = copy,
		.group = rtsp_groups_find(&o->groups, common, name),
		.what = *what };
	return o->list[place] = outage;
}

void rtsp_course_release(struct rtsp_outages *o, struct rtsp_outage *outage)
{
	uint32_t place = 0;
	if (outage->shares)
		return;
	while (o->list[place] != outage)
		place++;
	o->list[place] = NULL;
	free(outage->name);
	free(outage);
}

struct rtsp_outage *rtsp_course_of(const struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault)
{
	const struct rtsp_what what = rtsp_explain_what(rtsp_outages_member(o, fault, slot), fault);
	struct rtsp_outage *best = NULL;
	for (uint32_t i = 0; i < o->list_room; i++) {
		struct rtsp_outage *outage = o->list[i];
		if (outage && outage->open && !outage->over && outage->group != RTSP_NO_GROUP &&
			outage->group == o->groups.of[slot][outage->common] &&
			rtsp_what_is(&outage->what, &what) && (!best || outage->common < best->common))
			best = outage;
	}
	return best;
}

/* The camera's share, made if it is the first of its audience.  What begins with the outage is told at once, later ones may not be alone. */
static struct rtsp_share *share_of(
	struct rtsp_outages *o, struct rtsp_outage *outage, uint32_t slot, struct torap_mono now)
{
	const uint64_t audience = o->seats[slot].audience;
	struct rtsp_share *share = NULL;
	bool late = false;
	for (uint32_t i = 0; i < o->shares_room && !share; i++) {
		if (!rtsp_share_is_open(&o->shares[i]) || o->shares[i].outage != outage)
			continue;
		late |= !o->shares[i].untold;
		if (o->shares[i].audience == audience)
			share = &o->shares[i];
	}
	if (share)
		return share;
	struct kit_planned *planned =
		outage->what.excused ? kit_planned_ref(o->port.excuse(o->port.hint, slot)) : NULL;
	if (outage->what.excused && !planned)
		return NULL;
	share = rtsp_share_new(o, outage, audience, planned);
	if (share && late)
		share->due.us = now.us + o->limits.join_us;
	return share;
}

bool rtsp_course_join(
	struct rtsp_outages *o, struct rtsp_outage *outage, uint32_t slot, struct torap_mono now)
{
	struct rtsp_member *m = rtsp_outages_find(o, outage->what.fault, slot);
	struct rtsp_share *share = share_of(o, outage, slot, now);
	if (!share)
		return false;
	if (m->share != rtsp_share_place(o, share)) {
		if (m->share != RTSP_NO_SHARE)
			rtsp_course_forget(o, m, now);
		share->members++;
		outage->members++;
	}
	share->dark++;
	outage->dark++;
	m->share = rtsp_share_place(o, share);
	m->state = RTSP_MEMBER_IN;
	m->untold = true;
	/* What was told once stays: it is what two tellings of one start have in common. */
	if (share->untold && (!share->since.us || m->since.us < share->since.us))
		share->since = m->since;
	if (!share->joined)
		share->joined_at = now;
	share->joined = true;
	o->swallowed++;
	o->changes++;
	return true;
}

static void hurry_dark(struct rtsp_outages *o, struct rtsp_outage *outage, struct torap_mono now)
{
	if (outage->hurried_at.us && now.us - outage->hurried_at.us < HURRY_AGAIN_S * (int64_t)TORAP_US_PER_S)
		return;
	outage->hurried_at = now;
	for (uint32_t i = 0; i < o->room; i++) {
		const struct rtsp_member *m = rtsp_outages_member(o, outage->what.fault, i);
		if (m->state == RTSP_MEMBER_IN && o->shares[m->share].outage == outage)
			o->port.hurry(o->port.hint, i, outage->what.fault);
	}
}

void rtsp_course_back(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault, struct torap_mono now)
{
	struct rtsp_member *m = rtsp_outages_find(o, fault, slot);
	struct rtsp_share *share = &o->shares[m->share];
	m->state = RTSP_MEMBER_FREE;
	m->untold = true;
	share->dark--;
	share->left = true;
	share->outage->dark--;
	share->outage->left_at = now;
	o->swallowed++;
	o->changes++;
	hurry_dark(o, share->outage, now);
}

void rtsp_course_forget(struct rtsp_outages *o, const struct rtsp_member *m, struct torap_mono now)
{
	struct rtsp_share *share = &o->shares[m->share];
	bool dark = m->state == RTSP_MEMBER_IN;
	share->members--;
	share->dark -= dark;
	share->outage->members--;
	share->outage->dark -= dark;
	share->outage->left_at = now;
	o->changes++;
}

/* What was planned is over, or taken back, while they are dark. */
static bool outlasts_its_plan(struct rtsp_outages *o, const struct rtsp_share *share)
{
	if (!share->outage->what.excused)
		return false;
	for (uint32_t i = 0; i < o->room; i++) {
		const struct rtsp_member *m = rtsp_outages_member(o, share->outage->what.fault, i);
		if (m->state == RTSP_MEMBER_IN && m->share == rtsp_share_place(o, share) &&
			!o->port.excuse(o->port.hint, i))
			return true;
	}
	return false;
}

bool rtsp_course_step(struct rtsp_outages *o, struct rtsp_share *share, struct rtsp_now now)
{
	if (!share->number)
		return false;
	bool told = rtsp_share_due(o, share, now);
	if (!rtsp_share_is_open(share))
		return told;
	struct rtsp_outage *outage = share->outage;
	bool settled = outage->left_at.us && now.mono.us - outage->left_at.us >= o->limits.settle_us;
	bool few = outage->dark < o->limits.cameras ||
		   (float)outage->dark <= (1 - o->limits.back) * (float)outage->members;
	outage->over |= few && settled;
	if (!share->dark || outage->over || outlasts_its_plan(o, share)) {
		rtsp_share_end(o, share, now);
		return true;
	}
	bool due = (share->joined && now.mono.us - share->joined_at.us >= o->limits.join_us) ||
		   (share->left && settled);
	if (due && !share->pending && !share->untold && torap_mono_reached(share->due, now.mono)) {
		share->due.us = now.mono.us + o->limits.join_us; /* if it does not get through */
		rtsp_share_change(o, share);
		return true;
	}
	return told;
}

/* A restart. */

static struct rtsp_outage *restored(struct rtsp_outages *o, const struct rtsp_outage *like)
{
	struct rtsp_outage *outage = NULL;
	for (uint32_t i = 0; i < o->list_room && !outage; i++) {
		struct rtsp_outage *one = o->list[i];
		if (one && one->common == like->common && rtsp_what_is(&one->what, &like->what) &&
			one->began.us == like->began.us && strcmp(one->name, like->name) == 0)
			outage = one;
	}
	if (!outage)
		outage = rtsp_course_new(o, like->common, like->name, &like->what);
	if (!outage)
		return NULL;
	outage->cause = like->cause;
	outage->began = like->began;
	outage->before = like->before;
	return outage;
}

struct rtsp_share *rtsp_outages_restore(
	struct rtsp_outages *o, const struct rtsp_share *like, struct torap_mono now)
{
	struct rtsp_outage *outage = restored(o, like->outage);
	if (!outage)
		return NULL;
	struct rtsp_share *share = rtsp_share_new(o, outage, like->audience, kit_planned_ref(like->planned));
	if (!share) {
		rtsp_course_release(o, outage);
		return NULL;
	}
	share->since = like->since;
	share->first = like->first;
	share->durable = true;
	share->ended = share->untold = like->ended;
	share->members = like->members;
	outage->members += like->members;
	outage->open -= like->ended;
	outage->left_at = now;
	return share;
}

bool rtsp_outages_restore_member(struct rtsp_outages *o, struct rtsp_share *share, uint32_t slot,
	const struct rtsp_member *like, struct torap_mono now)
{
	const enum rtsp_fault fault = share->outage->what.fault;
	struct rtsp_member *m = rtsp_outages_get(o, fault, slot);
	if (!m)
		return false;
	const bool told = m->state == RTSP_MEMBER_TOLD, dark = like->state == RTSP_MEMBER_IN && !told,
		   untold = like->untold && !told;
	m->since = like->since;
	m->cause = like->cause;
	m->reported = like->reported;
	if (o->seats[slot].audience != share->audience) {
		m->state = told ? RTSP_MEMBER_TOLD : dark ? RTSP_MEMBER_HELD : RTSP_MEMBER_FREE;
		m->deadline = now;
		o->stirred |= rtsp_fault_bit(fault);
		return !told;
	}
	m->share = rtsp_share_place(o, share);
	m->state = told ? RTSP_MEMBER_TOLD : like->state;
	m->untold = untold;
	share->members++;
	share->dark += dark;
	share->outage->members++;
	share->outage->dark += dark;
	if (untold && dark)
		share->joined_at = now;
	share->joined |= untold && dark;
	share->left |= untold && !dark;
	return !told;
}
