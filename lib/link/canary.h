/* canary.h: what a writer says in a lane, does it arrive here?  Judged by its heads and its canaries: no I/O, no clock.
 *
 * A head says that the writer lives, and how often it puts a canary into the lane.  A canary takes the way of every event: numbered,
 * flushed, sealed, carried, verified, flushed here.  So when heads come and canaries do not, every link may look healthy and nothing
 * is delivered.  Two may be missed, and 5 s are for sealing and the way, before that is said.
 *
 * Waiting begins when our own link flows, for our own silence is not the writer's.  That a canary is overdue is over when one has
 * come, and by nothing else; that the writer is silent when a head has come. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum {
	TORAP_HEAD_SILENT_MS =
		10000, /* no head for so long: the writer is silent, or what is between us withholds it */
	TORAP_CANARY_GRACE_MS = 5000,
};

enum torap_canary_reason {
	TORAP_CANARY_NO_LINK, /* our own link does not flow */
	TORAP_CANARY_NOT_YET, /* the link flows, and no head came yet */
	TORAP_CANARY_SILENT,
	TORAP_CANARY_OVERDUE,
	TORAP_CANARY_FINE,
};
/* "not-yet", "no-link", "silent", "canary-overdue", "fine". */
const char *torap_canary_reason_name(enum torap_canary_reason r);

struct torap_canary {
	enum torap_canary_reason reason;
	struct torap_mono since;
	uint32_t period_s; /* as the newest head says; 0: it does not say, and no canary is missed */
	bool heard;        /* a head, since the link flows */
	bool overdue;
	uint64_t times_overdue;
	struct torap_mono head_at, came_at; /* the last one, or when waiting for it began */
};

void torap_canary_init(struct torap_canary *c, struct torap_mono now);
/* A head that is newer than those before. */
void torap_canary_head(struct torap_canary *c, uint32_t period_s, struct torap_mono now);
/* One is here. */
void torap_canary_came(struct torap_canary *c, struct torap_mono now);
/* About once a second.  True: the reason is another than before. */
bool torap_canary_judge(struct torap_canary *c, bool link_flows, struct torap_mono now);
/* Without one for so long it is overdue. */
int64_t torap_canary_limit_ms(const struct torap_canary *c);
