#include <criterion/criterion.h>

#include <math.h>
#include <signal.h>
#include <string.h>

#include "loop/metric.h"

static void check(struct torap_writer *body, const char *expected)
{
	cr_assert_not(body->failed);
	cr_assert_eq(body->size, strlen(expected), "%.*s", (int)body->size, (char *)body->data);
	cr_assert_eq(
		memcmp(body->data, expected, body->size), 0, "%.*s", (int)body->size, (char *)body->data);
	torap_writer_finish(body);
}

Test(metric, is_written_in_prometheus_text)
{
	struct torap_writer body = { 0 };
	torap_metric_head(&body, "torap_events_total", "counter", "Events, \\ and\nlines");
	torap_metric(&body, "torap_events_total", NULL, 3);
	torap_metric(&body, "torap_events_total", "lane=\"critical\"", 4);
	check(&body, "# HELP torap_events_total Events, \\\\ and\\nlines\n# TYPE torap_events_total counter\n"
		     "torap_events_total 3\ntorap_events_total{lane=\"critical\"} 4\n");
}

Test(metric, may_be_one_line_or_have_one_label)
{
	struct torap_writer body = { 0 };
	torap_metric_one(&body, "torap_up", "gauge", "Up.", 1);
	torap_metric_labelled(&body, "torap_lag", "broker", "a\"b", 2);
	check(&body,
		"# HELP torap_up Up.\n# TYPE torap_up gauge\ntorap_up 1\ntorap_lag{broker=\"a\\\"b\"} 2\n");
}

Test(metric, shows_whole_numbers_without_an_exponent)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "m 0\n" },
		{ -7, "m -7\n" },
		{ 1000000, "m 1000000\n" },
		{ 1e15, "m 1000000000000000\n" },
		{ 9007199254740992.0, "m 9007199254740992\n" },
		{ 0.1, "m 0.1\n" },
		{ 1.5, "m 1.5\n" },
		{ 1e300, "m 1e+300\n" },
		{ INFINITY, "m +Inf\n" },
		{ -INFINITY, "m -Inf\n" },
		{ NAN, "m NaN\n" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct torap_writer body = { 0 };
		torap_metric(&body, "m", NULL, cases[i].value);
		check(&body, cases[i].text);
	}
}

Test(metric, escapes_what_would_end_a_label)
{
	char text[64];
	cr_assert_str_eq(
		torap_metric_label(text, sizeof text, "broker", "a\"b\\c\nd"), "broker=\"a\\\"b\\\\c\\nd\"");
	cr_assert_str_eq(torap_metric_label(text, sizeof text, "broker", ""), "broker=\"\"");
}

/* At every size: the label stays whole, and so do its escapes and its letters. */
Test(metric, cuts_a_label_that_is_too_long_between_characters)
{
	static const char value[] = "a\"Қост\\анай\n";
	for (size_t size = sizeof "l=\"\""; size < 48; size++) {
		char text[48];
		memset(text, '#', sizeof text);
		torap_metric_label(text, size, "l", value);
		size_t length = strlen(text);
		cr_assert_lt(length, size);
		cr_assert_eq(text[length - 1], '"');
		size_t back = 0;
		while (length >= 2 + back && text[length - 2 - back] == '\\')
			back++;
		cr_assert_eq(back % 2, 0, "%s", text);
		const unsigned char *last = (unsigned char *)text + length - 2;
		if (*last >= 0x80)
			cr_assert((*last & 0xc0) == 0x80 && last[-1] >= 0xc0, "%s", text);
	}
}

Test(metric, a_wrong_name_is_a_bug, .signal = SIGABRT)
{
	struct torap_writer body = { 0 };
	torap_metric(&body, "9lives", NULL, 1);
}

Test(metric, a_wrong_label_name_is_a_bug, .signal = SIGABRT)
{
	char text[64];
	torap_metric_label(text, sizeof text, "a-b", "x");
}

Test(metric, a_wrong_type_is_a_bug, .signal = SIGABRT)
{
	struct torap_writer body = { 0 };
	torap_metric_head(&body, "m", "meter", "");
}
