/* A request of the node for more cameras than one may hold, of which this agent knows one: each of the others is told as missing, and the request is open
 * until all of it is durable. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/evidence/evidence_inside.h"
#include "tests/kit/temporary.h"

enum { ASKED = 300, KNOWN = 150 };

static struct rtsp_agent agent;
static struct rtsp_evidence *evidence;
static char dir[64], folder[128];

static void begin(void)
{
	const struct kit_row row = { .address = "known",
		.device = "known",
		.url = "rtsp://c/1",
		.sub_url = "",
		.key_name = "",
		.profile = "",
		.site = "school-1",
		.switch_name = "",
		.recorder = "",
		.street = "",
		.mode = "sampled" };
	struct torap_error err;
	temporary_dir(dir, sizeof dir, "request");
	snprintf(folder, sizeof folder, "%s/store", dir);
	agent.loop = uv_default_loop();
	agent.config.evidence.folder = folder;
	agent.config.evidence.keep_us = 3600 * (int64_t)TORAP_US_PER_S;
	agent.config.evidence.memory = 1 << 20;
	cr_assert_eq(rtsp_cameras_set(&agent.cameras, &row, 1, false, NULL, NULL), 0);
	agent.schedule.limits =
		(struct rtsp_schedule_limits){ TORAP_US_PER_S, TORAP_US_PER_S, TORAP_US_PER_S, 1, 1, 0 };
	cr_assert_eq(rtsp_schedule_init(&agent.schedule, 1, 1), 0);
	rtsp_schedule_add(&agent.schedule, 0, RTSP_NOBODY, 0, (struct torap_mono){ 1 });
	cr_assert_eq(rtsp_evidence_open(&evidence, &agent, &err), 0, "%s", err.text);
}

static void finish(void)
{
	char command[128];
	rtsp_evidence_close(evidence);
	uv_run(agent.loop, UV_RUN_DEFAULT);
	evidence = rtsp_evidence_destroy(evidence);
	rtsp_schedule_finish(&agent.schedule);
	rtsp_cameras_finish(&agent.cameras);
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	cr_assert_eq(system(command), 0);
}

Test(request, names_each_camera_that_is_none_of_ours, .init = begin, .fini = finish)
{
	static char names[ASKED][16];
	char *addresses[ASKED];
	Torap__AgentRequest request = TORAP__AGENT_REQUEST__INIT;
	for (size_t i = 0; i < ASKED; i++) {
		snprintf(names[i], sizeof names[i], "ghost-%zu", i);
		addresses[i] = names[i];
	}
	strcpy(names[KNOWN], "KNOWN"); /* as the node compares addresses */
	request.id = 7;
	request.site = (char *)"school-1";
	request.alarm_stream = (char *)"node-a/critical/0000000000000001";
	request.alarms = 1;
	request.addresses = addresses;
	request.n_addresses = ASKED;
	rtsp_evidence_request(evidence, &request);
	cr_expect_eq(evidence->unknown, ASKED - 1);
	cr_expect_eq(evidence->teller.count, ASKED - 1, "each is told");
	cr_expect_eq(evidence->wishes_count, 1);
	cr_expect_eq(evidence->requests.list[0].open, ASKED, "done when all of them are");
	cr_expect_eq(rtsp_requests_next(&evidence->requests), 0);
	rtsp_evidence_request(evidence, &request); /* it comes again with each hello */
	cr_expect_eq(evidence->unknown, ASKED - 1);
}

/* Its row goes while its picture and its clip are under way, for an alarm and a later one: of each it is told that there is none. */
Test(request, tells_that_a_camera_has_left_the_registry, .init = begin, .fini = finish)
{
	struct rtsp_camera *c = rtsp_cameras_named(&agent.cameras, "known");
	const struct rtsp_alarm alarm = { .stream = "node-a/critical/0000000000000001", .seq = 1 };
	c->held = true;
	cr_assert_eq(rtsp_requests_begin(&evidence->requests, 7, torap_app_mono()), RTSP_REQUEST_NEW);
	rtsp_wish_for(evidence, c, &alarm, 1, 7, torap_app_mono());
	rtsp_record(evidence, c, &alarm, 1, 7, torap_app_mono());
	cr_assert(c->track && c->track->recording);
	rtsp_requests_release(&evidence->requests, 7);
	cr_assert_eq(evidence->teller.count, 0);
	rtsp_evidence_gone(evidence, c, false);
	cr_expect_eq(evidence->teller.count, 2, "%u are told", (unsigned)evidence->teller.count);
	cr_expect_eq(evidence->wishes_count, 0);
	cr_expect_eq(evidence->tracks, 0);
	cr_expect_gt(evidence->requests.list[0].open, 0, "not done before these are durable");
	rtsp_evidence_gone(evidence, c, false);
	cr_expect_eq(evidence->teller.count, 2, "once");
}
