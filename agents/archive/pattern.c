#include "agents/archive/pattern.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

/* Of 0000-01-01 and 9999-12-31, the whole days. */
static const int64_t first_s = -62167219200, last_s = 253402300799;

/* Seconds since 1970 are the same everywhere, and a name with an offset says which. */
static bool tells_offset(const char *pattern)
{
	for (const char *p = strchr(pattern, '%'); p; p = strchr(p + 2, '%')) {
		if (p[1] == 's' || p[1] == 'z')
			return true;
		if (!p[1])
			break;
	}
	return false;
}

bool archive_pattern_read(struct torap_wall *out, const char *pattern, int32_t utc_offset_s, const char *name)
{
	struct tm tm = { .tm_mday = 1 };
	const char *end = strptime(name, pattern, &tm);
	if (!end || *end)
		return false;
	const int64_t offset_s = tells_offset(pattern) ? tm.tm_gmtoff : utc_offset_s;
	const int64_t moment_s = (int64_t)timegm(&tm) - offset_s; /* timegm() forgets tm_gmtoff */
	if (moment_s < first_s || moment_s > last_s)
		return false;
	out->us = moment_s * TORAP_US_PER_S;
	return true;
}

int archive_pattern_check(const char *pattern, struct torap_error *err)
{
	char name[ARCHIVE_PATTERN_MAX + 256];
	struct torap_wall read;
	/* Whatever it prints of one moment it must read back. */
	const time_t moment = 1795672422;
	struct tm tm;
	/* What strftime() makes of %s and %z is local. */
	const struct tm *broken_down =
		tells_offset(pattern) ? localtime_r(&moment, &tm) : gmtime_r(&moment, &tm);
	if (strlen(pattern) > ARCHIVE_PATTERN_MAX || !broken_down ||
		strftime(name, sizeof name, pattern, &tm) == 0 ||
		!archive_pattern_read(&read, pattern, 0, name) ||
		read.us / TORAP_US_PER_S / 60 != moment / 60)
		return torap_errorf(err, -EINVAL,
			"\"%s\" does not tell date, hour and minute of a file, as %%Y-%%m-%%d/%%H-%%M-%%S.mp4 does",
			pattern);
	return 0;
}
