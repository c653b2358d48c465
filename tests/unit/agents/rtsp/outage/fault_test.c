/* Cameras that see badly together: each fault is as much one event as a dead switch is. */
#include "agents/rtsp/outage/outage.h"

#include "tests/unit/agents/rtsp/outage/district.h"

#define BIT(fault) (1u << RTSP_##fault)
#define DEAD       RTSP_OUTCOME_TIMEOUT_CONNECT
#define WELL       RTSP_OUTCOME_PICTURE

/* 64 channels of a recorder, of which the first are sampled, the others held, beside as many of another; behind one switch, all of them. */
static void open_recorder(uint32_t sampled)
{
	district_open(200);
	district_belong(0, 128, RTSP_COMMON_SWITCH, "sw-1");
	district_belong(0, 64, RTSP_COMMON_RECORDER, "nvr-1");
	district_belong(64, 128, RTSP_COMMON_RECORDER, "nvr-2");
	for (uint32_t i = 0; i < 64; i++)
		district.held[i] = i >= sampled;
	district_set();
	district_run(300);
	district_expect(0);
}

/* How many of what was told were neither a start nor an end. */
static unsigned changes(void)
{
	unsigned count = 0;
	for (unsigned i = 0; i < district.told_count; i++)
		count += strstr(district.told[i].text, "change") != NULL;
	return count;
}

/* Of the channels of a recorder that all have the fault and have it no more: one start within so many seconds, one end, so many changes at
 * most, in which everybody is named once. */
static void expect_one(const char *fault, enum rtsp_cause cause, int64_t within_s, unsigned changes_most)
{
	char start[64], end[64];
	enum rtsp_fault f = rtsp_fault_parse(fault);
	int64_t began_s = district.now_s;
	uint32_t named = 0;
	snprintf(start, sizeof start, "recorder nvr-1 %s start", fault);
	snprintf(end, sizeof end, "recorder nvr-1 %s end", fault);
	district_show(0, 64, rtsp_fault_bit(f));
	district_run(1200);
	for (unsigned i = 0; i < district.told_count; i++)
		named += district.told[i].count;
	cr_expect_eq(named, 64, "%s: %u are named", fault, named);
	district_show(0, 64, 0);
	district_run(1200);
	district_expect(2 + changes());
	cr_expect_leq(changes(), changes_most, "%s: %u changes", fault, changes());
	const struct district_told *t = district_told(start);
	cr_expect_eq(t->cause, cause);
	cr_expect_leq(t->at_s - began_s, within_s, "%s: after %lld s", fault, (long long)(t->at_s - began_s));
	cr_expect_eq(district_told(end)->count, 64);
	cr_expect_eq(district_told(end)->others_count, 0);
}

Test(outage_fault, a_recorder_that_freezes_is_one_event, .fini = district_close)
{
	for (uint32_t sampled = 0; sampled <= 64; sampled += 32) { /* none, half, all */
		open_recorder(sampled);
		expect_one("frozen", RTSP_CAUSE_RECORDER, sampled ? 150 : 100, 1);
		if (sampled < 64)
			district_close();
	}
}

Test(outage_fault, a_recorder_that_shows_nothing_is_one_event, .fini = district_close)
{
	for (uint32_t sampled = 0; sampled <= 64; sampled += 32) {
		open_recorder(sampled);
		expect_one("black", RTSP_CAUSE_RECORDER, 60, 0);
		if (sampled < 64)
			district_close();
	}
}

/* A look that waits for a sampled camera's clock takes six seconds, and four at a time are looked at: the rest is told as it is found. */
Test(outage_fault, a_recorder_with_a_wrong_clock_is_one_event, .fini = district_close)
{
	for (uint32_t sampled = 0; sampled <= 64; sampled += 32) {
		open_recorder(sampled);
		expect_one("wrong_clock", RTSP_CAUSE_RECORDER, 180, sampled / 5);
		if (sampled < 64)
			district_close();
	}
}

Test(outage_fault, stutter_and_small_pictures_are_one_event, .fini = district_close)
{
	open_recorder(32);
	expect_one("wrong_rate", RTSP_CAUSE_RECORDER, 60, 0);
	district_close();
	open_recorder(32);
	expect_one("wrong_size", RTSP_CAUSE_RECORDER, 60, 0);
}

static void open_street(void)
{
	district_open(120);
	for (uint32_t i = 0; i < 120; i++)
		district_belong(i, i + 1, RTSP_COMMON_SITE, i % 2 ? "odd" : "even");
	district_belong(0, 40, RTSP_COMMON_STREET, "abay");
	district_belong(0, 60, RTSP_COMMON_SWITCH, "sw-1");
	district_set();
	district_run(180);
}

/* Its lights went out. */
Test(outage_fault, a_black_street_is_one_event, .fini = district_close)
{
	open_street();
	district_show(0, 40, BIT(BLACK));
	district_run(200);
	district_expect(1);
	cr_expect_eq(district_told("street abay black start")->count, 40);
	cr_expect_eq(district.told[0].cause, RTSP_CAUSE_POWER);
	district_show(0, 40, 0);
	district_run(200);
	district_expect(2);
	cr_expect_eq(district_told("street abay black end")->count, 40);
}

/* Some see white in it and some a blur: each explains its own, and nobody counts as alive for what its picture cannot show. */
Test(outage_fault, fog_over_a_street_is_an_event_for_each_word, .fini = district_close)
{
	open_street();
	district_show(0, 20, BIT(WHITE));
	district_show(20, 40, BIT(DEFOCUSED));
	district_run(200);
	district_expect(2);
	cr_expect_eq(district_told("street abay white start")->count, 20);
	cr_expect_eq(district_told("street abay defocused start")->count, 20);
	district_show(0, 40, 0);
	district_run(200);
	district_expect(4);
}

/* One after the other, as fast as a hand can: one incident, told within the first one's hold, and that a hand did it. */
Test(outage_fault, a_site_whose_cameras_are_covered_one_after_another_is_one_event, .fini = district_close)
{
	district_open(60);
	district_belong(0, 5, RTSP_COMMON_SITE, "school");
	for (uint32_t i = 0; i < 5; i++)
		district.held[i] = true;
	district_set();
	district_run(180);
	int64_t began_s = district.now_s;
	for (uint32_t i = 0; i < 5; i++) {
		district_show(i, i + 1, BIT(UNIFORM));
		district_run(4);
	}
	district_run(200);
	district_expect(1);
	const struct district_told *t = district_told("site school uniform start");
	cr_expect_eq(t->count, 5);
	cr_expect_eq(t->cause, RTSP_CAUSE_MASKED);
	cr_expect_leq(t->at_s - began_s, 30 + 60);
	district_show(4, 5, 0);
	district_run(200);
	cr_expect_eq(district_told("site school uniform change")->others_count, 1);
}

/* Slower than that: nobody's alarm waits for the next one. */
Test(outage_fault, a_site_whose_cameras_are_covered_slowly_is_told_one_by_one, .fini = district_close)
{
	district_open(60);
	district_belong(0, 5, RTSP_COMMON_SITE, "school");
	for (uint32_t i = 0; i < 5; i++)
		district.held[i] = true;
	district_set();
	district_run(180);
	for (uint32_t i = 0; i < 3; i++) {
		district_show(i, i + 1, BIT(UNIFORM));
		district_run(40);
		district_expect(i + 1);
	}
}

/* As before: with its measurements, and no later than `hold` after health has found it. */
Test(outage_fault, one_camera_is_told_by_itself_as_before, .fini = district_close)
{
	for (int f = RTSP_BLACK; f < RTSP_FAULTS; f++) {
		char start[64], end[64];
		int64_t known_s = 0;
		open_recorder(64);
		snprintf(start, sizeof start, "%s start 7", rtsp_fault_name(f));
		snprintf(end, sizeof end, "%s end 7", rtsp_fault_name(f));
		district_show(7, 8, rtsp_fault_bit(f));
		while (!district.told_count && district.now_s < 20000) {
			district_run(1);
			if (!known_s && district.health[7].troubles[f].open)
				known_s = district.now_s;
		}
		district_expect(1);
		cr_expect(district_told(start)->measured);
		cr_expect_leq(district.now_s - known_s, 30, "%s %lld s later", start,
			(long long)(district.now_s - known_s));
		if (f != RTSP_WRONG_CLOCK && f != RTSP_FROZEN) /* the others were seen in the meantime */
			cr_expect_leq(district.now_s - known_s, 5, "%s %lld s later", start,
				(long long)(district.now_s - known_s));
		district_show(7, 8, 0);
		district_run(1200);
		district_expect(2);
		district_told(end);
		if (f + 1 < RTSP_FAULTS)
			district_close();
	}
}

Test(outage_fault, two_faults_at_once_are_two_events, .fini = district_close)
{
	open_recorder(0);
	district_show(0, 64, BIT(BLACK) | BIT(WRONG_CLOCK));
	district_run(300);
	district_expect(2);
	cr_expect_eq(district_told("recorder nvr-1 black start")->count, 64);
	cr_expect_eq(district_told("recorder nvr-1 wrong_clock start")->count, 64);
	district_show(0, 64, BIT(WRONG_CLOCK)); /* and each is over for itself */
	district_run(300);
	district_expect(3);
	district_told("recorder nvr-1 black end");
	district_show(0, 64, 0);
	district_run(300);
	district_expect(4);
	district_told("recorder nvr-1 wrong_clock end");
}

/* It freezes, then it dies, and comes back well: two incidents, and what was frozen is over only when that is seen. */
Test(outage_fault, what_freezes_and_dies_later_is_two_events, .fini = district_close)
{
	open_recorder(0);
	district_show(0, 64, BIT(FROZEN));
	district_run(300);
	cr_expect_eq(district_told("recorder nvr-1 frozen start")->count, 64);
	district_down(0, 64, DEAD);
	district_run(300);
	cr_expect_eq(district_told("recorder nvr-1 start")->count, 64);
	district_show(0, 64, 0);
	district_down(0, 64, WELL);
	district_run(600);
	district_expect(4);
	district_told("recorder nvr-1 end");
	district_told("recorder nvr-1 frozen end");
}

/* Dies while it is not known yet how many froze: those of which it is known are told, once, and end. */
Test(outage_fault, what_dies_while_it_freezes_loses_nobody, .fini = district_close)
{
	for (int64_t later = 50; later <= 150; later += 20) {
		open_recorder(32);
		district_show(0, 64, BIT(FROZEN));
		district_run(later);
		district_down(0, 64, DEAD);
		district_run(300);
		district_show(0, 64, 0);
		district_down(0, 64, WELL);
		district_run(600);
		int balance = 0;
		for (unsigned i = 0; i < district.told_count; i++)
			balance += strstr(district.told[i].text, "start") ? 1
				   : strstr(district.told[i].text, "end") ? -1
									  : 0;
		cr_expect_eq(balance, 0);
		cr_expect_leq(district.told_count - changes(), 4, "after %lld s: %u", (long long)later,
			district.told_count);
		district_told("recorder nvr-1 end");
		for (uint32_t i = 0; i < 64; i++)
			cr_expect(
				rtsp_outages_member(&district.o, RTSP_FROZEN, i)->state == RTSP_MEMBER_FREE);
		if (later < 150)
			district_close();
	}
}

/* Who is offline, or shows something else, cannot be known to be black: neither explains it, nor is waited for. */
Test(outage_fault, who_cannot_be_seen_says_nothing, .fini = district_close)
{
	district_open(60);
	district_belong(0, 8, RTSP_COMMON_RECORDER, "nvr-1");
	district_set();
	district_run(120);
	district_down(0, 2, RTSP_OUTCOME_UNAUTHORISED);
	district_show(2, 4, BIT(MOVED));
	district_run(200);
	district_expect(4);
	district.told_count = 0;
	district_show(4, 8, BIT(BLACK));
	int64_t began_s = district.now_s;
	district_run(200);
	district_expect(1);
	cr_expect_eq(district_told("recorder nvr-1 black start")->count, 4);
	cr_expect_leq(district.told[0].at_s - began_s, 60 + 25);
}

/* A third of the channels have a profile that does not ask for it: that they are never found so does not make them well. */
Test(outage_fault, of_whom_nobody_asks_for_it_says_nothing, .fini = district_close)
{
	for (int f = RTSP_BLACK; f < RTSP_FAULTS; f++) {
		char text[64];
		open_recorder(32);
		for (uint32_t i = 0; i < 64; i += 3)
			district.unasked[i] = rtsp_fault_bit(f);
		district_run(120);
		district_show(0, 64, rtsp_fault_bit(f));
		district_run(1200);
		district_expect(1 + changes());
		snprintf(text, sizeof text, "recorder nvr-1 %s start", rtsp_fault_name(f));
		district_told(text);
		if (f + 1 < RTSP_FAULTS)
			district_close();
	}
}

Test(outage_fault, who_stays_black_is_told_by_itself_with_what_was_measured, .fini = district_close)
{
	open_recorder(64);
	district_show(0, 64, BIT(BLACK));
	district_run(200);
	district_show(0, 9, 0);
	district_show(10, 64, 0);
	district_run(300);
	district_expect(3);
	const struct district_told *t = district_told("recorder nvr-1 black end");
	cr_expect_eq(t->others_count, 1);
	cr_expect_eq(t->others[0], 9);
	cr_expect_eq(district_told("black start 9")->cause, RTSP_CAUSE_MASKED);
	cr_expect(district_told("black start 9")->measured);
}

Test(outage_fault, a_planned_one_is_excused_until_it_outlasts_its_plan, .fini = district_close)
{
	struct kit_planned p = { .who = (char *)"order 5", .why = (char *)"painting", .refs = 1 };
	open_recorder(64);
	p.until.us = district_now().wall.us + 600 * TORAP_US_PER_S;
	for (uint32_t i = 0; i < 64; i++)
		district.planned[i] = &p;
	district_show(0, 64, BIT(UNIFORM));
	district_run(300);
	district_expect(1);
	cr_expect_eq(district_told("planned recorder nvr-1 uniform start")->count, 64);
	district_run(303);
	district_expect(3);
	district_told("planned recorder nvr-1 uniform end");
	cr_expect_eq(district_told("recorder nvr-1 uniform start")->count, 64);
	district_show(0, 64, 0);
	district_run(300);
	district_expect(4);
	cr_expect_eq(p.refs, 1);
}

/* Six hours of three minutes black, three well. */
Test(outage_fault, a_flapping_recorder_is_held_open, .fini = district_close)
{
	open_recorder(64);
	for (int i = 0; i < 60; i++) {
		district_show(0, 64, BIT(BLACK));
		district_run(180);
		district_show(0, 64, 0);
		district_run(180);
	}
	district_run(1800);
	cr_expect_leq(district.told_count, 12, "%u events", district.told_count);
	cr_expect_str_eq(district.told[district.told_count - 1].text, "recorder nvr-1 black end");
}

/* Each audience hears of its own cameras, of this fault too. */
Test(outage_fault, each_audience_hears_of_its_own_cameras, .fini = district_close)
{
	open_recorder(64);
	for (uint32_t i = 0; i < 200; i++)
		district.belongs[i].audience = i < 40 ? 1 : 2;
	district_set();
	district_run(120);
	district_show(0, 64, BIT(BLACK));
	district_run(200);
	district_expect(2);
	for (unsigned i = 0; i < 2; i++) {
		cr_expect_eq(district.told[i].count, district.told[i].audience == 1 ? 40 : 24);
		cr_expect_eq(district.told[i].total, 64);
	}
}

/* A day of unrelated faults of every word: nothing is lost, nothing doubled, nothing taken for one of many. */
Test(outage_fault, unrelated_faults_are_told_each_by_itself, .fini = district_close)
{
	static char names[128][16];
	district_open(1024);
	for (uint32_t i = 0; i < 1024; i++) {
		snprintf(names[i / 8], sizeof names[0], "nvr-%u", i / 8);
		district_belong(i, i + 1, RTSP_COMMON_RECORDER, names[i / 8]);
	}
	district_set();
	district_run(180);
	srand(7);
	for (int i = 0; i < 600; i++) {
		uint32_t one = (uint32_t)rand() % 1024;
		int f = RTSP_BLACK + rand() % (RTSP_FAULTS - RTSP_BLACK);
		district_show(one, one + 1, district.shows[one] ? 0 : rtsp_fault_bit(f));
		district_run(20);
	}
	district_show(0, 1024, 0);
	district_run(3600);
	int balance = 0;
	for (unsigned i = 0; i < district.told_count; i++) {
		cr_expect_null(strstr(district.told[i].text, "all"), "%s", district.told[i].text);
		balance += strstr(district.told[i].text, "start") ? 1
			   : strstr(district.told[i].text, "end") ? -1
								  : 0;
	}
	cr_expect_eq(balance, 0);
	cr_expect_eq(rtsp_outages_held(&district.o), 0);
	cr_expect_eq(district.o.stirred, 0);
	cr_expect_leq(
		district.looks, 1024 * 15800 / 60 * 2, "%llu looks", (unsigned long long)district.looks);
}

static uint32_t members(void)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < district.count; i++)
		for (const struct rtsp_member *m = district.o.seats[i].members; m; m = m->next)
			count++;
	return count;
}

/* 20,000 cameras that are well cost little: what there is of a fault goes when it is over and told. */
Test(outage_fault, nothing_is_kept_of_what_is_over, .fini = district_close)
{
	cr_expect_leq(sizeof(struct rtsp_seat), 136);
	open_recorder(32);
	cr_expect_eq(members(), 0);
	district_show(0, 64, BIT(BLACK) | BIT(WRONG_SIZE));
	district_show(70, 71, BIT(MOVED));
	district_run(300);
	district_down(0, 64, DEAD);
	district_run(300);
	cr_expect_eq(members(), 3 * 64 + 1);
	district_down(0, 64, WELL);
	district_show(0, 71, 0);
	district_run(600);
	district_expect(8 + changes());
	cr_expect_eq(members(), 0);
}
