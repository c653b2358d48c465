#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

/* Is standard error the journal's stream?  JOURNAL_STREAM names that by device and inode (systemd.exec(5)); whoever is started from a
 * service inherits it, also where its own standard error leads elsewhere. */
static bool goes_to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char ours[48];
	if (!stream || fstat(STDERR_FILENO, &st))
		return false;
	snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, ours) == 0;
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

	if (goes_to_journal()) {
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
