#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agents/ctl/retention_table.h"

static struct retention_table *table;

static void begin(void)
{
	cr_assert_eq(retention_table_create(&table, NULL), 0);
}

static void end(void)
{
	retention_table_destroy(table);
}

static void add(const char *site, const char *device, const char *day, const char *verdict, uint32_t region,
	uint32_t facility)
{
	/* The caller's texts do not outlive the call. */
	char texts[3][32];
	snprintf(texts[0], 32, "%s", site);
	snprintf(texts[1], 32, "%s", device);
	snprintf(texts[2], 32, "%s", day);
	const struct retention_row row = { .writer = "node-a",
		.site = texts[0],
		.device = texts[1],
		.day = texts[2],
		.region = region,
		.facility = facility,
		.verdict = retention_verdict_of(verdict),
		.missing_min = 10 };
	cr_assert_eq(retention_table_add(table, &row), 0);
	memset(texts, 'x', sizeof texts);
}

TestSuite(retention_table, .init = begin, .fini = end);

Test(retention_table, counts_sites_by_region_and_facility)
{
	add("school-2", "cam-3", "2026-11-25", "compliant", 391010000, 7);
	add("school-1", "cam-1", "2026-11-25", "compliant", 391010000, 7);
	add("school-1", "cam-2", "2026-11-25", "below_term", 391010000, 7);
	add("mall-1", "cam-4", "2026-11-25", "gaps", 391010000, 11);
	add("school-9", "cam-5", "2026-11-25", "unknown", 151010000, 7);
	struct retention_line sum;
	size_t count;
	const struct retention_line *lines = retention_table_lines(table, &count, &sum);
	cr_assert_eq(count, 3);
	cr_expect_eq(lines[0].region, 151010000);
	cr_expect_eq(lines[0].of[RETENTION_UNKNOWN], 1);
	cr_expect_eq(lines[0].missing_min, 0, "nobody knows");
	cr_expect_eq(lines[1].sites, 2);
	cr_expect_eq(lines[1].of[RETENTION_COMPLIANT], 1);
	cr_expect_eq(lines[1].of[RETENTION_BELOW], 1, "one camera of a site is enough");
	cr_expect_eq(lines[1].missing_min, 30);
	cr_expect_eq(lines[2].of[RETENTION_GAPS], 1);
	cr_expect_eq(sum.sites, 4);
	cr_expect_eq(sum.cameras, 5);
}

Test(retention_table, a_site_stores_nothing_when_none_of_its_cameras_is_kept)
{
	add("school-1", "cam-1", "2026-11-25", "storing_nothing", 391010000, 7);
	add("school-1", "cam-2", "2026-11-25", "compliant", 391010000, 7);
	add("school-2", "cam-3", "2026-11-25", "storing_nothing", 391010000, 7);
	struct retention_line sum;
	size_t count;
	cr_assert(retention_table_lines(table, &count, &sum));
	cr_expect_eq(sum.of[RETENTION_BELOW], 1);
	cr_expect_eq(sum.of[RETENTION_NOTHING], 1);
}

Test(retention_table, the_newest_day_of_a_camera_counts_whatever_the_order)
{
	struct retention_line sum;
	size_t count;
	add("school-1", "cam-1", "2026-11-25", "compliant", 391010000, 7);
	add("school-1", "cam-1", "2026-11-24", "storing_nothing", 391010000, 7);
	cr_assert(retention_table_lines(table, &count, &sum));
	cr_expect_eq(sum.cameras, 1);
	cr_expect_eq(sum.of[RETENTION_COMPLIANT], 1);
	add("school-1", "cam-1", "2026-11-26", "gaps", 391010000, 7);
	cr_assert(retention_table_lines(table, &count, &sum));
	cr_expect_eq(sum.of[RETENTION_GAPS], 1);
}

Test(retention_table, a_word_of_tomorrow_is_unknown)
{
	cr_expect_eq(retention_verdict_of("half_compliant"), RETENTION_UNKNOWN);
	cr_expect_eq(retention_verdict_of(""), RETENTION_UNKNOWN);
}

Test(retention_table, nothing_is_an_empty_table)
{
	struct retention_line sum;
	size_t count;
	cr_assert(retention_table_lines(table, &count, &sum));
	cr_expect_eq(count, 0);
}

/* The process that asks recorders is dead since spring; what it told last must not look like what complies. */
Test(retention_table, what_was_told_long_ago_is_unknown)
{
	struct retention_line sum;
	size_t count;
	add("school-1", "cam-1", "2026-04-01", "compliant", 391010000, 7);
	add("school-2", "cam-2", "2026-11-22", "compliant", 391010000, 7);
	cr_assert(retention_table_lines(table, &count, &sum));
	retention_table_expire(table, "2026-11-22");
	cr_assert(retention_table_lines(table, &count, &sum));
	cr_expect_eq(sum.of[RETENTION_COMPLIANT], 1);
	cr_expect_eq(sum.of[RETENTION_UNKNOWN], 1);
}

static void is_tame(void *hint, const struct retention_row *row)
{
	(void)hint;
	cr_expect_str_eq(row->site, "?HYPERLINK?1?2?");
	cr_expect_str_eq(row->device, "cam-1??2J?x");
}

/* A node that was taken over signs a formula, and what clears a screen. */
Test(retention_table, holds_nothing_that_a_spreadsheet_or_terminal_obeys)
{
	add("=HYPERLINK(1,2)", "cam-1\x1b[2J\nx", "2026-11-25", "compliant", 391010000, 7);
	retention_table_cameras(table, is_tame, NULL);
}
