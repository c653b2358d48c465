#include "base/time.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

static const int64_t last_s = 253402300799; /* 9999-12-31T23:59:59Z */

char *torap_wall_format(struct torap_wall t, char text[static TORAP_WALL_TEXT_SIZE])
{
	int64_t seconds = t.us / TORAP_US_PER_S;
	int64_t rest = t.us % TORAP_US_PER_S;
	if (rest < 0) {
		rest += TORAP_US_PER_S;
		seconds--;
	}
	time_t when = (time_t)seconds;
	struct tm utc;
	if (!gmtime_r(&when, &utc) || utc.tm_year > 8099 || utc.tm_year < -1900) {
		snprintf(text, TORAP_WALL_TEXT_SIZE, "9999-12-31T23:59:59Z");
		return text;
	}
	size_t n = strftime(text, TORAP_WALL_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
	if (rest == 0)
		snprintf(text + n, TORAP_WALL_TEXT_SIZE - n, "Z");
	else if (rest % TORAP_US_PER_MS == 0)
		snprintf(text + n, TORAP_WALL_TEXT_SIZE - n, ".%03" PRId64 "Z", rest / TORAP_US_PER_MS);
	else
		snprintf(text + n, TORAP_WALL_TEXT_SIZE - n, ".%06" PRId64 "Z", rest);
	return text;
}

/* Reads exactly `digits` digits; -1 when they are not there. */
static int read_digits(const char **at, int digits)
{
	int value = 0;
	for (int i = 0; i < digits; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

static bool read_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool read_fraction(const char **at, int64_t *us)
{
	*us = 0;
	if (!read_char(at, '.'))
		return true;
	const char *begin = *at;
	int64_t unit = TORAP_US_PER_S / 10; /* 0 from the seventh on */
	for (; isdigit((unsigned char)**at); (*at)++) {
		*us += (**at - '0') * unit;
		unit /= 10;
	}
	return *at > begin;
}

static bool read_offset(const char **at, int *seconds)
{
	*seconds = 0;
	if (read_char(at, 'Z') || read_char(at, 'z'))
		return true;
	int sign = **at == '+' ? 1 : **at == '-' ? -1 : 0;
	if (!sign)
		return false;
	(*at)++;
	int h = read_digits(at, 2);
	if (h < 0 || h > 23 || !read_char(at, ':'))
		return false;
	int m = read_digits(at, 2);
	if (m < 0 || m > 59)
		return false;
	*seconds = sign * (h * 3600 + m * 60);
	return true;
}

int torap_wall_parse(struct torap_wall *out, const char *text, struct torap_error *err)
{
	const char *at = text;
	struct tm tm = { 0 };
	int64_t us = 0;
	int offset_s = 0;

	int year = read_digits(&at, 4);
	bool ok = year >= 1970 && read_char(&at, '-');
	int month = ok ? read_digits(&at, 2) : -1;
	ok = ok && month >= 1 && month <= 12 && read_char(&at, '-');
	int day = ok ? read_digits(&at, 2) : -1;
	ok = ok && day >= 1 && day <= 31;
	if (ok && *at) {
		ok = read_char(&at, 'T') || read_char(&at, 't') || read_char(&at, ' ');
		int h = ok ? read_digits(&at, 2) : -1;
		ok = ok && h >= 0 && h <= 23 && read_char(&at, ':');
		int m = ok ? read_digits(&at, 2) : -1;
		ok = ok && m >= 0 && m <= 59 && read_char(&at, ':');
		int s = ok ? read_digits(&at, 2) : -1;
		ok = ok && s >= 0 && s <= 60 && read_fraction(&at, &us) && read_offset(&at, &offset_s) &&
		     !*at;
		tm.tm_hour = h;
		tm.tm_min = m;
		tm.tm_sec = s;
	}
	if (!ok)
		return torap_errorf(err, -EINVAL, "\"%s\" is not a time such as 2026-11-22T14:30:00Z", text);
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	struct tm asked = tm;
	int64_t seconds = (int64_t)timegm(&tm);
	if (tm.tm_mday != asked.tm_mday)
		return torap_errorf(err, -EINVAL, "\"%s\" is not a day of the calendar", text);
	seconds -= offset_s;
	if (seconds < 0 || seconds > last_s)
		return torap_errorf(err, -EINVAL, "\"%s\" lies before 1970 or after 9999", text);
	out->us = seconds * TORAP_US_PER_S + us;
	return 0;
}

int torap_duration_parse(int64_t *out_us, const char *text, struct torap_error *err)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = {
		{ "ms", 1000LL },
		{ "s", 1000000LL },
		{ "m", 60 * 1000000LL },
		{ "h", 3600 * 1000000LL },
		{ "d", 86400 * 1000000LL },
		{ "y", 365 * 86400 * 1000000LL },
	};
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (isdigit((unsigned char)*text) && !errno)
		for (size_t i = 0; i < sizeof units / sizeof *units; i++)
			if (strcmp(end, units[i].unit) == 0 && n <= INT64_MAX / units[i].us) {
				*out_us = n * units[i].us;
				return 0;
			}
	return torap_errorf(
		err, -EINVAL, "\"%s\" is not a duration such as 500ms, 30s, 5m, 24h, 90d or 3y", text);
}
