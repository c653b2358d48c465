/* district.h: cameras behind switches that die and come back, and such that see badly, in seconds that nobody waits for: real health, schedule and
 * machine of outages, with torap-rtsp's defaults: a look each 40 s, a glance between two, 200 at a time, 4 at one recorder; of held ones each 10 s. */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/outage.h"
#include "agents/rtsp/schedule.h"

enum { DISTRICT_MAX = 2048, DISTRICT_TOLD_MAX = 4096, DISTRICT_PERIOD_S = 40 };

struct district_told { /* what would be an event */
	char text
		[64]; /* "offline start 7", "switch sw-1 start", "planned switch sw-1 end", "recorder nvr-1 frozen start" */
	uint32_t slots[DISTRICT_MAX], others[DISTRICT_MAX];
	uint32_t count, others_count, members, dark, before, total, first;
	uint64_t audience;
	struct torap_wall since, began;
	enum rtsp_cause cause;
	enum rtsp_outcome kind;
	bool measured;
	int64_t at_s;
	uint64_t number;
	enum rtsp_mass_state state;
};

static struct district {
	struct rtsp_outages o;
	uint32_t count;
	uint64_t numbers[DISTRICT_MAX];
	struct rtsp_belongs belongs[DISTRICT_MAX];
	struct rtsp_health health[DISTRICT_MAX];
	enum rtsp_outcome down[DISTRICT_MAX]; /* RTSP_OUTCOME_PICTURE: it answers */
	uint32_t shows[DISTRICT_MAX];         /* faults of its pictures: rtsp_fault_bit() */
	uint32_t unasked[DISTRICT_MAX];       /* faults that nobody looks for in its pictures */
	bool held[DISTRICT_MAX];
	int64_t picture_s[DISTRICT_MAX], fresh_s[DISTRICT_MAX]; /* the last one; the last new one */
	int64_t froze_s;                                        /* those that froze did so then */
	bool clock_asked[DISTRICT_MAX], clock_known[DISTRICT_MAX];
	struct rtsp_schedule schedule;
	int64_t busy_until_s[DISTRICT_MAX]; /* 0: nobody looks at it */
	uint64_t looks, glances;
	struct kit_planned *planned[DISTRICT_MAX];
	struct district_told *told;
	unsigned told_count;
	bool away;     /* the node takes nothing */
	unsigned lost; /* so many of what is told next never get there */
	int64_t now_s;
} district;

static inline struct rtsp_now district_now(void)
{
	int64_t us = district.now_s * TORAP_US_PER_S;
	return (struct rtsp_now){ { us }, { us + 1700000000LL * TORAP_US_PER_S } };
}

static inline struct district_told *district_tell(void)
{
	cr_assert(district.told_count < DISTRICT_TOLD_MAX);
	struct district_told *t = &district.told[district.told_count++];
	memset(t, 0, sizeof *t);
	t->at_s = district.now_s;
	return t;
}

static inline void district_on_tell(void *hint, uint32_t slot, const struct rtsp_report *r)
{
	(void)hint;
	struct district_told *t = district_tell();
	snprintf(t->text, sizeof t->text, "%s %s %u", rtsp_fault_name(r->fault), r->start ? "start" : "end",
		slot);
	t->cause = r->cause;
	t->measured = r->measured;
}

static inline void district_on_mass(void *hint, const struct rtsp_mass *m)
{
	static const char *const states[] = { "start", "change", "end" };
	(void)hint;
	struct district_told *t = district_tell();
	const struct rtsp_what *what = &m->share->outage->what;
	snprintf(t->text, sizeof t->text, "%s%s %s %s%s%s", what->excused ? "planned " : "",
		rtsp_common_name(m->share->outage->common), m->share->outage->name,
		what->fault == RTSP_OFFLINE ? "" : rtsp_fault_name(what->fault),
		what->fault == RTSP_OFFLINE ? "" : " ", states[m->state]);
	memcpy(t->slots, m->slots, m->slots_count * sizeof *m->slots);
	memcpy(t->others, m->others, m->others_count * sizeof *m->others);
	t->count = m->slots_count;
	t->others_count = m->others_count;
	t->members = m->share->members;
	t->dark = m->share->dark;
	t->before = m->share->outage->before;
	t->cause = m->share->outage->cause;
	t->kind = m->share->outage->what.kind;
	t->total = m->share->outage->members;
	t->audience = m->share->audience;
	t->first = (uint32_t)m->share->first - 1;
	t->since = m->share->since;
	t->began = m->share->outage->began;
	t->number = m->share->number;
	t->state = m->state;
}

static inline void district_on_hurry(void *hint, uint32_t slot, enum rtsp_fault fault)
{
	(void)hint;
	district.clock_asked[slot] |= fault == RTSP_WRONG_CLOCK;
	rtsp_schedule_soon(&district.schedule, slot, district_now().mono);
}

static inline struct kit_planned *district_on_excuse(void *hint, uint32_t slot)
{
	(void)hint;
	struct kit_planned *p = district.planned[slot];
	struct rtsp_now now = district_now();
	return p && p->from.us <= now.wall.us && now.wall.us < p->until.us ? p : NULL;
}

/* Recorders by name, as numbers. */
static inline uint32_t district_recorder(uint32_t camera)
{
	const char *name = district.belongs[camera].names[RTSP_COMMON_RECORDER];
	uint32_t first = 0;
	while (*name && strcmp(district.belongs[first].names[RTSP_COMMON_RECORDER], name) != 0)
		first++;
	return *name ? first : RTSP_NOBODY;
}

/* Gives the registry's rows to the machine. */
static inline void district_set(void)
{
	struct rtsp_schedule *s = &district.schedule;
	cr_assert_eq(rtsp_outages_set(&district.o, district.numbers, district.belongs, district.count,
			     district_now().mono),
		0);
	rtsp_schedule_finish(s);
	s->limits = (struct rtsp_schedule_limits){ DISTRICT_PERIOD_S * TORAP_US_PER_S, 4 * TORAP_US_PER_S,
		60 * TORAP_US_PER_S, 200, 4, 20 * TORAP_US_PER_S };
	cr_assert_eq(rtsp_schedule_init(s, district.count, district.count), 0);
	memset(district.busy_until_s, 0, sizeof district.busy_until_s);
	for (uint32_t i = 0; i < district.count; i++)
		if (district.numbers[i] && !district.held[i])
			rtsp_schedule_add(s, i, district_recorder(i),
				(double)(i * 37 % DISTRICT_PERIOD_S) / DISTRICT_PERIOD_S,
				district_now().mono);
}

static inline void district_open(uint32_t count)
{
	memset(&district, 0, sizeof district);
	district.told = calloc(DISTRICT_TOLD_MAX, sizeof *district.told);
	cr_assert(district.told);
	district.now_s = 1000;
	district.count = count;
	district.o.limits = rtsp_outage_limits_default;
	district.o.port = (struct rtsp_outages_port){ NULL, district_on_tell, district_on_mass,
		district_on_hurry, district_on_excuse };
	for (uint32_t i = 0; i < count; i++) {
		district.numbers[i] = i + 1;
		district.belongs[i] = (struct rtsp_belongs){ .names = { "", "", "", "site", "" } };
	}
}

static inline void district_close(void)
{
	rtsp_outages_finish(&district.o);
	rtsp_schedule_finish(&district.schedule);
	free(district.told);
}

/* What a look at it shows. */
static inline struct rtsp_verdict district_verdict(uint32_t i)
{
	struct rtsp_verdict v = { .faults = district.shows[i] & ~rtsp_fault_bit(RTSP_FROZEN),
		.first = !district.picture_s[i],
		.cause = RTSP_CAUSE_MASKED };
	if (!(district.shows[i] & rtsp_fault_bit(RTSP_FROZEN)))
		district.fresh_s[i] = district.now_s;
	else if (district.picture_s[i] < district.froze_s)
		district.fresh_s[i] = district.now_s; /* it differs from what was seen before */
	v.unchanged_us = (district.now_s - district.fresh_s[i]) * TORAP_US_PER_S;
	if (v.unchanged_us >= 60 * TORAP_US_PER_S)
		v.faults |= rtsp_fault_bit(RTSP_FROZEN);
	if (!district.clock_known[i]) {
		v.unknown = rtsp_fault_bit(RTSP_WRONG_CLOCK);
		v.faults &= ~v.unknown;
	}
	v.faults &= ~district.unasked[i];
	v.unknown &= ~district.unasked[i];
	district.picture_s[i] = district.now_s;
	return v;
}

static inline bool district_glances(uint32_t i)
{
	return !district.held[i] && !district.clock_asked[i] && rtsp_schedule_glances(&district.schedule, i);
}

static inline void district_look(uint32_t i)
{
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	struct rtsp_now now = district_now();
	bool recorder = *district.belongs[i].names[RTSP_COMMON_RECORDER];
	bool glance = district_glances(i);
	unsigned count = 0;
	district.looks += !glance;
	district.glances += glance;
	if (glance && district.down[i] == RTSP_OUTCOME_PICTURE) {
		/* It answers, and shows nothing. */
	} else if (district.down[i] == RTSP_OUTCOME_PICTURE) {
		const struct rtsp_verdict verdict = district_verdict(i);
		rtsp_outages_seen(&district.o, i, &verdict, district.unasked[i], now.mono);
		count = rtsp_health_picture(
			&district.health[i], &verdict, recorder, &rtsp_profile_default, now, reports);
	} else {
		rtsp_outages_failed(&district.o, i, district.down[i], now.mono);
		count = rtsp_health_failure(
			&district.health[i], district.down[i], recorder, &rtsp_profile_default, now, reports);
	}
	for (unsigned k = 0; k < count; k++)
		rtsp_outages_report(&district.o, i, &reports[k], now);
	district.clock_asked[i] &= glance;
	if (!district.held[i])
		rtsp_schedule_done(&district.schedule, i, district.down[i] != RTSP_OUTCOME_PICTURE,
			rtsp_health_undecided(&district.health[i]), (uint32_t)rand() * 2u, now.mono);
}

/* As watch.c does: few looks wait for what the clock shows. */
static inline bool district_waits_for_clock(uint32_t i)
{
	const struct rtsp_trouble *t = &district.health[i].troubles[RTSP_WRONG_CLOCK];
	if (district_glances(i))
		return false;
	return district.held[i] || district.clock_asked[i] || (t->open ? t->good : t->bad) ||
	       (district.now_s / DISTRICT_PERIOD_S + i) % (t->open ? 10 : 60) == 1;
}

/* How long it takes to get an answer, or none. */
static inline int64_t district_takes(uint32_t i)
{
	const enum rtsp_outcome outcome = district.down[i];
	district.clock_known[i] = district_waits_for_clock(i);
	if (outcome == RTSP_OUTCOME_PICTURE)
		return district.clock_known[i] && !district.held[i] ? 6 : 1;
	return outcome == RTSP_OUTCOME_TIMEOUT_CONNECT ? 5 : outcome == RTSP_OUTCOME_NO_ROUTE ? 3 : 1;
}

static inline void district_turns(void)
{
	uint32_t i;
	for (i = 0; i < district.count; i++) {
		if (district.held[i] && district.numbers[i] && (district.now_s + i) % 10 == 0)
			district.busy_until_s[i] = district.now_s - 1 + district_takes(i);
		if (!district.busy_until_s[i] || district.busy_until_s[i] > district.now_s)
			continue;
		district.busy_until_s[i] = 0;
		district_look(i);
	}
	while ((i = rtsp_schedule_take(&district.schedule, district_now().mono, true)) != RTSP_NOBODY)
		district.busy_until_s[i] = district.now_s + district_takes(i);
}

static inline void district_run(int64_t seconds)
{
	for (int64_t end = district.now_s + seconds; district.now_s < end; district.now_s++) {
		district_turns();
		rtsp_outages_step(&district.o, district_now());
		for (unsigned k = 0; k < district.told_count && !district.away; k++) {
			if (!district.told[k].number)
				continue;
			rtsp_outages_taken(
				&district.o, district.told[k].number, district.told[k].state, !district.lost);
			district.lost -= district.lost > 0;
			district.told[k].number = 0;
		}
	}
}

static inline void district_down(uint32_t from, uint32_t until, enum rtsp_outcome outcome)
{
	for (uint32_t i = from; i < until; i++)
		district.down[i] = outcome;
}

static inline void district_show(uint32_t from, uint32_t until, uint32_t faults)
{
	if (faults & rtsp_fault_bit(RTSP_FROZEN))
		district.froze_s = district.now_s;
	for (uint32_t i = from; i < until; i++)
		district.shows[i] = faults;
}

static inline void district_belong(uint32_t from, uint32_t until, enum rtsp_common common, const char *name)
{
	for (uint32_t i = from; i < until; i++)
		district.belongs[i].names[common] = name;
}

/* The one that was told in these words; it must be one. */
static inline const struct district_told *district_told(const char *text)
{
	const struct district_told *found = NULL;
	for (unsigned i = 0; i < district.told_count; i++) {
		if (strcmp(district.told[i].text, text) != 0)
			continue;
		cr_assert(!found, "told twice: %s", text);
		found = &district.told[i];
	}
	cr_assert(found, "never told: %s", text);
	return found;
}

static inline void district_expect(unsigned count)
{
	if (district.told_count != count)
		for (unsigned i = 0; i < district.told_count && i < 40; i++)
			fprintf(stderr, "%lld s: %s, %u\n", (long long)district.told[i].at_s,
				district.told[i].text, district.told[i].count);
	cr_assert_eq(district.told_count, count, "told %u times, not %u", district.told_count, count);
}
