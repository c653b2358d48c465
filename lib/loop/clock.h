/* clock.h: what the kernel says of this host's clock (adjtimex): synchronised or not, by what, how far off, how sure.
 *
 * The kernel knows how it is steered and not by whom: the program that does it, and the servers which that asks, are not told to it, so no
 * name of a program stands here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct json_t;
struct timex;
struct torap_writer;

enum torap_clock_source {
	TORAP_CLOCK_NONE, /* not synchronised */
	TORAP_CLOCK_PROGRAM, /* a program steers it by frequency and steps, as chronyd does; it tells the kernel no offset */
	TORAP_CLOCK_PLL, /* the kernel's loop follows the offsets that a program tells, as ntpd and systemd-timesyncd do */
	TORAP_CLOCK_FLL, /* likewise, by the loop for rare offsets */
	TORAP_CLOCK_PPS, /* the kernel follows the pulse of a receiver */
	TORAP_CLOCK_SOURCES
};
const char *torap_clock_source_name(enum torap_clock_source source); /* "none" "program" "pll" "fll" "pps" */

struct torap_app_clock {
	bool known;      /* the kernel says that the clock is synchronised */
	bool has_offset; /* the kernel was told an offset */
	enum torap_clock_source source;
	int32_t offset_ms; /* its offset, rounded towards 0, for events; 0 also when it has none */
	double offset_s;
	double error_s,
		error_max_s; /* estimated and largest error; also of a clock that is not synchronised */
};

/* Of the kernel's answer: `state` is what adjtimex() returned, negative when it failed. */
struct torap_app_clock torap_clock_judge(int state, const struct timex *t);
struct torap_app_clock torap_app_clock(void);

/* The member `clock` of /status; NULL when there is no memory. */
struct json_t *torap_clock_json(const struct torap_app_clock *clock);
/* Metrics <prefix>_clock_known, _offset_seconds (only when there is one), _error_seconds, _source. */
void torap_clock_metrics(struct torap_writer *body, const char *prefix, const struct torap_app_clock *clock);
