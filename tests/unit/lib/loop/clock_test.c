#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <sys/timex.h>

#include "base/bytes.h"
#include "loop/clock.h"

Test(clock, says_what_the_kernel_says)
{
	struct timex t = { .modes = 0 };
	int state = ntp_adjtime(&t);
	struct torap_app_clock clock = torap_app_clock();
	cr_assert_eq(clock.known, state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC));
	cr_assert_eq(clock.known, clock.source != TORAP_CLOCK_NONE);
}

/* Answers as hosts give them: with no daemon, chronyd, systemd-timesyncd, ntpd, a receiver with a pulse. */
Test(clock, reads_each_answer_of_the_kernel)
{
	static const struct {
		const char *what;
		int state, status;
		long offset;
		enum torap_clock_source source;
		double offset_s;
		int32_t offset_ms;
	} rows[] = {
		{ "no daemon", TIME_ERROR, STA_UNSYNC, 5000, TORAP_CLOCK_NONE, 0, 0 },
		{ "the flag alone", TIME_OK, STA_PLL | STA_UNSYNC, 5000, TORAP_CLOCK_NONE, 0, 0 },
		{ "a pulse that is lost", TIME_ERROR, STA_PLL | STA_PPSFREQ, 5000, TORAP_CLOCK_NONE, 0, 0 },
		{ "chronyd", TIME_OK, 0, 0, TORAP_CLOCK_PROGRAM, 0, 0 },
		{ "a leap second is near", TIME_INS, STA_INS, 0, TORAP_CLOCK_PROGRAM, 0, 0 },
		{ "timesyncd", TIME_OK, STA_PLL | STA_NANO, -1234567, TORAP_CLOCK_PLL, -0.001234567, -1 },
		{ "ntpd in microseconds", TIME_OK, STA_PLL, 250000, TORAP_CLOCK_PLL, 0.25, 250 },
		{ "rare offsets", TIME_OK, STA_PLL | STA_FLL | STA_NANO, 2000000, TORAP_CLOCK_FLL, 0.002, 2 },
		{ "a pulse", TIME_OK, STA_PLL | STA_PPSSIGNAL | STA_PPSTIME | STA_NANO, 700, TORAP_CLOCK_PPS,
			7e-7, 0 },
		{ "a pulse that nobody follows", TIME_OK, STA_PPSSIGNAL, 0, TORAP_CLOCK_PROGRAM, 0, 0 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct timex t = { .status = rows[i].status,
			.offset = rows[i].offset,
			.esterror = 1500,
			.maxerror = 16000000 };
		struct torap_app_clock clock = torap_clock_judge(rows[i].state, &t);
		cr_expect_eq(clock.source, rows[i].source, "%s", rows[i].what);
		cr_expect_eq(clock.known, rows[i].source != TORAP_CLOCK_NONE, "%s", rows[i].what);
		cr_expect_eq(clock.has_offset, clock.source > TORAP_CLOCK_PROGRAM, "%s", rows[i].what);
		cr_expect_float_eq(clock.offset_s, rows[i].offset_s, 1e-12, "%s", rows[i].what);
		cr_expect_eq(clock.offset_ms, rows[i].offset_ms, "%s", rows[i].what);
		cr_expect_float_eq(clock.error_s, 0.0015, 1e-12, "%s", rows[i].what);
		cr_expect_float_eq(clock.error_max_s, 16, 1e-12, "%s", rows[i].what);
	}
}

Test(clock, is_not_known_when_the_kernel_does_not_answer)
{
	struct timex t = { .offset = 7, .esterror = 7 };
	struct torap_app_clock clock = torap_clock_judge(-EPERM, &t);
	cr_expect(!clock.known && !clock.has_offset);
	cr_expect_eq(clock.source, TORAP_CLOCK_NONE);
	cr_expect_eq(clock.error_s, 0);
}

Test(clock, tells_an_offset_only_when_there_is_one)
{
	struct timex t = {
		.status = STA_PLL | STA_NANO, .offset = -1234567, .esterror = 20, .maxerror = 3000
	};
	for (int synchronised = 0; synchronised < 2; synchronised++) {
		struct torap_app_clock clock = torap_clock_judge(synchronised ? TIME_OK : TIME_ERROR, &t);
		json_t *json = torap_clock_json(&clock);
		cr_assert(json);
		cr_expect_str_eq(
			json_string_value(json_object_get(json, "source")), synchronised ? "pll" : "none");
		cr_expect_eq(json_is_true(json_object_get(json, "known")), synchronised);
		cr_expect_float_eq(json_real_value(json_object_get(json, "error_seconds")), 2e-5, 1e-12);
		cr_expect_float_eq(json_real_value(json_object_get(json, "error_max_seconds")), 3e-3, 1e-12);
		cr_expect_eq(json_object_get(json, "offset_seconds") != NULL, synchronised);
		if (synchronised)
			cr_expect_float_eq(json_real_value(json_object_get(json, "offset_seconds")),
				-0.001234567, 1e-12);
		json_decref(json);

		struct torap_writer page = { 0 };
		torap_clock_metrics(&page, "torap_x", &clock);
		torap_write_u8(&page, 0);
		const char *text = (const char *)page.data;
		cr_expect_eq(strstr(text, "\ntorap_x_clock_offset_seconds -0.001234567\n") != NULL,
			synchronised, "%s", text);
		cr_expect(strstr(text, synchronised ? "torap_x_clock_source{source=\"pll\"} 1\n"
						    : "torap_x_clock_source{source=\"none\"} 1\n"),
			"%s", text);
		cr_expect(strstr(text, "torap_x_clock_error_seconds{what=\"max\"} 0.003\n"), "%s", text);
		torap_writer_finish(&page);
	}
}
