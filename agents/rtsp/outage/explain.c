#include "agents/rtsp/outage/explain.h"

#include <stdlib.h>

enum { WITNESSES = 4, HURRIED_MAX = 512, AGAIN_S = 15 };

struct cached {
	uint64_t stamp;
	struct rtsp_what what;
	struct rtsp_explanation e;
};

struct turn {
	struct torap_mono asked, hurried; /* some, all; 0: never */
};

struct entry {                   /* of a group */
	struct cached cached[2]; /* [1]: of those that are excused */
	struct turn turns[RTSP_FAULTS];
	uint32_t from; /* where the search for witnesses goes on */
};

struct rtsp_explaining {
	uint64_t stamp;
	int64_t *times; /* owned */
	struct entry entries[];
};

struct rtsp_explaining *rtsp_explaining_create(uint32_t groups, uint32_t room)
{
	struct rtsp_explaining *e = calloc(1, sizeof *e + groups * sizeof *e->entries);
	if (!e)
		return NULL;
	e->stamp = 1;
	e->times = calloc((size_t)room + 1, sizeof *e->times);
	if (!e->times) {
		rtsp_explaining_destroy(e);
		return NULL;
	}
	return e;
}

void rtsp_explaining_destroy(struct rtsp_explaining *e)
{
	if (e)
		free(e->times);
	free(e);
}

void rtsp_explaining_forget(struct rtsp_explaining *e)
{
	e->stamp++;
}

enum rtsp_outcome rtsp_outcome_kind(enum rtsp_outcome outcome)
{
	switch (outcome) {
	case RTSP_OUTCOME_REFUSED:
	case RTSP_OUTCOME_NO_ROUTE:
	case RTSP_OUTCOME_NO_NAME:
	case RTSP_OUTCOME_TIMEOUT_CONNECT:
	case RTSP_OUTCOME_TIMEOUT_ANSWER:
	case RTSP_OUTCOME_STALLED:
	case RTSP_OUTCOME_ENDED:
		return RTSP_OUTCOME_PICTURE;
	default:
		return outcome;
	}
}

struct rtsp_what rtsp_explain_what(const struct rtsp_member *m, enum rtsp_fault fault)
{
	const bool offline = fault == RTSP_OFFLINE;
	enum rtsp_outcome outcome = m->state == RTSP_MEMBER_HELD ? m->reported : m->outcome;
	return (struct rtsp_what){ fault, offline ? rtsp_outcome_kind(outcome) : RTSP_OUTCOME_PICTURE,
		m->excused };
}

bool rtsp_what_is(const struct rtsp_what *a, const struct rtsp_what *b)
{
	return a->fault == b->fault && a->kind == b->kind && a->excused == b->excused;
}

bool rtsp_explain_fails(const struct rtsp_member *m)
{
	return m->state == RTSP_MEMBER_HELD || (m->state == RTSP_MEMBER_FREE && m->failures);
}

bool rtsp_explain_fits(const struct rtsp_member *m, const struct rtsp_what *what)
{
	const struct rtsp_what how = rtsp_explain_what(m, what->fault);
	return rtsp_explain_fails(m) && rtsp_what_is(&how, what);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void count_failing(const struct rtsp_outages *o, const struct rtsp_group *g,
	struct rtsp_explanation *e, const struct rtsp_what *what)
{
	int64_t *times = o->explaining->times;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct rtsp_member *m = rtsp_outages_member(o, what->fault, g->members[i]);
		if (rtsp_explain_fits(m, what)) {
			times[e->failing++] = m->failing_since.us;
			e->held += m->state == RTSP_MEMBER_HELD;
			e->sure |= m->state == RTSP_MEMBER_HELD || m->failures >= 2;
		}
		e->before += m->state == RTSP_MEMBER_TOLD;
	}
	if (!e->failing)
		return;
	qsort(times, e->failing, sizeof *times, compare);
	e->moment.us = times[e->failing / 2];
}

/* It is dark for a reason that is known, or fails because that was planned, or does not answer. */
static bool says_nothing(const struct rtsp_member *m, const struct rtsp_what *what)
{
	if (m->state == RTSP_MEMBER_TOLD || m->state == RTSP_MEMBER_IN)
		return true;
	const struct rtsp_what how = rtsp_explain_what(m, what->fault);
	return rtsp_explain_fails(m) && (how.excused != what->excused || how.kind == RTSP_OUTCOME_PICTURE);
}

/* Nobody can see whether it has the fault. */
static bool is_blind(const struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault)
{
	if (o->seats[slot].unasked & rtsp_fault_bit(fault))
		return true;
	if (fault == RTSP_OFFLINE)
		return false;
	for (const struct rtsp_member *m = o->seats[slot].members; m; m = m->next) {
		bool hides = m->fault == RTSP_OFFLINE ||
			     (rtsp_fault_is_sight(m->fault) && rtsp_fault_is_sight(fault));
		if (m->fault != fault && hides && (m->failures || m->state != RTSP_MEMBER_FREE))
			return true;
	}
	return false;
}

static bool is_stale(
	const struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault, struct torap_mono moment)
{
	const struct rtsp_member *m = rtsp_outages_member(o, fault, slot);
	return m->state == RTSP_MEMBER_FREE && !m->failures && o->seats[slot].well_at[fault].us < moment.us;
}

static bool enough(const struct rtsp_outages *o, uint32_t dark, uint32_t alive)
{
	return dark >= o->limits.cameras && (float)dark >= o->limits.share * (float)(dark + alive);
}

static struct rtsp_explanation find_out(
	const struct rtsp_outages *o, uint32_t group, const struct rtsp_what *what)
{
	const struct rtsp_group *g = &o->groups.list[group];
	struct rtsp_explanation e = { 0 };
	count_failing(o, g, &e, what);
	for (uint32_t i = 0; e.failing && i < g->count; i++) {
		const uint32_t slot = g->members[i];
		const struct rtsp_member *m = rtsp_outages_member(o, what->fault, slot);
		if (rtsp_explain_fits(m, what) || says_nothing(m, what))
			continue;
		bool stale = is_stale(o, slot, what->fault, e.moment);
		if (stale && is_blind(o, slot, what->fault))
			continue;
		e.unknown += stale;
		e.alive += !stale;
	}
	e.explains = e.failing && enough(o, e.failing, e.alive);
	e.possible = e.failing && enough(o, e.failing + e.unknown, e.alive);
	return e;
}

struct rtsp_explanation rtsp_explain(
	const struct rtsp_outages *o, uint32_t group, const struct rtsp_what *what)
{
	struct cached *c = &o->explaining->entries[group].cached[what->excused];
	if (c->stamp != o->explaining->stamp || !rtsp_what_is(&c->what, what))
		*c = (struct cached){ o->explaining->stamp, *what, find_out(o, group, what) };
	return c->e;
}

static void hurry(const struct rtsp_outages *o, uint32_t group, enum rtsp_fault fault,
	struct torap_mono moment, uint32_t most)
{
	const struct rtsp_group *g = &o->groups.list[group];
	struct entry *entry = &o->explaining->entries[group];
	uint32_t from = entry->from;
	for (uint32_t i = 0; most && i < g->count; i++) {
		uint32_t at = (from + i) % g->count, slot = g->members[at];
		if (!is_stale(o, slot, fault, moment) || is_blind(o, slot, fault))
			continue;
		o->port.hurry(o->port.hint, slot, fault);
		entry->from = at + 1;
		most--;
	}
}

static bool is_due(struct torap_mono last, struct torap_mono now)
{
	return !last.us || now.us - last.us >= AGAIN_S * (int64_t)TORAP_US_PER_S;
}

void rtsp_explain_hurry(
	const struct rtsp_outages *o, uint32_t group, const struct rtsp_what *what, struct torap_mono now)
{
	const struct rtsp_explanation e = rtsp_explain(o, group, what);
	struct turn *turn = &o->explaining->entries[group].turns[what->fault];
	if (!e.unknown || !e.possible)
		return;
	if (e.explains && what->fault != RTSP_WRONG_CLOCK && is_due(turn->hurried, now)) {
		turn->hurried = turn->asked = now;
		hurry(o, group, what->fault, e.moment, HURRIED_MAX);
	} else if (e.sure && is_due(turn->asked, now)) {
		turn->asked = now;
		hurry(o, group, what->fault, e.moment, WITNESSES);
	}
}
