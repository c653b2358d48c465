#include <criterion/criterion.h>

#include "agents/archive/audit.h"

static const int64_t hour = (int64_t)3600 * TORAP_US_PER_S;
static const struct archive_demand demand = {
	.term_days = 30, .share_percent = 95, .gap_s = 5, .utc_offset_s = 18000
};

static struct torap_wall when(const char *text)
{
	struct torap_wall t;
	cr_assert_eq(torap_wall_parse(&t, text, NULL), 0, "%s", text);
	return t;
}

/* Asked at 9 in the morning of Almaty's 26 November. */
static struct archive_report audit(
	struct archive_spans *held, const struct archive_spans *excused, const struct archive_demand *d)
{
	struct archive_report r;
	archive_audit(&r, held, excused, d, when("2026-11-26T04:00:00Z"));
	archive_spans_finish(held);
	return r;
}

static struct archive_spans since(const char *from)
{
	struct archive_spans held = { 0 };
	archive_spans_add(&held, when(from), when("2026-11-26T03:59:00Z"));
	return held;
}

Test(audit, thirty_whole_days_comply_and_one_day_less_does_not)
{
	struct archive_spans good = since("2026-10-26T19:00:00Z"), late = since("2026-10-27T23:00:00Z");
	struct archive_report r = audit(&good, NULL, &demand);
	cr_expect_eq(r.verdict, ARCHIVE_COMPLIANT);
	cr_expect_eq(r.held_days, 30);
	cr_expect_eq(r.depth_days, 30);
	cr_expect_eq(r.recorded_min, 1440);
	cr_expect_eq(r.day.us, when("2026-11-24T19:00:00Z").us, "a day begins at midnight of the place");
	r = audit(&late, NULL, &demand);
	cr_expect_eq(r.verdict, ARCHIVE_BELOW_TERM);
	cr_expect_eq(r.held_days, 28);
}

Test(audit, nothing_is_said_to_be_nothing)
{
	struct archive_spans none = { 0 };
	struct archive_report r = audit(&none, NULL, &demand);
	cr_expect_eq(r.verdict, ARCHIVE_STORING_NOTHING);
	cr_expect_eq(r.missing_min, 1440);
	struct archive_spans old = { 0 };
	archive_spans_add(&old, when("2026-06-01"), when("2026-06-10"));
	r = audit(&old, NULL, &demand);
	cr_expect_eq(r.verdict, ARCHIVE_STORING_NOTHING, "what is older than the term does not help");
}

/* A summary of a recorder's whole disk hides them. */
Test(audit, days_that_are_not_there_are_gaps)
{
	struct archive_spans held = since("2026-10-01");
	archive_spans_remove(&held, when("2026-11-10T00:00:00Z"), when("2026-11-12T00:00:00Z"));
	struct archive_report r = audit(&held, NULL, &demand);
	cr_expect_eq(r.verdict, ARCHIVE_GAPS);
	cr_expect_eq(r.held_days, 27);
}

Test(audit, what_was_excused_is_counted_apart_and_once)
{
	struct archive_spans held = since("2026-10-01"), excused = { 0 };
	struct torap_wall noon = when("2026-11-25T07:00:00Z");
	archive_spans_remove(&held, noon, (struct torap_wall){ noon.us + 3 * hour });
	archive_spans_add(
		&excused, (struct torap_wall){ noon.us - hour }, (struct torap_wall){ noon.us + 2 * hour });
	struct archive_report r = audit(&held, &excused, &demand);
	cr_expect_eq(r.recorded_min, 21 * 60);
	cr_expect_eq(r.excused_min, 2 * 60);
	cr_expect_eq(r.missing_min, 60);
	cr_expect_eq(
		r.verdict, ARCHIVE_COMPLIANT, "one hour is less than the share of a day that may be missing");
	archive_spans_finish(&excused);
}

/* Twelve hours less half a minute, and what is left of the day. */
Test(audit, halves_of_minutes_make_no_longer_day)
{
	struct archive_spans held = { 0 }, excused = { 0 };
	struct torap_wall day = when("2026-11-24T19:00:00Z"),
			  cut = { day.us + 12 * hour - 30 * TORAP_US_PER_S };
	archive_spans_add(&held, day, cut);
	archive_spans_add(&excused, cut, (struct torap_wall){ day.us + 24 * hour });
	struct archive_report r = audit(&held, &excused, &demand);
	cr_expect_eq(r.recorded_min + r.excused_min, 1440);
	cr_expect_eq(r.missing_min, 0);
	archive_spans_finish(&excused);
}

/* Its oldest day was excused for another reason; what it holds is a week. */
Test(audit, an_excuse_does_not_make_an_archive_older)
{
	struct archive_spans held = since("2026-11-19"), excused = { 0 };
	archive_spans_add(&excused, when("2026-10-25T00:00:00Z"), when("2026-10-28T00:00:00Z"));
	cr_expect_eq(audit(&held, &excused, &demand).verdict, ARCHIVE_BELOW_TERM);
	archive_spans_finish(&excused);
}

/* Both public answers that carry dates at all say 1970. */
Test(audit, a_recorder_whose_clock_was_not_set_is_unknown_and_not_56_years_deep)
{
	struct archive_spans held = since("1970-01-01");
	struct archive_report r = audit(&held, NULL, &demand);
	cr_expect_eq(r.verdict, ARCHIVE_UNKNOWN);
	cr_expect(r.earliest_unknown);
	cr_expect_eq(r.earliest.us, 0);
	cr_expect_eq(r.depth_days, 0);
	held = since("2026-11-20");
	archive_spans_add(&held, when("1970-01-01"), when("1970-01-03"));
	r = audit(&held, NULL, &demand);
	cr_expect_eq(r.verdict, ARCHIVE_BELOW_TERM, "what it recorded later is judged");
	cr_expect(r.earliest_unknown);
	archive_spans_add(&held, when("1970-01-01"), when("1970-01-03"));
	archive_spans_add(&held, when("2026-06-01"), when("2026-06-10"));
	cr_expect_eq(audit(&held, NULL, &demand).verdict, ARCHIVE_UNKNOWN,
		"what has no date may be of the term, what is older is not");
}

Test(audit, a_camera_is_asked_for_no_day_before_it_was_registered)
{
	struct archive_demand d = demand;
	d.since = when("2026-11-20T19:00:00Z");
	struct archive_spans held = since("2026-11-20T19:00:00Z");
	struct archive_report r = audit(&held, NULL, &d);
	cr_expect_eq(r.verdict, ARCHIVE_COMPLIANT);
	cr_expect_eq(r.asked_days, 5);
	d.since = when("2026-11-26");
	held = since("2026-11-26");
	cr_expect_eq(audit(&held, NULL, &d).verdict, ARCHIVE_UNKNOWN, "no whole day yet");
}

/* The place had another camera before. */
Test(audit, what_is_older_than_the_camera_is_not_looked_at)
{
	struct archive_demand d = demand;
	d.since = when("2026-11-20T19:00:00Z");
	struct archive_spans held = { 0 };
	archive_spans_add(&held, when("2026-10-01"), when("2026-11-19"));
	struct archive_report r = audit(&held, NULL, &d);
	cr_expect_eq(r.verdict, ARCHIVE_STORING_NOTHING);
	cr_expect_not(r.earliest_unknown);
	held = since("2026-10-01");
	r = audit(&held, NULL, &d);
	cr_expect_eq(r.verdict, ARCHIVE_COMPLIANT);
	cr_expect_not(r.earliest_unknown);
	cr_expect_eq(r.earliest.us, d.since.us);
	cr_expect_eq(r.depth_days, 5);
	held = since("2026-10-01");
	archive_spans_add(&held, when("1970-01-01"), when("1970-01-03"));
	cr_expect(audit(&held, NULL, &d).earliest_unknown, "what has no date may be younger");
}

Test(audit, on_motion_any_recording_makes_a_day)
{
	struct archive_demand d = demand;
	d.share_percent = 0;
	struct archive_spans held = { 0 };
	for (int day = 0; day < 31; day++) {
		struct torap_wall t = { when("2026-10-25T20:00:00Z").us + day * 24 * hour };
		archive_spans_add(&held, t, (struct torap_wall){ t.us + hour / 60 });
	}
	struct archive_report r = audit(&held, NULL, &d);
	cr_expect_eq(r.verdict, ARCHIVE_COMPLIANT);
	cr_expect_eq(r.recorded_min, 1);
}

Test(audit, what_is_dated_in_the_future_may_be_of_any_day)
{
	struct archive_spans held = { 0 };
	archive_spans_add(&held, when("2026-11-27"), when("2027-01-01"));
	struct archive_report r = audit(&held, NULL, &demand);
	cr_expect_eq(r.verdict, ARCHIVE_UNKNOWN);
	cr_expect(r.earliest_unknown);
	cr_expect_eq(r.earliest.us, 0);
	held = since("2026-10-01");
	archive_spans_add(&held, when("2026-11-26T05:00:00Z"), when("2026-11-26T08:00:00Z"));
	r = audit(&held, NULL, &demand);
	cr_expect_eq(r.verdict, ARCHIVE_COMPLIANT);
	cr_expect_not(r.earliest_unknown, "it dates by its zone");
}
