/* Who is alive, and who was merely not looked at since: what a group explains hangs on it. */
#include "agents/rtsp/outage/explain.h"

#include <criterion/criterion.h>

enum { CAMERAS = 10 };
#define SILENT RTSP_OUTCOME_TIMEOUT_CONNECT

static struct rtsp_outages o = { .limits = { .cameras = 3, .share = 0.8f } };

static struct torap_mono at(int64_t seconds)
{
	return (struct torap_mono){ seconds * TORAP_US_PER_S };
}

static void see_well(uint32_t slot, struct torap_mono now)
{
	const struct rtsp_verdict good = { 0 };
	rtsp_outages_seen(&o, slot, &good, 0, now);
}

static struct kit_planned *no_excuse(void *hint, uint32_t slot)
{
	(void)hint;
	(void)slot;
	return NULL;
}

static void begin(void)
{
	uint64_t numbers[CAMERAS];
	struct rtsp_belongs belongs[CAMERAS];
	for (uint32_t i = 0; i < CAMERAS; i++) {
		numbers[i] = i + 1;
		belongs[i] = (struct rtsp_belongs){ .names = { "sw-1", "", "", "site", "" } };
	}
	cr_assert_eq(rtsp_outages_set(&o, numbers, belongs, CAMERAS, at(1)), 0);
}

static void finish(void)
{
	rtsp_outages_finish(&o);
}

static struct rtsp_explanation explain(void)
{
	const struct rtsp_what silent = { RTSP_OFFLINE, RTSP_OUTCOME_PICTURE, false };
	rtsp_explaining_forget(o.explaining);
	return rtsp_explain(&o, rtsp_groups_find(&o.groups, RTSP_COMMON_SWITCH, "sw-1"), &silent);
}

/* One fails for a reason of its own, a minute before the switch dies; in between all others were seen well. */
Test(explain, an_older_fault_does_not_make_those_alive_that_were_seen_since, .init = begin, .fini = finish)
{
	rtsp_outages_failed(&o, 0, SILENT, at(10));
	for (uint32_t i = 1; i < CAMERAS; i++)
		see_well(i, at(20));
	rtsp_outages_failed(&o, 1, SILENT, at(70));
	rtsp_outages_failed(&o, 2, SILENT, at(71));
	struct rtsp_explanation e = explain();
	cr_expect_eq(e.failing, 3);
	cr_expect_eq(e.moment.us, at(70).us);
	cr_expect_eq(e.alive, 0);
	cr_expect_eq(e.unknown, 7);
	cr_expect(e.explains && e.possible);
}

/* And who was seen well after half of them had failed is alive, though the last failed later. */
Test(explain, who_was_seen_after_half_had_failed_is_alive, .init = begin, .fini = finish)
{
	for (uint32_t i = 0; i < 4; i++)
		rtsp_outages_failed(&o, i, SILENT, at(10 + i));
	for (uint32_t i = 4; i < CAMERAS - 1; i++)
		see_well(i, at(20));
	rtsp_outages_failed(&o, CAMERAS - 1, SILENT, at(70)); /* by itself */
	struct rtsp_explanation e = explain();
	cr_expect_eq(e.failing, 5);
	cr_expect_eq(e.alive, 5);
	cr_expect_eq(e.unknown, 0);
	cr_expect_not(e.explains || e.possible);
}

static struct rtsp_explanation explain_frozen(void)
{
	const struct rtsp_what frozen = { RTSP_FROZEN, RTSP_OUTCOME_PICTURE, false };
	rtsp_explaining_forget(o.explaining);
	return rtsp_explain(&o, rtsp_groups_find(&o.groups, RTSP_COMMON_SWITCH, "sw-1"), &frozen);
}

/* A picture of a camera that stands still for a minute. */
static void see_frozen(uint32_t slot, struct torap_mono now)
{
	const struct rtsp_verdict v = { .sight = RTSP_FROZEN,
		.faults = rtsp_fault_bit(RTSP_FROZEN),
		.unchanged_us = 60 * TORAP_US_PER_S };
	rtsp_outages_seen(&o, slot, &v, 0, now);
}

/* The first picture of a camera that froze is a new one, too: only the next tells. */
Test(explain, a_new_picture_says_what_was_when_the_one_before_came, .init = begin, .fini = finish)
{
	for (uint32_t i = 0; i < CAMERAS; i++)
		see_well(i, at(90));
	for (uint32_t i = 0; i < 3; i++)
		see_frozen(i, at(160)); /* since 100 */
	for (uint32_t i = 3; i < CAMERAS; i++)
		see_well(i, at(110));
	struct rtsp_explanation e = explain_frozen();
	cr_expect_eq(e.failing, 3);
	cr_expect_eq(e.moment.us, at(100).us);
	cr_expect_eq(e.unknown, 7);
	for (uint32_t i = 3; i < CAMERAS; i++)
		see_well(i, at(130));
	cr_expect_eq(explain_frozen().alive, 7);
	const struct rtsp_verdict same = { .unchanged_us = 1 };
	rtsp_outages_seen(&o, 3, &same, 0, at(140));
	cr_expect_eq(explain_frozen().alive, 7);
}

/* Nothing tells whether they are frozen: dark, blind, or of no interest. */
Test(explain, who_cannot_be_seen_to_have_the_fault_says_nothing, .init = begin, .fini = finish)
{
	const struct rtsp_verdict black = { .sight = RTSP_BLACK, .faults = rtsp_fault_bit(RTSP_BLACK) };
	const struct rtsp_verdict good = { 0 };
	for (uint32_t i = 0; i < 3; i++)
		see_frozen(i, at(160));
	rtsp_outages_failed(&o, 3, SILENT, at(150));
	rtsp_outages_seen(&o, 4, &black, 0, at(150));
	rtsp_outages_seen(&o, 5, &good, rtsp_fault_bit(RTSP_FROZEN), at(50));
	struct rtsp_explanation e = explain_frozen();
	cr_expect_eq(e.alive, 0);
	cr_expect_eq(e.unknown, CAMERAS - 6);
}

/* A picture was black, then none came for days: nobody is looked at for it meanwhile. */
Test(explain, what_was_suspected_of_a_camera_that_went_offline_is_dropped, .init = begin, .fini = finish)
{
	const struct rtsp_verdict black = { .sight = RTSP_BLACK, .faults = rtsp_fault_bit(RTSP_BLACK) };
	const struct rtsp_report offline = { .fault = RTSP_OFFLINE, .start = true, .outcome = SILENT };
	rtsp_outages_seen(&o, 0, &black, 0, at(10));
	cr_expect(o.stirred & rtsp_fault_bit(RTSP_BLACK));
	cr_expect(rtsp_explain_fails(rtsp_outages_member(&o, RTSP_BLACK, 0)));
	rtsp_outages_failed(&o, 0, SILENT, at(20));
	o.port.excuse = no_excuse;
	rtsp_outages_report(&o, 0, &offline, (struct rtsp_now){ at(50), { 0 } });
	cr_expect_not(rtsp_explain_fails(rtsp_outages_member(&o, RTSP_BLACK, 0)));
}
