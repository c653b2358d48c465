/* What HTTP shows of outages, as they go by. */
#include "agents/rtsp/outage/outage_page.h"

#include "tests/unit/agents/rtsp/outage/district.h"
#include "tests/unit/agents/rtsp/outage/rows.h"

enum { CAMERAS = 8 };

static struct rtsp_agent agent;

static void expect(const char *member, const char *when)
{
	struct torap_writer body = { 0 };
	agent.outages = district.o;
	rtsp_outage_page_list(&agent, &body);
	torap_write_u8(&body, 0);
	cr_assert_not(body.failed);
	cr_expect(strstr((const char *)body.data, member), "%s: %s", when, (const char *)body.data);
	torap_writer_finish(&body);
}

/* The second time its switch lets it through, and its password is refused. */
Test(outage_page, who_is_dark_again_is_not_back)
{
	rows_set(&agent.cameras, CAMERAS, &rows_switch, 0);
	district_open(CAMERAS);
	district_belong(0, CAMERAS - 1, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, CAMERAS - 1, RTSP_OUTCOME_NO_ROUTE);
	district_run(300);
	expect("\"c3\":\"dark\"", "dead");
	district_down(3, 4, RTSP_OUTCOME_PICTURE);
	district_run(120);
	expect("\"c3\":\"back\"", "it answers");
	district_down(3, 4, RTSP_OUTCOME_UNAUTHORISED);
	district_run(300);
	district_told("offline start 3");
	expect("\"c3\":\"by_itself\"", "it answers, and wrongly");
	expect("\"c2\":\"dark\"", "the others are as they were");
	district_close();
	rtsp_cameras_finish(&agent.cameras);
}
