/* criterion.h: as much of Criterion as our tests use, without its machinery, for ThreadSanitizer: Criterion maps its memory where the
 * sanitizer keeps its own, and cannot start.  Each test is a fork, one after the other; the summary line has Criterion's form.
 * PLAIN_ONCE: a program of several files includes this in each, and has one of everything. */
#pragma once

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLAIN_ONCE __attribute__((weak))

struct plain_options {
	void (*init)(void);
	void (*fini)(void);
	int signal, exit_code;
	double timeout;
	bool begin; /* so that a list of options may be empty */
};

struct plain_test {
	const char *suite, *name; /* name NULL: the options of a suite */
	void (*run)(void);
	const struct plain_options *options;
	struct plain_test *next;
};

PLAIN_ONCE struct plain_test *plain_tests;
PLAIN_ONCE int plain_failures; /* of cr_expect in this test */

#define PLAIN_ADD(id, suite_, name_, run_, ...)                                                              \
	static const struct plain_options id##_options = { __VA_ARGS__ };                                    \
	static struct plain_test id##_test = { suite_, name_, run_, &id##_options, NULL };                   \
	__attribute__((constructor)) static void id##_add(void)                                              \
	{                                                                                                    \
		id##_test.next = plain_tests;                                                                \
		plain_tests = &id##_test;                                                                    \
	}
#define Test(suite_, name_, ...)                                                                             \
	static void plain_##suite_##_##name_(void);                                                          \
	PLAIN_ADD(plain_##suite_##_##name_, #suite_, #name_, plain_##suite_##_##name_, .begin = true,        \
		##__VA_ARGS__)                                                                               \
	static void plain_##suite_##_##name_(void)
#define TestSuite(suite_, ...) PLAIN_ADD(plain_##suite_, #suite_, NULL, NULL, .begin = true, ##__VA_ARGS__)

PLAIN_ONCE void plain_fail(const char *file, int line, const char *text, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "%s:%d: %s ", file, line, text);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	plain_failures++;
}

#define PLAIN_CHECK(good, text, fatal, ...)                                                                  \
	((good) ? (void)0                                                                                    \
		: (plain_fail(__FILE__, __LINE__, text, "" __VA_ARGS__), fatal ? _exit(1) : (void)0))

#define cr_assert(c, ...)            PLAIN_CHECK(c, #c, true, ##__VA_ARGS__)
#define cr_assert_not(c, ...)        PLAIN_CHECK(!(c), "not " #c, true, ##__VA_ARGS__)
#define cr_assert_eq(a, b, ...)      PLAIN_CHECK((a) == (b), #a " == " #b, true, ##__VA_ARGS__)
#define cr_assert_neq(a, b, ...)     PLAIN_CHECK((a) != (b), #a " != " #b, true, ##__VA_ARGS__)
#define cr_assert_lt(a, b, ...)      PLAIN_CHECK((a) < (b), #a " < " #b, true, ##__VA_ARGS__)
#define cr_assert_leq(a, b, ...)     PLAIN_CHECK((a) <= (b), #a " <= " #b, true, ##__VA_ARGS__)
#define cr_assert_gt(a, b, ...)      PLAIN_CHECK((a) > (b), #a " > " #b, true, ##__VA_ARGS__)
#define cr_assert_geq(a, b, ...)     PLAIN_CHECK((a) >= (b), #a " >= " #b, true, ##__VA_ARGS__)
#define cr_assert_null(a, ...)       PLAIN_CHECK((a) == NULL, #a " is NULL", true, ##__VA_ARGS__)
#define cr_assert_not_null(a, ...)   PLAIN_CHECK((a) != NULL, #a " is not NULL", true, ##__VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)  PLAIN_CHECK(strcmp(a, b) == 0, #a " is " #b, true, ##__VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) PLAIN_CHECK(strcmp(a, b) != 0, #a " is not " #b, true, ##__VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...)                                                                       \
	PLAIN_CHECK(memcmp(a, b, n) == 0, #a " equals " #b, true, ##__VA_ARGS__)
#define cr_assert_arr_neq(a, b, n, ...)                                                                      \
	PLAIN_CHECK(memcmp(a, b, n) != 0, #a " differs from " #b, true, ##__VA_ARGS__)
#define cr_assert_float_eq(a, b, e, ...)                                                                     \
	PLAIN_CHECK(fabs((a) - (b)) <= (e), #a " is about " #b, true, ##__VA_ARGS__)
#define cr_assert_fail(...)          PLAIN_CHECK(false, "reached", true, ##__VA_ARGS__)
#define cr_expect(c, ...)            PLAIN_CHECK(c, #c, false, ##__VA_ARGS__)
#define cr_expect_not(c, ...)        PLAIN_CHECK(!(c), "not " #c, false, ##__VA_ARGS__)
#define cr_expect_eq(a, b, ...)      PLAIN_CHECK((a) == (b), #a " == " #b, false, ##__VA_ARGS__)
#define cr_expect_neq(a, b, ...)     PLAIN_CHECK((a) != (b), #a " != " #b, false, ##__VA_ARGS__)
#define cr_expect_lt(a, b, ...)      PLAIN_CHECK((a) < (b), #a " < " #b, false, ##__VA_ARGS__)
#define cr_expect_leq(a, b, ...)     PLAIN_CHECK((a) <= (b), #a " <= " #b, false, ##__VA_ARGS__)
#define cr_expect_gt(a, b, ...)      PLAIN_CHECK((a) > (b), #a " > " #b, false, ##__VA_ARGS__)
#define cr_expect_geq(a, b, ...)     PLAIN_CHECK((a) >= (b), #a " >= " #b, false, ##__VA_ARGS__)
#define cr_expect_null(a, ...)       PLAIN_CHECK((a) == NULL, #a " is NULL", false, ##__VA_ARGS__)
#define cr_expect_not_null(a, ...)   PLAIN_CHECK((a) != NULL, #a " is not NULL", false, ##__VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)  PLAIN_CHECK(strcmp(a, b) == 0, #a " is " #b, false, ##__VA_ARGS__)
#define cr_expect_str_neq(a, b, ...) PLAIN_CHECK(strcmp(a, b) != 0, #a " is not " #b, false, ##__VA_ARGS__)
#define cr_expect_arr_eq(a, b, n, ...)                                                                       \
	PLAIN_CHECK(memcmp(a, b, n) == 0, #a " equals " #b, false, ##__VA_ARGS__)
#define cr_expect_arr_neq(a, b, n, ...)                                                                      \
	PLAIN_CHECK(memcmp(a, b, n) != 0, #a " differs from " #b, false, ##__VA_ARGS__)
#define cr_expect_float_eq(a, b, e, ...)                                                                     \
	PLAIN_CHECK(fabs((a) - (b)) <= (e), #a " is about " #b, false, ##__VA_ARGS__)
#define cr_expect_fail(...) PLAIN_CHECK(false, "reached", false, ##__VA_ARGS__)

PLAIN_ONCE const struct plain_options *plain_suite(const char *suite)
{
	static const struct plain_options none;
	for (struct plain_test *t = plain_tests; t; t = t->next)
		if (!t->name && strcmp(t->suite, suite) == 0)
			return t->options;
	return &none;
}

PLAIN_ONCE bool plain_run(const struct plain_test *t)
{
	const struct plain_options *suite = plain_suite(t->suite);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		void (*init)(void) = t->options->init ? t->options->init : suite->init;
		void (*fini)(void) = t->options->fini ? t->options->fini : suite->fini;
		if (init)
			init();
		t->run();
		if (fini)
			fini();
		fflush(NULL);
		_exit(plain_failures ? 1 : 0);
	}
	int status;
	waitpid(child, &status, 0);
	bool good = t->options->signal ? WIFSIGNALED(status) && WTERMSIG(status) == t->options->signal
				       : status == 0;
	if (!good)
		fprintf(stderr, "[FAIL] %s::%s: status %#x\n", t->suite, t->name, (unsigned)status);
	return good;
}

PLAIN_ONCE int main(void)
{
	int tested = 0, passing = 0;
	for (struct plain_test *t = plain_tests; t; t = t->next)
		if (t->name) {
			tested++;
			passing += plain_run(t);
		}
	fprintf(stderr, "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: 0\n", tested,
		passing, tested - passing);
	return tested == passing ? 0 : 1;
}
