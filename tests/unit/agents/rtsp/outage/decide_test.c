/* Which of the groups that explain a fault is told, and why it is so, most likely. */
#include "agents/rtsp/outage/decide.h"

#include "tests/unit/agents/rtsp/outage/district.h"

static void expect_cause(
	enum rtsp_fault fault, enum rtsp_common common, enum rtsp_cause of_most, enum rtsp_cause expected)
{
	const struct rtsp_what what = { fault, RTSP_OUTCOME_PICTURE, false };
	enum rtsp_cause cause = rtsp_decide_cause(common, &what, of_most);
	cr_expect_eq(cause, expected, "%s of a %s: %s, not %s", rtsp_fault_name(fault),
		rtsp_common_name(common), rtsp_cause_name(cause), rtsp_cause_name(expected));
}

Test(decide, what_is_common_is_the_cause_unless_a_hand_is_at_work)
{
	expect_cause(RTSP_OFFLINE, RTSP_COMMON_SWITCH, RTSP_CAUSE_POWER, RTSP_CAUSE_NETWORK);
	expect_cause(RTSP_OFFLINE, RTSP_COMMON_SITE, RTSP_CAUSE_POWER, RTSP_CAUSE_POWER);
	expect_cause(RTSP_FROZEN, RTSP_COMMON_RECORDER, RTSP_CAUSE_BROKEN, RTSP_CAUSE_RECORDER);
	expect_cause(RTSP_FROZEN, RTSP_COMMON_SITE, RTSP_CAUSE_BROKEN, RTSP_CAUSE_BROKEN);
	expect_cause(RTSP_BLACK, RTSP_COMMON_RECORDER, RTSP_CAUSE_MASKED, RTSP_CAUSE_RECORDER);
	expect_cause(RTSP_BLACK, RTSP_COMMON_SITE, RTSP_CAUSE_MASKED, RTSP_CAUSE_POWER);
	expect_cause(RTSP_BLACK, RTSP_COMMON_STREET, RTSP_CAUSE_MASKED, RTSP_CAUSE_POWER);
	expect_cause(RTSP_WRONG_CLOCK, RTSP_COMMON_RECORDER, RTSP_CAUSE_BROKEN, RTSP_CAUSE_RECORDER);
	expect_cause(RTSP_WRONG_CLOCK, RTSP_COMMON_SWITCH, RTSP_CAUSE_BROKEN, RTSP_CAUSE_NETWORK);
	expect_cause(RTSP_WRONG_RATE, RTSP_COMMON_SWITCH, RTSP_CAUSE_NETWORK, RTSP_CAUSE_NETWORK);
	for (int common = 0; common < RTSP_COMMONS; common++) {
		expect_cause(RTSP_UNIFORM, common, RTSP_CAUSE_MASKED, RTSP_CAUSE_MASKED);
		expect_cause(RTSP_WHITE, common, RTSP_CAUSE_BROKEN, RTSP_CAUSE_BROKEN);
		expect_cause(RTSP_MOVED, common, RTSP_CAUSE_TAMPER, RTSP_CAUSE_TAMPER);
		expect_cause(RTSP_DEFOCUSED, common, RTSP_CAUSE_TAMPER, RTSP_CAUSE_TAMPER);
	}
}

/* A site of twelve behind one switch, of which eight are on a recorder. */
static void open_site(void)
{
	district_open(60);
	district_belong(0, 12, RTSP_COMMON_SITE, "school");
	district_belong(0, 12, RTSP_COMMON_SWITCH, "sw-1");
	district_belong(0, 8, RTSP_COMMON_RECORDER, "nvr-1");
	district_set();
	district_run(120);
}

static void expect_told(enum rtsp_fault fault, uint32_t until, const char *text)
{
	open_site();
	district_show(0, until, rtsp_fault_bit(fault));
	district_run(300);
	district_expect(1);
	cr_expect_eq(district_told(text)->count, until);
	district_close();
}

/* A switch makes no picture black, but it can be too slow for all of them. */
Test(decide, a_switch_is_told_of_what_it_can_cause)
{
	expect_told(RTSP_BLACK, 12, "site school black start");
	expect_told(RTSP_BLACK, 8, "recorder nvr-1 black start");
	expect_told(RTSP_WRONG_SIZE, 12, "site school wrong_size start");
	expect_told(RTSP_WRONG_RATE, 12, "switch sw-1 wrong_rate start");
	open_site();
	district_down(0, 12, RTSP_OUTCOME_TIMEOUT_CONNECT);
	district_run(200);
	district_expect(1);
	district_told("switch sw-1 start");
	district_close();
}
