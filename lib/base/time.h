/* time.h: two clocks that the compiler keeps apart, and their texts.
 *
 * Nothing here reads a clock: loop/app does, and hands `now` down. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct torap_error;

struct torap_mono {
	int64_t us; /* microseconds since an arbitrary moment; never jumps; for time-outs and rates */
};

struct torap_wall {
	int64_t us; /* microseconds since 1970-01-01T00:00:00Z; may jump; for people and law */
};

enum { TORAP_US_PER_MS = 1000, TORAP_US_PER_S = 1000000, TORAP_WALL_TEXT_SIZE = 32 };

static inline struct torap_mono torap_mono_add_ms(struct torap_mono t, int64_t ms)
{
	return (struct torap_mono){ t.us + ms * TORAP_US_PER_MS };
}

static inline bool torap_mono_reached(struct torap_mono deadline, struct torap_mono now)
{
	return now.us >= deadline.us;
}

/* Writes "2026-11-22T14:27:49.123456Z" (milliseconds or whole seconds when the rest is zero) and returns text. */
char *torap_wall_format(struct torap_wall t, char text[static TORAP_WALL_TEXT_SIZE]);

/* Reads RFC 3339 of 1970 to 9999 UTC: date and time, decimals of which six count, Z or an offset; or a date alone (midnight).  0 or -EINVAL. */
int torap_wall_parse(struct torap_wall *out, const char *text, struct torap_error *err);

/* Reads "500ms", "30s", "5m", "24h", "90d", "3y" (365 days) as microseconds.  0 or -EINVAL. */
int torap_duration_parse(int64_t *out_us, const char *text, struct torap_error *err);
