#include "base/time.h"

#include <criterion/criterion.h>

#include "base/error.h"

/* What is read once can be written and read again. */
Test(time, has_a_text_and_its_text_is_read)
{
	static const char *const texts[][2] = {
		{ "2026-11-22T14:27:49.123456Z", "2026-11-22T14:27:49.123456Z" },
		{ "2026-11-22T19:27:49.5+05:00", "2026-11-22T14:27:49.500Z" },
		{ "2026-11-22T14:27:49.1234567Z", "2026-11-22T14:27:49.123456Z" }, /* as .NET writes */
		{ "2026-11-22T14:27:49.999999999999999999999999Z", "2026-11-22T14:27:49.999999Z" },
		{ "2026-11-22", "2026-11-22T00:00:00Z" },
		{ "1970-01-01T05:00:00+05:00", "1970-01-01T00:00:00Z" },
		{ "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z" },
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char text[TORAP_WALL_TEXT_SIZE];
		struct torap_wall at, again;
		cr_assert_eq(torap_wall_parse(&at, texts[i][0], NULL), 0, "%s", texts[i][0]);
		cr_expect_str_eq(torap_wall_format(at, text), texts[i][1]);
		cr_assert_eq(torap_wall_parse(&again, text, NULL), 0, "%s", text);
		cr_expect_eq(again.us, at.us);
	}
}

/* An offset leads out of the years that have a text. */
Test(time, without_a_text_is_none)
{
	static const char *const texts[] = { "1970-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00",
		"9999-12-31T23:59:60Z", "1969-12-31T23:59:59Z", "2026-02-30", "2026-11-22T14:27:49.Z" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct torap_error err;
		struct torap_wall at;
		cr_expect_lt(torap_wall_parse(&at, texts[i], &err), 0, "%s", texts[i]);
	}
}

Test(duration, is_decimal_digits_and_a_unit)
{
	static const char *const none[] = { "", "s", "5", "+5s", "-5s", "-0s", " 5s", "5 s", "5s ", "1.5s",
		"0x5s", "5_0s", "9223372036854775808s" };
	int64_t us = 1;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		cr_expect_lt(torap_duration_parse(&us, none[i], NULL), 0, "%s", none[i]);
	cr_expect_eq(us, 1);
	cr_expect_eq(torap_duration_parse(&us, "90d", NULL), 0);
	cr_expect_eq(us, 90 * 86400 * 1000000LL);
}
