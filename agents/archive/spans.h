/* spans.h: stretches of time, sorted and apart: what a recorder holds, what was excused, what is missing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct archive_span {
	struct torap_wall from, until; /* until is not in it */
};

/* Zero is an empty set.  A failure (memory, or more than ARCHIVE_SPANS_MAX) is remembered; the set is then incomplete. */
struct archive_spans {
	struct archive_span *items; /* owned */
	size_t count, room;
	bool failed;
};

enum { ARCHIVE_SPANS_MAX = 65536 }; /* of one camera: a motion every minute for a month and a half */

/* 2010-01-01T00:00:00Z.  What claims to be older was recorded before its recorder's clock was set. */
static const struct torap_wall archive_believable = { (int64_t)1262304000 * TORAP_US_PER_S };

/* What touches or overlaps becomes one.  An empty or backward stretch changes nothing. */
void archive_spans_add(struct archive_spans *s, struct torap_wall from, struct torap_wall until);
void archive_spans_remove(struct archive_spans *s, struct torap_wall from, struct torap_wall until);
/* Closes what is shorter than `gap_us` between two stretches: recorders cut files. */
void archive_spans_join(struct archive_spans *s, int64_t gap_us);
/* How much of [from, until) is covered, in microseconds. */
int64_t archive_spans_within(const struct archive_spans *s, struct torap_wall from, struct torap_wall until);
void archive_spans_finish(struct archive_spans *s); /* frees; empty again */
