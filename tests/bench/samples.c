#include "bench/samples.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void bench_fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

uint64_t bench_number(const char *option, const char *text, uint64_t max)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value > max)
		bench_fail("--%s %s: not a number up to %llu", option, text, (unsigned long long)max);
	return value;
}

void bench_samples_add(struct bench_samples *s, int64_t us)
{
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 4096;
		s->us = realloc(s->us, s->room * sizeof *s->us);
		if (!s->us)
			bench_fail("out of memory for %zu samples", s->room);
	}
	s->us[s->count++] = us > INT32_MAX ? INT32_MAX : (int32_t)us;
}

static int compare(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

double bench_samples_percentile_ms(struct bench_samples *s, double share)
{
	if (!s->count)
		return 0;
	qsort(s->us, s->count, sizeof *s->us, compare);
	size_t i = (size_t)(share * (double)(s->count - 1) + 0.5);
	return s->us[i] / 1000.0;
}

void bench_samples_finish(struct bench_samples *s)
{
	free(s->us);
	*s = (struct bench_samples){ 0 };
}

static int64_t now_us(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t bench_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

int64_t bench_wall_us(void)
{
	return now_us(CLOCK_REALTIME);
}
