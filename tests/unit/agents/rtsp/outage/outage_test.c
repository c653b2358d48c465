#include "agents/rtsp/outage/outage.h"

#include "tests/unit/agents/rtsp/outage/district.h"

#define DEAD RTSP_OUTCOME_TIMEOUT_CONNECT
#define WELL RTSP_OUTCOME_PICTURE

static const int64_t start_s = 1000;

/* 500 cameras, and as many that stand beside them. */
Test(outage, five_hundred_behind_a_dead_switch_are_one_event, .fini = district_close)
{
	district_open(1000);
	district_belong(0, 500, RTSP_COMMON_SWITCH, "sw-1");
	district_belong(500, 1000, RTSP_COMMON_SWITCH, "sw-2");
	district_set();
	district_run(120);
	district_down(0, 500, DEAD);
	int64_t died_s = district.now_s;
	district_run(300);
	district_expect(1);
	const struct district_told *t = district_told("switch sw-1 start");
	cr_expect_eq(t->count, 500);
	cr_expect_eq(t->cause, RTSP_CAUSE_NETWORK);
	cr_expect_leq(t->at_s - died_s, 60, "known after %lld s", (long long)(t->at_s - died_s));
	district_down(0, 500, WELL);
	district_run(300);
	district_expect(2);
	t = district_told("switch sw-1 end");
	cr_expect_eq(t->count, 500);
	cr_expect_eq(t->others_count, 0);
	cr_expect_eq(district.o.swallowed, 1000);
}

/* A look each 40 s alone would need as long to find them: others of a failing camera's groups are looked at at once. */
Test(outage, a_few_behind_a_switch_are_found_before_their_turn, .fini = district_close)
{
	district_open(40);
	district_belong(0, 4, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 4, DEAD);
	district_run(61);
	district_expect(1);
	cr_expect_eq(district_told("switch sw-1 start")->count, 4);
}

Test(outage, one_camera_is_told_as_soon_as_the_others_were_seen, .fini = district_close)
{
	district_open(40);
	district_belong(0, 8, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district.down[3] = DEAD;
	while (!rtsp_outages_member(&district.o, RTSP_OFFLINE, 3)->failures)
		district_run(1);
	int64_t found_s = district.now_s;
	district_run(200);
	district_expect(1);
	const struct district_told *t = district_told("offline start 3");
	cr_expect_leq(
		t->at_s - found_s, 36, "told %lld s after the first failure", (long long)(t->at_s - found_s));
	district.down[3] = WELL;
	district_run(200);
	district_expect(2);
	district_told("offline end 3");
}

/* A recorder is asked by four at a time, and each waits for nothing for five seconds: all of it are one event all the same. */
Test(outage, a_silent_recorder_is_one_event_however_polite_we_are, .fini = district_close)
{
	district_open(200);
	district_belong(0, 32, RTSP_COMMON_RECORDER, "nvr-1");
	district_set();
	district_run(120);
	district_down(0, 32, DEAD);
	district_run(300);
	district_expect(1);
	cr_expect_eq(district_told("recorder nvr-1 start")->count, 32);
	cr_expect_leq(district.told[0].at_s, start_s + 120 + 120);
	district_down(0, 32, WELL);
	district_run(300);
	district_expect(2);
	district_told("recorder nvr-1 end");
}

/* Of two cameras none is a common cause, however much they have in common; and nobody waits for a third. */
Test(outage, two_are_told_each_by_itself, .fini = district_close)
{
	district_open(2);
	district_belong(0, 2, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 2, DEAD);
	district_run(200);
	district_expect(2);
	district_told("offline start 0");
	district_told("offline start 1");
}

Test(outage, two_causes_at_once_are_two, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_belong(20, 40, RTSP_COMMON_SWITCH, "sw-2");
	district_belong(40, 60, RTSP_COMMON_SWITCH, "sw-3");
	district_set();
	district_run(120);
	district_down(0, 40, DEAD);
	district_run(200);
	district_expect(2);
	cr_expect_eq(district_told("switch sw-1 start")->count, 20);
	cr_expect_eq(district_told("switch sw-2 start")->count, 20);
}

Test(outage, what_a_site_explains_is_not_told_by_switches, .fini = district_close)
{
	district_open(80);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_belong(20, 40, RTSP_COMMON_SWITCH, "sw-2");
	district_belong(40, 80, RTSP_COMMON_SITE, "other");
	district_set();
	district_run(120);
	district_down(0, 40, RTSP_OUTCOME_NO_ROUTE);
	district_run(200);
	district_expect(1);
	cr_expect_eq(district_told("site site start")->count, 40);
	cr_expect_eq(district.told[0].cause, RTSP_CAUSE_POWER);
}

Test(outage, streets_and_recorders_are_found_too, .fini = district_close)
{
	district_open(60);
	for (uint32_t i = 0; i < 60; i++)
		district_belong(i, i + 1, RTSP_COMMON_SITE, i % 2 ? "odd" : "even");
	district_belong(0, 10, RTSP_COMMON_STREET, "abay");
	district_belong(20, 30, RTSP_COMMON_RECORDER, "nvr-1");
	district_belong(20, 30, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 10, DEAD);
	district_down(20, 30,
		RTSP_OUTCOME_REFUSED); /* something answers there: it is the recorder, not the switch */
	district_run(200);
	district_expect(2);
	cr_expect_eq(district_told("street abay start")->count, 10);
	cr_expect_eq(district_told("recorder nvr-1 start")->count, 10);
	cr_expect_eq(district_told("recorder nvr-1 start")->cause, RTSP_CAUSE_RECORDER);
}

/* Our own cable, most likely. */
Test(outage, when_all_are_dark_it_is_one, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SITE, "a");
	district_belong(20, 40, RTSP_COMMON_SITE, "b");
	district_set();
	district_run(120);
	district_down(0, 60, RTSP_OUTCOME_NO_ROUTE);
	district_run(200);
	district_expect(1);
	cr_expect_eq(district_told("all all start")->count, 60);
}

/* A camera elsewhere that fails by chance at the same time makes no wider cause of it. */
Test(outage, a_wider_group_with_one_more_is_not_the_cause, .fini = district_close)
{
	district_open(12);
	district_belong(0, 9, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 10, DEAD);
	district_run(200);
	district_expect(2);
	cr_expect_eq(district_told("switch sw-1 start")->count, 9);
	district_told("offline start 9");
}

Test(outage, its_own_fault_is_told_when_the_outage_is_over, .fini = district_close)
{
	district_open(100);
	district_belong(0, 50, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 50, DEAD);
	district_run(200);
	district.down[7] = RTSP_OUTCOME_UNAUTHORISED;
	for (uint32_t i = 0; i < 50; i++)
		if (i != 7)
			district.down[i] = WELL;
	district_run(300);
	district_expect(3);
	const struct district_told *t = district_told("switch sw-1 end");
	cr_expect_eq(t->others_count, 1);
	cr_expect_eq(t->others[0], 7);
	cr_expect_eq(district_told("offline start 7")->cause, RTSP_CAUSE_CREDENTIALS);
	district.down[7] = WELL;
	district_run(200);
	district_expect(4);
	district_told("offline end 7");
}

/* Behind a dead switch nobody refuses a password. */
Test(outage, who_answers_wrongly_is_not_explained_by_silence, .fini = district_close)
{
	district_open(40);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 19, DEAD);
	district.down[19] = RTSP_OUTCOME_UNAUTHORISED;
	district_run(200);
	district_expect(2);
	cr_expect_eq(district_told("switch sw-1 start")->count, 19);
	district_told("offline start 19");
}

/* A password was changed for some, and then the switch dies for the others: two causes.  One of the first is silent, too, later, and counts where it is
 * then. */
Test(outage, two_kinds_of_one_group_are_two, .fini = district_close)
{
	district_open(40);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 17, RTSP_OUTCOME_UNAUTHORISED);
	district_run(200);
	district_expect(1);
	district_down(17, 20, DEAD);
	district_run(200);
	district_expect(2);
	cr_expect_eq(district.told[0].kind, RTSP_OUTCOME_UNAUTHORISED);
	cr_expect_eq(district.told[0].count, 17);
	cr_expect_eq(district.told[1].kind, RTSP_OUTCOME_PICTURE);
	cr_expect_eq(district.told[1].count, 3);
	district_down(0, 1, WELL);
	district_run(150);
	district_down(0, 1, DEAD);
	district_run(150);
	district.told_count = 0;
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(2);
	uint32_t first = district.told[0].kind == RTSP_OUTCOME_UNAUTHORISED ? 0 : 1;
	cr_expect_eq(district.told[first].members, 16);
	cr_expect_eq(district.told[first].count, 16);
	cr_expect_eq(district.told[1 - first].members, 4);
	cr_expect_eq(district.told[1 - first].count, 4);
}

/* What was dark for long before says nothing about the switch, and stays what it was. */
Test(outage, who_was_told_before_is_not_counted, .fini = district_close)
{
	district_open(40);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	for (uint32_t i = 0; i < 12; i += 2) { /* each by itself, one after the other */
		district_run(60);
		district.down[i] = DEAD;
	}
	district_run(120);
	district_expect(6);
	district_down(0, 20, DEAD);
	district_run(200);
	district_expect(7);
	cr_expect_eq(district_told("switch sw-1 start")->count, 14);
	cr_expect_eq(district_told("switch sw-1 start")->before, 6);
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(14);
	district_told("switch sw-1 end");
	district_told("offline end 0");
}

Test(outage, who_joins_or_leaves_is_told_with_its_name, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 18, DEAD); /* two have power of their own for a while */
	district_run(300);
	district_down(18, 20, DEAD);
	district_run(180);
	district_expect(2);
	const struct district_told *t = district_told("switch sw-1 change");
	cr_expect_eq(t->count, 2);
	cr_expect(t->slots[0] == 18 && t->slots[1] == 19);
	cr_expect_eq(t->members, 20);
	district.told_count = 0;
	district_down(0, 3, WELL);
	district_run(300);
	district_expect(1);
	t = district_told("switch sw-1 change");
	cr_expect_eq(t->count, 0);
	cr_expect_eq(t->others_count, 3);
	cr_expect_eq(t->dark, 17);
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(2);
	cr_expect_eq(district_told("switch sw-1 end")->count, 20);
}

/* Back before anything was told of it: both are told. */
Test(outage, one_that_is_short_loses_nothing, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 10, DEAD);
	while (!rtsp_outages_member(&district.o, RTSP_OFFLINE, 0)->failures)
		district_run(1);
	district_run(8);
	district_down(10, 20, DEAD); /* fail, and are not offline yet, while the first are */
	for (int i = 0; i < 200 && !rtsp_outages_held(&district.o); i++)
		district_run(1);
	cr_assert_geq(rtsp_outages_held(&district.o), 1);
	district_down(0, 20, WELL);
	district_run(300);
	int balance = 0;
	for (unsigned i = 0; i < district.told_count; i++)
		balance += strstr(district.told[i].text, "start") ? 1
			   : strstr(district.told[i].text, "end") ? -1
								  : 0;
	cr_expect_eq(balance, 0);
	cr_expect_geq(district.told_count, 2);
	for (uint32_t i = 0; i < 20; i++)
		cr_expect_eq(rtsp_outages_member(&district.o, RTSP_OFFLINE, i)->state, RTSP_MEMBER_FREE);
}

/* Six hours of three minutes off, three on. */
Test(outage, a_flapping_switch_is_held_open, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	for (int i = 0; i < 60; i++) {
		district_down(0, 20, DEAD);
		district_run(180);
		district_down(0, 20, WELL);
		district_run(180);
	}
	unsigned starts = 0;
	for (unsigned i = 0; i < district.told_count; i++) {
		cr_expect_null(strstr(district.told[i].text, "offline"), "%s", district.told[i].text);
		starts += strstr(district.told[i].text, "start") != NULL;
	}
	cr_expect_leq(starts, 4, "%u starts", starts);
	cr_expect_leq(district.told_count, 12, "%u events", district.told_count);
	district_run(1800); /* calm at last */
	cr_expect_str_eq(district.told[district.told_count - 1].text, "switch sw-1 end");
}

static struct kit_planned *plan(int64_t from_s, int64_t until_s)
{
	struct kit_planned *p = calloc(1, sizeof *p);
	cr_assert(p);
	p->refs = 1;
	p->who = strdup("order 5");
	p->why = strdup("rewiring");
	p->from.us = (from_s + 1700000000LL) * TORAP_US_PER_S;
	p->until.us = (until_s + 1700000000LL) * TORAP_US_PER_S;
	return p;
}

Test(outage, a_planned_one_is_excused_until_it_outlasts_its_plan, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	struct kit_planned *p = plan(start_s + 100, start_s + 1000);
	for (uint32_t i = 0; i < 20; i++)
		district.planned[i] = p;
	district_run(120);
	district_down(0, 20, DEAD);
	district_run(300);
	district_expect(1);
	cr_expect_eq(district_told("planned switch sw-1 start")->count, 20);
	district_down(0, 10, WELL);
	district_run(200);
	district_expect(2); /* ten are back */
	district_run(start_s + 1000 - district.now_s + 3);
	district_expect(13);
	cr_expect_eq(district_told("planned switch sw-1 end")->others_count, 10);
	district_told("offline start 10");
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(23);
	kit_planned_unref(p);
}

Test(outage, a_planned_one_that_nobody_comes_back_from_becomes_a_real_one, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	struct kit_planned *p = plan(start_s + 100, start_s + 600);
	for (uint32_t i = 0; i < 20; i++)
		district.planned[i] = p;
	district_run(120);
	district_down(0, 20, DEAD);
	district_run(600);
	district_expect(3);
	district_told("planned switch sw-1 end");
	const struct district_told *t = district_told("switch sw-1 start");
	cr_expect_eq(t->count, 20);
	cr_expect_leq(t->at_s, start_s + 602);
	kit_planned_unref(p);
}

/* One camera is being mended while its switch dies for its own reason. */
Test(outage, a_plan_for_one_does_not_excuse_the_others, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	struct kit_planned *p = plan(start_s + 100, start_s + 2000);
	district.planned[5] = p;
	district_run(120);
	district.down[5] = DEAD;
	district_run(120);
	district_expect(1);
	district_down(0, 20, DEAD);
	district_run(200);
	district_expect(2);
	cr_expect_eq(district_told("switch sw-1 start")->count, 19);
	kit_planned_unref(p);
}

/* The registry is read again in the middle: cameras go, one comes, one changes its switch. */
Test(outage, survives_a_change_of_the_registry, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district_down(0, 20, DEAD);
	district_run(200);
	district_expect(1);
	for (uint32_t i = 0; i < 5; i++) {
		district.numbers[i] = 0;
		district.belongs[i] = (struct rtsp_belongs){ .names = { NULL } };
	}
	district_belong(5, 6, RTSP_COMMON_SWITCH, "sw-2");
	district_set();
	cr_expect_eq(district.o.shares[0].dark, 15);
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(2);
	cr_expect_eq(district_told("switch sw-1 end")->count, 15);
	cr_expect_geq(
		district_told("switch sw-1 end")->first, 5, "it is told in the name of one that is gone");
}

/* The camera in whose name it is told leaves the registry before the node has it. */
Test(outage, what_did_not_get_through_is_told_again, .fini = district_close)
{
	district_open(60);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(120);
	district.lost = 1;
	district_down(0, 20, DEAD);
	district_run(200);
	cr_assert_eq(district.told_count, 2);
	cr_expect_str_eq(district.told[1].text, "switch sw-1 start");
	cr_expect_eq(district.told[1].count, 20);
	cr_expect(district.o.shares[0].durable);
	district.lost = 1;
	district_down(0, 20, WELL);
	district_run(300);
	cr_assert_eq(district.told_count, 4);
	cr_expect_str_eq(district.told[2].text, "switch sw-1 end");
	cr_expect_str_eq(district.told[3].text, "switch sw-1 end");
	cr_expect_eq(district.told[3].members, 20, "how many they were is known still");
	cr_expect_eq(district.o.shares[0].number, 0);
}

Test(outage, none_is_told_of_when_that_is_configured, .fini = district_close)
{
	district_open(20);
	district.o.limits.cameras = 0;
	district_set();
	district_run(120);
	district_down(0, 20, DEAD);
	district_run(200);
	district_expect(20);
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(40);
}

/* A district's worth, for a day of unrelated faults: nothing grows, nothing is lost, nothing is doubled, nobody waits for a minute. */
Test(outage, unrelated_faults_are_told_each_by_itself, .fini = district_close)
{
	static char names[128][16];
	district_open(1024);
	for (uint32_t i = 0; i < 1024; i++) {
		snprintf(names[i / 8], sizeof names[0], "sw-%u", i / 8);
		district_belong(i, i + 1, RTSP_COMMON_SWITCH, names[i / 8]);
	}
	district_set();
	district_run(120);
	srand(7);
	for (int i = 0; i < 600; i++) {
		uint32_t one = (uint32_t)rand() % 1024;
		district.down[one] = district.down[one] ? WELL : DEAD;
		district_run(20);
	}
	district_down(0, 1024, WELL);
	district_run(1800);
	int balance = 0;
	for (unsigned i = 0; i < district.told_count; i++) {
		cr_expect_null(strstr(district.told[i].text, "all"), "%s", district.told[i].text);
		balance += strstr(district.told[i].text, "start") ? 1
			   : strstr(district.told[i].text, "end") ? -1
								  : 0;
	}
	cr_expect_eq(balance, 0);
	cr_expect_eq(rtsp_outages_held(&district.o), 0);
	cr_expect_leq(district.o.list_room, 8);
	cr_expect_leq(district.o.shares_room, 8);
	cr_expect_leq(
		district.looks, 1024 * 15000 / 60 * 2, "%llu looks", (unsigned long long)district.looks);
}
