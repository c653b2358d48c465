#include "link/canary.h"

const char *torap_canary_reason_name(enum torap_canary_reason r)
{
	switch (r) {
	case TORAP_CANARY_NOT_YET:
		return "not-yet";
	case TORAP_CANARY_NO_LINK:
		return "no-link";
	case TORAP_CANARY_SILENT:
		return "silent";
	case TORAP_CANARY_OVERDUE:
		return "canary-overdue";
	case TORAP_CANARY_FINE:
		return "fine";
	}
	return "?";
}

void torap_canary_init(struct torap_canary *c, struct torap_mono now)
{
	*c = (struct torap_canary){
		.reason = TORAP_CANARY_NO_LINK, .since = now, .head_at = now, .came_at = now
	};
}

void torap_canary_head(struct torap_canary *c, uint32_t period_s, struct torap_mono now)
{
	/* A writer that was away says its next canary after its next head. */
	if (c->reason == TORAP_CANARY_SILENT && !c->overdue)
		c->came_at = now;
	c->period_s = period_s;
	c->heard = true;
	c->head_at = now;
}

void torap_canary_came(struct torap_canary *c, struct torap_mono now)
{
	c->came_at = now;
	c->overdue = false;
}

int64_t torap_canary_limit_ms(const struct torap_canary *c)
{
	return 2 * (int64_t)c->period_s * 1000 + TORAP_CANARY_GRACE_MS;
}

static enum torap_canary_reason reason_of(struct torap_canary *c, struct torap_mono now)
{
	if (torap_mono_reached(torap_mono_add_ms(c->head_at, TORAP_HEAD_SILENT_MS), now))
		return TORAP_CANARY_SILENT;
	if (!c->heard)
		return TORAP_CANARY_NOT_YET;
	if (c->period_s && torap_mono_reached(torap_mono_add_ms(c->came_at, torap_canary_limit_ms(c)), now)) {
		c->times_overdue += !c->overdue;
		c->overdue = true;
	}
	return c->overdue && c->period_s ? TORAP_CANARY_OVERDUE : TORAP_CANARY_FINE;
}

bool torap_canary_judge(struct torap_canary *c, bool link_flows, struct torap_mono now)
{
	enum torap_canary_reason before = c->reason;
	if (!link_flows) {
		c->reason = TORAP_CANARY_NO_LINK;
		c->heard = false;
	} else {
		if (before == TORAP_CANARY_NO_LINK)
			c->head_at = c->came_at = now;
		c->reason = reason_of(c, now);
	}
	if (c->reason != before)
		c->since = now;
	return c->reason != before;
}
