#include "agents/rtsp/outage/explain.h"

#include <stdlib.h>

enum { WITNESSES = 4, HURRIED_MAX = 512, AGAIN_S = 15 };

struct cached {
	uint64_t stamp;
	enum rtsp_outcome kind;
	struct rtsp_explanation e;
};

struct entry {                            /* of a group */
	struct cached cached[2];          /* [1]: of those that are excused */
	struct torap_mono asked, hurried; /* some, all */
	uint32_t from;                    /* where the search for witnesses goes on */
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
	for (uint32_t i = 0; i < groups; i++)
		e->entries[i].asked.us = e->entries[i].hurried.us = INT64_MIN / 2;
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

enum rtsp_outcome rtsp_explain_kind(const struct rtsp_member *m)
{
	return rtsp_outcome_kind(m->state == RTSP_MEMBER_HELD ? m->reported : m->outcome);
}

bool rtsp_explain_fails(const struct rtsp_member *m)
{
	return m->state == RTSP_MEMBER_HELD || (m->state == RTSP_MEMBER_FREE && m->failures);
}

bool rtsp_explain_fits(const struct rtsp_member *m, enum rtsp_outcome kind, bool excused)
{
	return rtsp_explain_fails(m) && m->excused == excused && rtsp_explain_kind(m) == kind;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void count_failing(const struct rtsp_outages *o, const struct rtsp_group *g,
	struct rtsp_explanation *e, enum rtsp_outcome kind, bool excused)
{
	int64_t *times = o->explaining->times;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct rtsp_member *m = &o->members[g->members[i]];
		if (rtsp_explain_fits(m, kind, excused)) {
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

/* It says nothing: it is dark for a reason that is known, or fails because that was planned, or does not answer. */
static bool says_nothing(const struct rtsp_member *m, bool excused)
{
	if (m->state == RTSP_MEMBER_TOLD || m->state == RTSP_MEMBER_IN)
		return true;
	return rtsp_explain_fails(m) &&
	       (m->excused != excused || rtsp_explain_kind(m) == RTSP_OUTCOME_PICTURE);
}

static bool is_unknown(const struct rtsp_member *m, struct torap_mono moment)
{
	return m->state == RTSP_MEMBER_FREE && !m->failures && m->well_at.us < moment.us;
}

static bool enough(const struct rtsp_outages *o, uint32_t dark, uint32_t alive)
{
	return dark >= o->limits.cameras && (float)dark >= o->limits.share * (float)(dark + alive);
}

static struct rtsp_explanation find_out(
	const struct rtsp_outages *o, uint32_t group, enum rtsp_outcome kind, bool excused)
{
	const struct rtsp_group *g = &o->groups.list[group];
	struct rtsp_explanation e = { 0 };
	count_failing(o, g, &e, kind, excused);
	for (uint32_t i = 0; e.failing && i < g->count; i++) {
		const struct rtsp_member *m = &o->members[g->members[i]];
		if (rtsp_explain_fits(m, kind, excused) || says_nothing(m, excused))
			continue;
		if (is_unknown(m, e.moment))
			e.unknown++;
		else
			e.alive++;
	}
	e.explains = e.failing && enough(o, e.failing, e.alive);
	e.possible = e.failing && enough(o, e.failing + e.unknown, e.alive);
	return e;
}

struct rtsp_explanation rtsp_explain(
	const struct rtsp_outages *o, uint32_t group, enum rtsp_outcome kind, bool excused)
{
	struct cached *c = &o->explaining->entries[group].cached[excused];
	if (c->stamp != o->explaining->stamp || c->kind != kind)
		*c = (struct cached){ o->explaining->stamp, kind, find_out(o, group, kind, excused) };
	return c->e;
}

static void hurry(const struct rtsp_outages *o, uint32_t group, struct torap_mono moment, uint32_t most)
{
	const struct rtsp_group *g = &o->groups.list[group];
	struct entry *entry = &o->explaining->entries[group];
	uint32_t from = entry->from;
	for (uint32_t i = 0; most && i < g->count; i++) {
		uint32_t at = (from + i) % g->count;
		if (!is_unknown(&o->members[g->members[at]], moment))
			continue;
		o->port.hurry(o->port.hint, g->members[at]);
		entry->from = at + 1;
		most--;
	}
}

void rtsp_explain_hurry(const struct rtsp_outages *o, uint32_t group, enum rtsp_outcome kind, bool excused,
	struct torap_mono now)
{
	const struct rtsp_explanation e = rtsp_explain(o, group, kind, excused);
	struct entry *entry = &o->explaining->entries[group];
	const int64_t again_us = AGAIN_S * (int64_t)TORAP_US_PER_S;
	if (!e.unknown || !e.possible)
		return;
	if (e.explains && now.us - entry->hurried.us >= again_us) {
		entry->hurried = entry->asked = now;
		hurry(o, group, e.moment, HURRIED_MAX);
	} else if (e.sure && now.us - entry->asked.us >= again_us) {
		entry->asked = now;
		hurry(o, group, e.moment, WITNESSES);
	}
}
