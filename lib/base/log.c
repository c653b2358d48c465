#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static enum torap_log_level log_least = TORAP_LOG_NOTICE;

static const struct {
	const char *word;
	int priority; /* syslog(3) */
} log_levels[] = {
	[TORAP_LOG_ERROR] = { "error", 3 },
	[TORAP_LOG_WARNING] = { "warning", 4 },
	[TORAP_LOG_NOTICE] = { "notice", 5 },
	[TORAP_LOG_INFO] = { "info", 6 },
	[TORAP_LOG_DEBUG] = { "debug", 7 },
};

void torap_log_level(enum torap_log_level least)
{
	log_least = least;
}

void torap_log(enum torap_log_level level, const char *id, const char *format, ...)
{
	if (level > log_least)
		return;

	char line[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' '; /* A line is a line, whatever a peer put into it. */

	if (getenv("JOURNAL_STREAM")) {
		fprintf(stderr, "<%d>%s %s\n", log_levels[level].priority, id, line);
		return;
	}
	char at[32];
	time_t now = time(NULL); /* The one clock outside loop/app: it reaches no state. */
	struct tm utc;
	gmtime_r(&now, &utc);
	strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &utc);
	fprintf(stderr, "%s %s %s %s\n", at, log_levels[level].word, id, line);
}
