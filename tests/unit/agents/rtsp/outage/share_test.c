/* An outage whose cameras not everybody may read of: each audience hears of its own cameras, and only of those. */
#include "agents/rtsp/outage/share.h"

#include "tests/unit/agents/rtsp/outage/district.h"

#define DEAD RTSP_OUTCOME_TIMEOUT_CONNECT
#define WELL RTSP_OUTCOME_PICTURE

enum { HERE = 1, THERE = 2 }; /* audiences */

/* `count` cameras behind a switch, of which those from `there` on are another audience's. */
static void open_switch(uint32_t count, uint32_t there)
{
	district_open(60);
	district_belong(0, count, RTSP_COMMON_SWITCH, "sw-1");
	for (uint32_t i = 0; i < 60; i++)
		district.belongs[i].audience = i < there ? HERE : THERE;
	district_set();
	district_run(120);
}

/* What that audience was told in these words; it must be one, and must name nobody else. */
static const struct district_told *told_to(uint64_t audience, const char *text)
{
	const struct district_told *found = NULL;
	for (unsigned i = 0; i < district.told_count; i++) {
		const struct district_told *t = &district.told[i];
		if (t->audience != audience || strcmp(t->text, text) != 0)
			continue;
		cr_assert(!found, "told twice: %s", text);
		found = t;
	}
	cr_assert(found, "never told to %u: %s", (unsigned)audience, text);
	cr_expect_eq(district.belongs[found->first].audience, audience, "in whose name?");
	for (uint32_t i = 0; i < found->count; i++)
		cr_expect_eq(
			district.belongs[found->slots[i]].audience, audience, "names %u", found->slots[i]);
	for (uint32_t i = 0; i < found->others_count; i++)
		cr_expect_eq(
			district.belongs[found->others[i]].audience, audience, "names %u", found->others[i]);
	return found;
}

Test(share, each_audience_hears_of_its_own_cameras, .fini = district_close)
{
	open_switch(20, 12);
	district_down(0, 20, DEAD);
	district_run(200);
	district_expect(2);
	const struct district_told *here = told_to(HERE, "switch sw-1 start");
	const struct district_told *there = told_to(THERE, "switch sw-1 start");
	cr_expect_eq(here->count, 12);
	cr_expect_eq(there->count, 8);
	cr_expect(here->members == 12 && there->members == 8);
	cr_expect(here->total == 20 && there->total == 20);
	cr_expect_eq(here->began.us, there->began.us);
	cr_expect_eq(here->cause, there->cause);
	cr_expect_eq(district.o.starts[0], 1);
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(4);
	cr_expect_eq(told_to(HERE, "switch sw-1 end")->count, 12);
	cr_expect_eq(told_to(THERE, "switch sw-1 end")->count, 8);
	cr_expect_eq(told_to(THERE, "switch sw-1 end")->others_count, 0);
	cr_expect_eq(district.o.ends[0], 1);
	cr_expect_eq(district.o.shares[0].number, 0);
	cr_expect_null(district.o.list[0]);
}

/* It has fewer than `cameras` there, and is explained all the same. */
Test(share, one_camera_of_another_audience_is_one_of_many, .fini = district_close)
{
	open_switch(20, 19);
	district_down(0, 20, DEAD);
	district_run(200);
	district_expect(2);
	const struct district_told *t = told_to(THERE, "switch sw-1 start");
	cr_expect(t->count == 1 && t->total == 20);
	district_run(600); /* and that it is one makes it no end */
	district_expect(2);
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(4);
}

Test(share, whose_cameras_are_back_hears_of_the_end_before_the_others, .fini = district_close)
{
	open_switch(20, 12);
	district_down(0, 20, DEAD);
	district_run(200);
	district_down(12, 20, WELL);
	district_run(200);
	district_expect(3);
	cr_expect_eq(told_to(THERE, "switch sw-1 end")->count, 8);
	cr_expect_eq(district.o.list[0]->members, 12);
	const struct district_told first = *told_to(THERE, "switch sw-1 start");
	district.told_count = 0;
	district_down(12, 20, DEAD);
	district_run(200);
	district_expect(1); /* all in one */
	const struct district_told *t = told_to(THERE, "switch sw-1 start");
	cr_expect_eq(t->count, 8);
	cr_expect_eq(t->total, 20);
	cr_expect_eq(t->began.us, first.began.us, "the same outage");
	cr_expect_neq(t->since.us, first.since.us, "and another start");
	district.told_count = 0;
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(2);
}

/* With what is still dark elsewhere it is not over; when that is little, it is for everybody. */
Test(share, whether_it_is_over_is_decided_for_all_together, .fini = district_close)
{
	open_switch(20, 12);
	district_down(0, 20, DEAD);
	district_run(200);
	district_down(14, 20, WELL);
	district_run(300);
	district_expect(3);
	const struct district_told *t = told_to(THERE, "switch sw-1 change");
	cr_expect(t->others_count == 6 && t->dark == 2);
	district.told_count = 0;
	district_down(0, 12, WELL);
	district_run(300);
	district_expect(4);
	cr_expect_eq(told_to(HERE, "switch sw-1 end")->others_count, 0);
	cr_expect_eq(told_to(THERE, "switch sw-1 end")->others_count, 2);
	district_told("offline start 12");
	district_told("offline start 13");
}

Test(share, who_joins_later_is_a_start_for_those_who_had_not_heard_of_it, .fini = district_close)
{
	open_switch(20, 17);
	district_down(0, 17, DEAD);
	district_run(200);
	district_expect(1);
	cr_expect_eq(told_to(HERE, "switch sw-1 start")->count, 17);
	district_down(17, 20, DEAD); /* had power of their own for a while */
	district_run(200);
	district_expect(2);
	cr_expect_eq(told_to(THERE, "switch sw-1 start")->count, 3);
	cr_expect_eq(told_to(THERE, "switch sw-1 start")->total, 20);
}

/* Back before it was told: both are told. */
Test(share, one_that_is_short_loses_nothing, .fini = district_close)
{
	open_switch(20, 19);
	district.o.limits.join_us = 1000 * TORAP_US_PER_S;
	district_down(0, 19, DEAD);
	district_run(200);
	district_down(19, 20, DEAD);
	while (rtsp_outages_member(&district.o, RTSP_OFFLINE, 19)->state != RTSP_MEMBER_IN)
		district_run(1);
	district_expect(1);
	district_down(19, 20, WELL);
	district_run(120);
	district_expect(3);
	cr_expect_eq(told_to(THERE, "switch sw-1 start")->count, 1);
	cr_expect_eq(told_to(THERE, "switch sw-1 end")->count, 1);
}

/* The node took one report and not the other. */
Test(share, only_what_did_not_get_through_is_told_again, .fini = district_close)
{
	open_switch(20, 12);
	district.lost = 1;
	district_down(0, 20, DEAD);
	district_run(200);
	district_expect(3);
	cr_expect_eq(district.told[0].audience, district.told[2].audience);
	cr_expect_str_eq(district.told[2].text, "switch sw-1 start");
	cr_expect(district.o.shares[0].durable && district.o.shares[1].durable);
	district.lost = 1;
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(6);
	cr_expect_eq(district.told[3].audience, district.told[5].audience);
	cr_expect_null(district.o.list[0]);
}

/* Nobody would know before the end that they are dark, or back. */
Test(share, a_change_that_did_not_get_through_is_told_again, .fini = district_close)
{
	open_switch(20, 20);
	district_down(0, 17, DEAD);
	district_run(200);
	district_expect(1);
	district_down(17, 20, DEAD);
	district_down(0, 5, WELL);
	district.lost = 1;
	while (district.told_count < 2)
		district_run(1);
	cr_expect_str_eq(district.told[1].text, "switch sw-1 change");
	district_run(300);
	uint32_t joined = 0, back = 0;
	for (unsigned i = 2; i < district.told_count; i++) {
		cr_expect_str_eq(district.told[i].text, "switch sw-1 change");
		for (uint32_t k = 0; k < district.told[i].count; k++)
			joined += district.told[i].slots[k] >= 17;
		back += district.told[i].others_count;
	}
	cr_expect_eq(joined, 3);
	cr_expect_eq(back, 5);
	cr_expect_leq(district.told_count, 4);
	unsigned told = district.told_count;
	district_run(300);
	district_expect(told);
}

/* It comes back as lost at once: no room.  Again, and not at each step. */
Test(share, a_change_without_room_is_told_again_later, .fini = district_close)
{
	open_switch(20, 20);
	district_down(0, 20, DEAD);
	district_run(200);
	district_down(0, 5, WELL);
	district.lost = 1000;
	district_run(300);
	cr_expect_geq(district.told_count, 4);
	cr_expect_leq(district.told_count, 11);
}

/* The switch got another name meanwhile. */
Test(share, an_end_that_did_not_get_through_outlives_its_group, .fini = district_close)
{
	open_switch(20, 20);
	district_down(0, 20, DEAD);
	district_run(200);
	district.lost = 1;
	district_down(0, 20, WELL);
	while (!district.o.shares[0].ended)
		district_run(1);
	district_belong(0, 20, RTSP_COMMON_SWITCH, "sw-9");
	district_set();
	district_run(300);
	district_expect(3);
	cr_expect_str_eq(district.told[2].text, "switch sw-1 end");
	cr_expect_null(district.o.list[0]);
}

/* The end found no room, and what was told before it comes back later, taken or not: the end is told again all the same. */
Test(share, an_end_is_not_forgotten_for_what_came_before_it, .fini = district_close)
{
	for (int taken = 0; taken < 2; taken++) {
		open_switch(20, 20);
		district_down(0, 20, DEAD);
		district_run(200);
		district_expect(1);
		uint64_t number = district.o.shares[0].number;
		district.lost = 1;
		district_down(0, 20, WELL);
		while (!district.o.shares[0].ended)
			district_run(1);
		rtsp_outages_taken(&district.o, number, RTSP_MASS_CHANGE, taken);
		district_run(300);
		district_expect(3);
		cr_expect_null(district.o.list[0]);
		if (!taken)
			district_close();
	}
}

/* The node heard neither of the begin nor of the end, and nobody may speak of it twice. */
Test(share, one_that_the_node_never_heard_of_has_no_end, .fini = district_close)
{
	open_switch(20, 20);
	district.away = true;
	district_down(0, 20, DEAD);
	district_run(200);
	uint64_t number = district.o.shares[0].number;
	district_down(0, 20, WELL);
	district_run(300);
	cr_assert(district.o.shares[0].ended);
	unsigned told = district.told_count;
	rtsp_outages_taken(&district.o, number, RTSP_MASS_START, false);
	rtsp_outages_taken(&district.o, number, RTSP_MASS_END, false);
	district_run(300);
	cr_expect_eq(district.told_count, told);
	cr_expect_null(district.o.list[0]);
}

/* A site is of another region from now on. */
Test(share, who_changes_the_audience_is_told_to_the_new_one, .fini = district_close)
{
	open_switch(20, 12);
	district_down(0, 20, DEAD);
	district_run(200);
	district.told_count = 0;
	for (uint32_t i = 8; i < 12; i++)
		district.belongs[i].audience = THERE;
	district_set();
	district_run(60);
	district_expect(1);
	cr_expect_eq(told_to(THERE, "switch sw-1 change")->count, 4);
	cr_expect_eq(district.o.shares[0].members, 8);
	cr_expect_eq(district.o.list[0]->members, 20);
	district.told_count = 0;
	district_down(0, 20, WELL);
	district_run(300);
	district_expect(2);
	cr_expect_eq(told_to(HERE, "switch sw-1 end")->count, 8);
	cr_expect_eq(told_to(THERE, "switch sw-1 end")->count, 12);
}

/* The same for what pictures show, and some are taken down meanwhile. */
Test(share, a_change_of_the_registry_moves_every_fault, .fini = district_close)
{
	open_switch(20, 12);
	district_show(0, 20, rtsp_fault_bit(RTSP_BLACK) | rtsp_fault_bit(RTSP_WRONG_SIZE));
	district_run(200);
	district_expect(4);
	district.told_count = 0;
	for (uint32_t i = 8; i < 12; i++)
		district.belongs[i].audience = THERE;
	for (uint32_t i = 0; i < 3; i++) {
		district.numbers[i] = 0;
		district.belongs[i] = (struct rtsp_belongs){ .names = { NULL } };
	}
	district_set();
	district_run(60);
	district_expect(2);
	cr_expect_eq(told_to(THERE, "switch sw-1 black change")->count, 4);
	cr_expect_eq(told_to(THERE, "switch sw-1 wrong_size change")->count, 4);
	district.told_count = 0;
	district_show(0, 20, rtsp_fault_bit(RTSP_BLACK));
	district_run(300);
	district_expect(2);
	cr_expect_eq(told_to(HERE, "switch sw-1 wrong_size end")->count, 5);
	cr_expect_eq(told_to(THERE, "switch sw-1 wrong_size end")->count, 12);
	for (uint32_t i = 0; i < 2; i++)
		cr_expect(district.o.shares[i].number == 0 || district.o.shares[i].dark > 0);
}

Test(share, a_planned_one_is_planned_for_all, .fini = district_close)
{
	open_switch(20, 12);
	struct kit_planned p = { .who = (char *)"order 5", .why = (char *)"rewiring", .refs = 1 };
	p.from = (struct torap_wall){ 0 };
	p.until.us = district_now().wall.us + 600 * TORAP_US_PER_S;
	for (uint32_t i = 0; i < 20; i++)
		district.planned[i] = &p;
	district_down(0, 20, DEAD);
	district_run(200);
	district_expect(2);
	told_to(HERE, "planned switch sw-1 start");
	told_to(THERE, "planned switch sw-1 start");
	cr_expect_eq(p.refs, 3);
	district_run(600);
	district_expect(6);
	told_to(THERE, "planned switch sw-1 end");
	cr_expect_eq(told_to(THERE, "switch sw-1 start")->count, 8);
	cr_expect_eq(told_to(HERE, "switch sw-1 start")->count, 12);
	cr_expect_eq(p.refs, 1);
}

/* Each camera of a private owner is an audience of its own: a mall has hundreds.  None is lost, and no step tells thousands. */
Test(share, as_many_audiences_as_cameras, .fini = district_close)
{
	district_open(DISTRICT_MAX);
	district_belong(0, DISTRICT_MAX, RTSP_COMMON_SWITCH, "sw-1");
	for (uint32_t i = 0; i < DISTRICT_MAX; i++)
		district.belongs[i].audience = rtsp_audience(391010000, 7, true,
			(char[]){
				(char)('a' + i % 16), (char)('a' + i / 16 % 16), (char)('a' + i / 256), 0 });
	district_set();
	district_run(120);
	district_down(0, DISTRICT_MAX, DEAD);
	district_run(300);
	district_expect(DISTRICT_MAX);
	for (unsigned i = 0; i < DISTRICT_MAX; i++)
		cr_assert(district.told[i].count == 1 && district.told[i].slots[0] == district.told[i].first);
	district.told_count = 0;
	district_down(0, DISTRICT_MAX, WELL);
	district_run(300);
	district_expect(DISTRICT_MAX);
	cr_expect_eq(district.o.ends[0], 1);
}

Test(share, an_audience_is_a_region_and_a_facility_or_one_private_camera)
{
	const uint64_t one = rtsp_audience(391010000, 7, false, "a");
	cr_expect_eq(one, rtsp_audience(391010000, 7, false, "b"));
	cr_expect_neq(one, rtsp_audience(391010000, 8, false, "a"));
	cr_expect_neq(one, rtsp_audience(392010000, 7, false, "a"));
	const uint64_t mine = rtsp_audience(391010000, 7, true, "a");
	cr_expect_neq(one, mine);
	cr_expect_eq(mine, rtsp_audience(391010000, 7, true, "a"));
	cr_expect_neq(mine, rtsp_audience(391010000, 7, true, "b"));
}
