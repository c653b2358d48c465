/* samples.h: the latencies of one run in microseconds, and the clock that they are taken with.
 *
 * All are kept, so that a percentile is one of them and no estimate.  Memory that runs out ends the program: a benchmark that lost
 * samples has measured nothing. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bench_samples {
	int32_t *us;
	size_t count, room;
};

void bench_samples_add(struct bench_samples *s, int64_t us);
/* Sorts them.  `share` is 0 to 1; 0 samples give 0. */
double bench_samples_percentile_ms(struct bench_samples *s, double share);
void bench_samples_finish(struct bench_samples *s);

int64_t bench_mono_us(void);
int64_t bench_wall_us(void);

/* Says what is wrong and exits with status 1. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A whole number from 1 (or 0) to `max`, of an option; anything else ends the program. */
uint64_t bench_number(const char *option, const char *text, uint64_t max);
