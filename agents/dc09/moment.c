#include "agents/dc09/moment.h"

#include <stdio.h>
#include <time.h>

static bool digits(const uint8_t *at, int count, int *out)
{
	*out = 0;
	for (int i = 0; i < count; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		*out = *out * 10 + (at[i] - '0');
	}
	return true;
}

bool dc09_moment_parse(struct torap_wall *out, struct torap_bytes text)
{
	const uint8_t *at = text.data;
	int hour, minute, second, month, day, year;
	if (text.size != DC09_MOMENT_SIZE || at[2] != ':' || at[5] != ':' || at[8] != ',' || at[11] != '-' ||
		at[14] != '-')
		return false;
	if (!digits(at, 2, &hour) || !digits(at + 3, 2, &minute) || !digits(at + 6, 2, &second) ||
		!digits(at + 9, 2, &month) || !digits(at + 12, 2, &day) || !digits(at + 15, 4, &year))
		return false;
	if (hour > 23 || minute > 59 || second > 59 || year < 1970)
		return false;

	struct tm tm = { .tm_year = year - 1900,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = minute,
		.tm_sec = second };
	time_t seconds = timegm(&tm);
	if (tm.tm_mon != month - 1 || tm.tm_mday != day) /* timegm() turned 31 February into March. */
		return false;
	out->us = (int64_t)seconds * TORAP_US_PER_S;
	return true;
}

char *dc09_moment_format(struct torap_wall t, char text[static DC09_MOMENT_TEXT_SIZE])
{
	time_t seconds = (time_t)(t.us / TORAP_US_PER_S);
	struct tm tm = { 0 };
	gmtime_r(&seconds, &tm);
	if (!strftime(text, DC09_MOMENT_TEXT_SIZE, "%H:%M:%S,%m-%d-%Y", &tm))
		snprintf(text, DC09_MOMENT_TEXT_SIZE, "00:00:00,01-01-1970");
	return text;
}
