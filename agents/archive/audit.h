/* audit.h: does a recorder keep of a camera what it must?
 *
 * Pure: (what it holds, what was excused, what is asked, now) → a report.  A day is a calendar day at the site's offset from UTC.
 * Days of the term count back from the last whole day.  Minutes are those of that last day. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/archive/spans.h"
#include "base/time.h"

enum archive_verdict {
	ARCHIVE_UNKNOWN, /* it cannot be said: nobody answered, the recorder's dates make no sense, or no day is asked yet */
	ARCHIVE_COMPLIANT,       /* each day of the term is held */
	ARCHIVE_GAPS,            /* the earliest day is old enough, days between are not held */
	ARCHIVE_BELOW_TERM,      /* the earliest day is not old enough */
	ARCHIVE_STORING_NOTHING, /* nothing of the term is there */
};
const char *archive_verdict_name(enum archive_verdict v); /* "below_term" */

/* What a site's profile asks. */
struct archive_demand {
	uint32_t term_days; /* 30; 90 for some */
	uint32_t
		share_percent; /* of a day, recorded or excused, that makes it held; 0: anything recorded does (records on motion) */
	uint32_t gap_s;       /* a shorter pause is none */
	int32_t utc_offset_s; /* of the site's days: 18000 in Kazakhstan */
	struct torap_wall
		since; /* the camera is in service since then: days that begin before are not asked; 0: long ago */
};

enum { ARCHIVE_TERM_DAYS_MAX = 3660 };

struct archive_report {
	enum archive_verdict verdict;
	struct torap_wall day;                           /* where the last whole day begins */
	uint32_t recorded_min, excused_min, missing_min; /* of it; together 1440 */
	struct torap_wall earliest; /* what is held begins then; 0: nothing, or unknown */
	bool earliest_unknown; /* it claims a date at which it cannot have recorded: its clock was wrong then */
	uint32_t asked_days, held_days;
	uint32_t depth_days; /* whole days from `earliest` to the end of the last whole day */
};

/* `held` may overlap anything; it is joined by the demand's gap here.  The demand's term is 1 to ARCHIVE_TERM_DAYS_MAX. */
void archive_audit(struct archive_report *out, struct archive_spans *held,
	const struct archive_spans *excused, const struct archive_demand *demand, struct torap_wall now);
/* Where the last whole day begins. */
struct torap_wall archive_last_day(struct torap_wall now, int32_t utc_offset_s);
