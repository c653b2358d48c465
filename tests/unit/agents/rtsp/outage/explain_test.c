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
