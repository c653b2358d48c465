#include "agents/rtsp/outage/decide.h"

#include <string.h>

#include "agents/rtsp/outage/explain.h"

/* The groups of one camera that explain it. */
struct candidates {
	struct rtsp_explanation e[RTSP_COMMONS];
	bool any, settled, possible;
};

static struct candidates candidates_of(
	const struct rtsp_outages *o, uint32_t slot, const struct rtsp_what *what)
{
	struct candidates c = { .settled = true };
	for (unsigned i = 0; i < RTSP_COMMONS; i++) {
		uint32_t group = o->groups.of[slot][i];
		if (group == RTSP_NO_GROUP)
			continue;
		c.e[i] = rtsp_explain(o, group, what);
		c.possible |= c.e[i].possible;
		if (!c.e[i].explains)
			continue;
		c.any = true;
		c.settled &= !c.e[i].unknown && c.e[i].held == c.e[i].failing;
	}
	return c;
}

/* A switch, and another that explains as many.  One recorder behind one switch: what the cameras say decides.  And a switch makes no picture
 * black: the lights of the site do. */
static enum rtsp_common rather_than_switch(
	const struct candidates *c, enum rtsp_fault fault, enum rtsp_cause cause)
{
	const uint32_t failing = c->e[RTSP_COMMON_SWITCH].failing;
	const bool shows = rtsp_fault_is_sight(fault) || fault == RTSP_WRONG_SIZE;
	for (unsigned i = RTSP_COMMON_RECORDER; i <= RTSP_COMMON_SITE; i++)
		if ((shows || (i == RTSP_COMMON_RECORDER && cause == RTSP_CAUSE_RECORDER)) &&
			c->e[i].explains && c->e[i].failing == failing)
			return (enum rtsp_common)i;
	return RTSP_COMMON_SWITCH;
}

/* The one that explains most; of those that explain as many, or nearly as many and the wider one has cameras that are well, the most
 * specific. */
static enum rtsp_common best_of(const struct rtsp_outages *o, const struct candidates *c,
	enum rtsp_fault fault, enum rtsp_cause cause)
{
	unsigned best = RTSP_COMMONS;
	for (unsigned i = 0; i < RTSP_COMMONS; i++)
		if (c->e[i].explains && (best == RTSP_COMMONS || c->e[i].failing > c->e[best].failing))
			best = i;
	for (unsigned i = 0; i < best; i++)
		if (c->e[i].explains && c->e[best].alive &&
			c->e[i].failing + o->limits.cameras > c->e[best].failing)
			best = i;
	return best == RTSP_COMMON_SWITCH ? rather_than_switch(c, fault, cause) : (enum rtsp_common)best;
}

enum rtsp_decision rtsp_decide(const struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault,
	bool now_or_never, struct torap_mono now, uint32_t *group)
{
	const struct rtsp_member *m = rtsp_outages_member(o, fault, slot);
	const struct rtsp_what what = rtsp_explain_what(m, fault);
	if (!o->limits.cameras)
		return RTSP_DECIDE_ALONE;
	struct candidates c = candidates_of(o, slot, &what);
	/* A group that explains it may take longer: politeness towards a recorder makes looking at all of it slow. */
	struct torap_mono deadline = { m->deadline.us + (c.any ? o->limits.hold_us : 0) };
	bool over = now_or_never || torap_mono_reached(deadline, now);
	if (!over && (c.any ? !c.settled : c.possible))
		return RTSP_DECIDE_WAIT;
	if (!c.any)
		return RTSP_DECIDE_ALONE;
	*group = o->groups.of[slot][best_of(o, &c, fault, m->cause)];
	return RTSP_DECIDE_GROUP;
}

uint32_t rtsp_decide_first(
	const struct rtsp_outages *o, const uint32_t *slots, uint32_t count, uint32_t *times)
{
	uint32_t best = slots[0];
	memset(times, 0, o->room * sizeof *times);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t site = o->groups.of[slots[i]][RTSP_COMMON_SITE];
		if (site != RTSP_NO_GROUP)
			times[o->groups.list[site].members[0]]++; /* a site's first slot stands for it */
	}
	uint32_t most = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t site = o->groups.of[slots[i]][RTSP_COMMON_SITE];
		uint32_t here = site == RTSP_NO_GROUP ? 0 : times[o->groups.list[site].members[0]];
		if (here > most) {
			most = here;
			best = slots[i];
		}
	}
	return best;
}

static enum rtsp_cause cause_of_silence(enum rtsp_common common, enum rtsp_cause of_most)
{
	if (common == RTSP_COMMON_RECORDER)
		return RTSP_CAUSE_RECORDER;
	if (common == RTSP_COMMON_SWITCH || common == RTSP_COMMON_ALL)
		return RTSP_CAUSE_NETWORK;
	return of_most == RTSP_CAUSE_POWER ? RTSP_CAUSE_POWER : RTSP_CAUSE_NETWORK;
}

/* Paint and fog look the same: of what a hand can do, that is told which each of them says. */
enum rtsp_cause rtsp_decide_cause(
	enum rtsp_common common, const struct rtsp_what *what, enum rtsp_cause of_most)
{
	const bool recorder = common == RTSP_COMMON_RECORDER;
	switch (what->fault) {
	case RTSP_OFFLINE:
		return what->kind == RTSP_OUTCOME_PICTURE ? cause_of_silence(common, of_most) : of_most;
	case RTSP_BLACK: /* their lights went out */
		return recorder ? RTSP_CAUSE_RECORDER : RTSP_CAUSE_POWER;
	case RTSP_FROZEN:
	case RTSP_WRONG_SIZE:
		return recorder ? RTSP_CAUSE_RECORDER : of_most;
	case RTSP_WRONG_RATE:
	case RTSP_WRONG_CLOCK: /* they do not reach what tells the time */
		return recorder ? RTSP_CAUSE_RECORDER : RTSP_CAUSE_NETWORK;
	default:
		return of_most;
	}
}
