/* pattern.h: when a file begins, by its name and a pattern as strptime(3) has it: "%Y-%m-%d/%H-%M-%S.mp4".  Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct torap_error;

enum { ARCHIVE_PATTERN_MAX = 255 };

/* Can it tell a moment?  0 or -EINVAL. */
int archive_pattern_check(const char *pattern, struct torap_error *err);
/* The moment that a name tells; utc_offset_s: of its times, unless it tells its own: %s, %z.  False: it does not fit the pattern to its
 * end, or tells a moment that no clock of ours shows: after the year 9999, or before 0. */
bool archive_pattern_read(
	struct torap_wall *out, const char *pattern, int32_t utc_offset_s, const char *name);
