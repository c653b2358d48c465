/* log.h: lines for a tired operator, on standard error.
 *
 *     2026-11-22T14:27:49Z notice LINK-RESUMED broker almaty is back after 12 s; sending again from 4711
 *
 * The id is stable, so that it can be searched and alerted on.  No secrets, no plates, no texts of devices.  What a device can
 * provoke is counted and summed up, not logged each time.  When standard error is systemd's journal (JOURNAL_STREAM names
 * it), lines carry a <priority> and no time of their own. */
#pragma once

enum torap_log_level {
	TORAP_LOG_ERROR,
	TORAP_LOG_WARNING,
	TORAP_LOG_NOTICE,
	TORAP_LOG_INFO,
	TORAP_LOG_DEBUG
};

/* Lines less serious than `least` are dropped.  To begin with: notice. */
void torap_log_level(enum torap_log_level least);

void torap_log(enum torap_log_level level, const char *id, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define torap_fail(...)   torap_log(TORAP_LOG_ERROR, __VA_ARGS__)
#define torap_warn(...)   torap_log(TORAP_LOG_WARNING, __VA_ARGS__)
#define torap_notice(...) torap_log(TORAP_LOG_NOTICE, __VA_ARGS__)
#define torap_info(...)   torap_log(TORAP_LOG_INFO, __VA_ARGS__)
#define torap_debug(...)  torap_log(TORAP_LOG_DEBUG, __VA_ARGS__)
