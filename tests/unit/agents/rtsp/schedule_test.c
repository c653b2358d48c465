#include "agents/rtsp/schedule.h"

#include <criterion/criterion.h>
#include <math.h>

#define S ((int64_t)TORAP_US_PER_S)
static struct rtsp_schedule s;

static void begin(uint32_t cameras, uint32_t recorders, uint32_t parallel, uint32_t per_recorder)
{
	s = (struct rtsp_schedule){ .limits = { 60 * S, 5 * S, 40 * S, parallel, per_recorder, 0 } };
	cr_assert_eq(rtsp_schedule_init(&s, cameras, recorders), 0);
}

static struct torap_mono at(int64_t us)
{
	return (struct torap_mono){ us };
}

static void finish(void)
{
	rtsp_schedule_finish(&s);
}

/* 6,000 cameras: in each second of the period come its 100, give or take one, in the first period and in the tenth. */
Test(schedule, spreads_cameras_evenly_over_the_period, .fini = finish)
{
	enum { COUNT = 6000 };
	unsigned seconds[600] = { 0 };
	double whole;
	begin(COUNT, 0, COUNT, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		rtsp_schedule_add(&s, i, RTSP_NOBODY, modf(i * 0.6180339887498949, &whole), at(0));
	for (int64_t now = 0; now < 600 * S; now += S / 10) {
		uint32_t camera;
		while ((camera = rtsp_schedule_take(&s, at(now), true)) != RTSP_NOBODY) {
			seconds[now / S]++;
			rtsp_schedule_done(&s, camera, false, false, 0, at(now + 30000));
		}
	}
	for (unsigned i = 0; i < 600; i++)
		cr_expect(seconds[i] >= 85 && seconds[i] <= 115, "%u in second %u", seconds[i], i);
}

Test(schedule, bounds_who_is_at_it, .fini = finish)
{
	begin(10, 1, 3, 2);
	for (uint32_t i = 0; i < 10; i++)
		rtsp_schedule_add(&s, i, i < 5 ? 0 : RTSP_NOBODY, 0, at(i));
	cr_expect_eq(rtsp_schedule_take(&s, at(100), true), 0);
	cr_expect_eq(rtsp_schedule_take(&s, at(100), true), 1);
	cr_expect_eq(
		rtsp_schedule_take(&s, at(100), true), 5, "those of the busy recorder wait, others do not");
	cr_expect_eq(rtsp_schedule_take(&s, at(100), true), RTSP_NOBODY);
	rtsp_schedule_done(&s, 0, false, false, 0, at(200));
	cr_expect_eq(rtsp_schedule_take(&s, at(200), true), 2, "the first that was held back");
	rtsp_schedule_settle(&s, 5); /* a held session makes room, and has no turn */
	cr_expect_eq(rtsp_schedule_take(&s, at(200), true), 6);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(rtsp_schedule_take(&s, at(300), true), RTSP_NOBODY);
}

Test(schedule, comes_back_ever_later_after_failures, .fini = finish)
{
	static const int64_t waits[] = { 5, 10, 20, 40, 40, 40 };
	begin(1, 0, 1, 1);
	rtsp_schedule_add(&s, 0, RTSP_NOBODY, 0, at(0));
	int64_t now = 0;
	for (unsigned i = 0; i < 6; i++) {
		cr_assert_eq(rtsp_schedule_take(&s, at(now), true), 0);
		rtsp_schedule_done(&s, 0, true, true, i % 2 ? UINT32_MAX : 0, at(now));
		int64_t wait = rtsp_schedule_next(&s).us - now;
		cr_expect(llabs(wait - waits[i] * S) <= waits[i] * S / 8, "%lld after failure %u",
			(long long)wait, i);
		now += wait;
	}
	cr_assert_eq(rtsp_schedule_take(&s, at(now), true), 0);
	rtsp_schedule_done(&s, 0, false, true, 0, at(now));
	cr_expect_eq(rtsp_schedule_next(&s).us, now + 5 * S, "undecided: soon");
	now += 5 * S;
	cr_assert_eq(rtsp_schedule_take(&s, at(now), true), 0);
	rtsp_schedule_done(&s, 0, false, false, 0, at(now));
	cr_expect_eq(rtsp_schedule_next(&s).us % (60 * S), 0, "back at its own moment");
}

/* Everything fails together and comes back together: the moments are as far apart as before. */
Test(schedule, is_even_again_after_an_outage, .fini = finish)
{
	begin(60, 0, 60, 60);
	for (uint32_t i = 0; i < 60; i++)
		rtsp_schedule_add(&s, i, RTSP_NOBODY, i / 60.0, at(0));
	for (uint32_t i = 0; i < 60; i++) {
		cr_assert_neq(rtsp_schedule_take(&s, at(100 * S), true), RTSP_NOBODY);
		cr_assert_lt(s.at_it, 61);
	}
	for (uint32_t i = 0; i < 60; i++)
		rtsp_schedule_done(&s, i, false, false, 0, at(100 * S));
	unsigned seconds[200] = { 0 };
	for (uint32_t i = 0; i < 60; i++)
		seconds[s.turns[i].due.us / S]++;
	for (unsigned i = 0; i < 200; i++)
		cr_expect_leq(seconds[i], 1);
}

Test(schedule, is_taken_over_by_another_list)
{
	begin(5, 2, 5, 1);
	for (uint32_t i = 0; i < 5; i++)
		rtsp_schedule_add(&s, i, i < 2 ? 0 : 1, 0, at(i));
	cr_assert_eq(rtsp_schedule_take(&s, at(10), true), 0);
	cr_assert_eq(rtsp_schedule_take(&s, at(10), true), 2); /* 1 is held back */
	rtsp_schedule_settle(&s, 2);
	struct rtsp_schedule other = { .limits = s.limits };
	cr_assert_eq(rtsp_schedule_init(&other, 8, 3), 0);
	for (uint32_t i = 0; i < 4; i++) /* 4 is gone */
		rtsp_schedule_move(&other, &s, i, i < 2 ? 2 : 0);
	rtsp_schedule_finish(&s);
	s = other;
	cr_expect_eq(s.at_it, 1);
	cr_expect_eq(rtsp_schedule_take(&s, at(10), true), 3);
	cr_expect_eq(rtsp_schedule_take(&s, at(10), true), RTSP_NOBODY, "1 waits for 0");
	rtsp_schedule_done(&s, 0, false, false, 0, at(20));
	cr_expect_eq(rtsp_schedule_take(&s, at(20), true), 1);
	rtsp_schedule_done(&s, 2, true, false, 0, at(20));
	finish();
}

/* Glances. */

static void begin_glances(uint32_t cameras, int64_t period_us, int64_t alive_us)
{
	s = (struct rtsp_schedule){ .limits = { period_us, 5 * S, 40 * S, cameras, cameras, alive_us } };
	cr_assert_eq(rtsp_schedule_init(&s, cameras, 0), 0);
}

/* Takes the camera at the begin of its next turn; returns when that is. */
static int64_t next_turn(void)
{
	int64_t now = rtsp_schedule_next(&s).us;
	cr_assert_eq(rtsp_schedule_take(&s, at(now), true), 0);
	return now;
}

static void expect_turn(int64_t when_us, bool glance)
{
	cr_expect_eq(next_turn(), when_us, "not at %lld", (long long)when_us);
	cr_expect_eq(rtsp_schedule_glances(&s, 0), glance, "at %lld", (long long)when_us);
}

/* 4,000 cameras, for ten periods: in each second come as many looks, and as many glances, and a camera's looks are never nearer or
 * further than a period from each other, nor its turns than a step. */
Test(schedule, spreads_glances_evenly_between_looks, .fini = finish)
{
	enum { COUNT = 4000 };
	static int64_t looked[COUNT], turned[COUNT];
	unsigned looks[400] = { 0 }, glances[400] = { 0 };
	double whole;
	begin_glances(COUNT, 40 * S, 10 * S);
	for (uint32_t i = 0; i < COUNT; i++)
		rtsp_schedule_add(&s, i, RTSP_NOBODY, modf(i * 0.6180339887498949, &whole), at(0));
	for (int64_t now = 0; now < 400 * S; now += S / 10) {
		uint32_t i;
		while ((i = rtsp_schedule_take(&s, at(now), true)) != RTSP_NOBODY) {
			bool glance = rtsp_schedule_glances(&s, i);
			(glance ? glances : looks)[now / S]++;
			cr_assert(!turned[i] || llabs(now - turned[i] - 10 * S) <= S / 10);
			cr_assert(glance || !looked[i] || llabs(now - looked[i] - 40 * S) <= S / 10);
			turned[i] = now;
			looked[i] = glance ? looked[i] : now;
			rtsp_schedule_done(&s, i, false, false, 0, at(now + (glance ? 30000 : S)));
		}
	}
	for (unsigned i = 0; i < 400; i++) {
		cr_expect(looks[i] >= 85 && looks[i] <= 115, "%u in second %u", looks[i], i);
		cr_expect(
			i < 40 || (glances[i] >= 270 && glances[i] <= 330), "%u in second %u", glances[i], i);
	}
}

/* A period of which `alive` is no part is divided into equal steps that are shorter; of microseconds that are left over nothing adds up. */
Test(schedule, keeps_looks_at_their_period_when_alive_is_no_part_of_it, .fini = finish)
{
	static const int64_t periods[] = { 50 * S, 40 * S + 1, 20 * S + 1, 7 * S + 5 };
	for (unsigned k = 0; k < sizeof periods / sizeof *periods; k++) {
		int64_t period = periods[k], steps = (period + 20 * S - 1) / (20 * S), last = 0;
		begin_glances(1, period, 20 * S);
		rtsp_schedule_add(&s, 0, RTSP_NOBODY, 0, at(0));
		for (int64_t i = 0; i < 10000; i++) {
			int64_t now = next_turn();
			cr_assert_eq(rtsp_schedule_glances(&s, 0), i % steps != 0, "turn %lld", (long long)i);
			cr_assert(i % steps || now == i / steps * period);
			cr_assert_leq(now - last, 20 * S);
			last = now;
			rtsp_schedule_done(&s, 0, false, false, 0, at(now + 1));
		}
		finish();
	}
}

Test(schedule, glances_at_nobody_unless_there_is_time_for_it, .fini = finish)
{
	static const int64_t never[] = { 0, 60 * S, 61 * S };
	for (unsigned k = 0; k < sizeof never / sizeof *never; k++) {
		begin_glances(1, 60 * S, never[k]);
		rtsp_schedule_add(&s, 0, RTSP_NOBODY, 0, at(0));
		for (int64_t i = 0; i < 5; i++) {
			expect_turn(i * 60 * S, false);
			rtsp_schedule_done(&s, 0, false, false, 0, at(i * 60 * S + S));
		}
		finish();
	}
}

/* Never seen, failed, undecided: each time a look.  Then it is at its own moments again. */
Test(schedule, looks_at_whoever_failed_or_is_undecided, .fini = finish)
{
	begin_glances(1, 60 * S, 20 * S);
	rtsp_schedule_add(&s, 0, RTSP_NOBODY, 0.5, at(0));
	expect_turn(30 * S, false);
	rtsp_schedule_done(&s, 0, false, false, 0, at(31 * S));
	expect_turn(50 * S, true);
	rtsp_schedule_done(&s, 0, true, false, UINT32_MAX / 2, at(50 * S)); /* the glance failed */
	int64_t now = next_turn();
	cr_expect_not(rtsp_schedule_glances(&s, 0));
	cr_expect(llabs(now - 55 * S) < S, "it failed, and comes at %lld", (long long)now);
	rtsp_schedule_done(&s, 0, false, true, 0, at(56 * S)); /* and that was a picture: undecided */
	expect_turn(61 * S, false);
	rtsp_schedule_done(&s, 0, false, true, 0, at(62 * S));
	expect_turn(67 * S, false);
	rtsp_schedule_done(&s, 0, false, false, 0, at(68 * S));
	expect_turn(90 * S, false); /* 70 is too near; in 67 it was not the look of 90 */
	rtsp_schedule_done(&s, 0, false, false, 0, at(91 * S));
	expect_turn(110 * S, true);
}

/* Whoever wants it looked at gets a look: also when it is due already, or held back, or glanced at. */
Test(schedule, looks_at_whoever_is_wanted, .fini = finish)
{
	void (*const want[])(struct rtsp_schedule *, uint32_t, struct torap_mono) = { rtsp_schedule_soon,
		rtsp_schedule_hurry };
	for (unsigned k = 0; k < 2; k++) {
		begin_glances(1, 60 * S, 20 * S);
		rtsp_schedule_add(&s, 0, RTSP_NOBODY, 0, at(0));
		expect_turn(0, false);
		rtsp_schedule_done(&s, 0, false, false, 0, at(S));
		want[k](&s, 0, at(8 * S));
		cr_assert_eq(rtsp_schedule_take(&s, at(8 * S), true), 0);
		cr_expect_not(rtsp_schedule_glances(&s, 0));
		want[k](&s, 0, at(8 * S)); /* it is looked at anyway */
		rtsp_schedule_done(&s, 0, false, false, 0, at(9 * S));
		expect_turn(20 * S, true);
		want[k](&s, 0, at(20 * S)); /* at a glance */
		rtsp_schedule_done(&s, 0, false, false, 0, at(20 * S + 1));
		expect_turn(20 * S + 1, false);
		rtsp_schedule_done(&s, 0, false, false, 0, at(21 * S));
		want[k](&s, 0, at(40 * S)); /* when it is due */
		cr_assert_eq(rtsp_schedule_take(&s, at(40 * S), true), 0);
		cr_expect_not(rtsp_schedule_glances(&s, 0));
		finish();
	}
	s = (struct rtsp_schedule){ .limits = { 60 * S, 5 * S, 40 * S, 9, 1, 20 * S } };
	cr_assert_eq(rtsp_schedule_init(&s, 2, 1), 0);
	for (uint32_t i = 0; i < 2; i++) {
		rtsp_schedule_add(&s, i, 0, 0, at(0));
		cr_assert_eq(rtsp_schedule_take(&s, at(0), true), i);
		rtsp_schedule_done(&s, i, false, false, 0, at(1));
	}
	cr_assert_eq(rtsp_schedule_take(&s, at(20 * S), true), 0);
	cr_assert_eq(rtsp_schedule_take(&s, at(20 * S), true), RTSP_NOBODY,
		"1 is held back: glances are polite, too");
	rtsp_schedule_soon(&s, 1, at(20 * S));
	rtsp_schedule_done(&s, 0, false, false, 0, at(21 * S));
	cr_assert_eq(rtsp_schedule_take(&s, at(21 * S), true), 1);
	cr_expect_not(rtsp_schedule_glances(&s, 1));
}

/* On a machine that is too small turns come late: what was to be a glance is a look when one is due by then, and none is left out. */
Test(schedule, looks_rather_than_glances_when_it_is_late, .fini = finish)
{
	begin_glances(1, 60 * S, 20 * S);
	rtsp_schedule_add(&s, 0, RTSP_NOBODY, 0, at(0));
	expect_turn(0, false);
	rtsp_schedule_done(&s, 0, false, false, 0, at(S));
	cr_assert_eq(rtsp_schedule_take(&s, at(65 * S), true), 0);
	cr_expect_not(rtsp_schedule_glances(&s, 0), "the glance of 20 comes when the look of 60 is due");
	rtsp_schedule_done(&s, 0, false, false, 0, at(66 * S));
	expect_turn(80 * S, true);
	rtsp_schedule_done(&s, 0, false, false, 0, at(119 * S));
	expect_turn(120 * S, false); /* however near: a glance showed nothing */
}

/* The workers have enough to do: who is to be glanced at is, and looks wait, in their order; whoever hurries is the first of them, and what
 * was to be a glance is a look when one is due by then. */
Test(schedule, glances_while_there_is_no_room_for_looks, .fini = finish)
{
	s = (struct rtsp_schedule){ .limits = { 60 * S, 5 * S, 40 * S, 9, 1, 20 * S } };
	cr_assert_eq(rtsp_schedule_init(&s, 6, 1), 0);
	for (uint32_t i = 0; i < 6; i++) /* 0 and 1 have a recorder in common */
		rtsp_schedule_add(&s, i, i < 2 ? 0 : RTSP_NOBODY, i == 5 ? 0.5 : 0, at(i));
	cr_assert_eq(rtsp_schedule_take(&s, at(10), true), 0);
	rtsp_schedule_done(&s, 0, false, false, 0, at(20));
	cr_expect_eq(rtsp_schedule_take(&s, at(20 * S), false), 0, "others look first, and wait");
	cr_expect(rtsp_schedule_glances(&s, 0));
	cr_expect_eq(rtsp_schedule_take(&s, at(20 * S), false), RTSP_NOBODY);
	rtsp_schedule_done(&s, 0, false, false, 0, at(20 * S + 1));
	cr_expect_eq(rtsp_schedule_take(&s, at(39 * S), false), RTSP_NOBODY);
	cr_expect_eq(rtsp_schedule_take(&s, at(40 * S), false), 0);
	rtsp_schedule_done(&s, 0, false, false, 0, at(40 * S + 1));
	rtsp_schedule_hurry(&s, 4, at(41 * S));
	rtsp_schedule_soon(&s, 3, at(41 * S)); /* it waits as it is */
	cr_expect_eq(rtsp_schedule_take(&s, at(61 * S), false), RTSP_NOBODY, "0 is to be looked at, too");
	struct rtsp_schedule other = { .limits = s.limits };
	cr_assert_eq(rtsp_schedule_init(&other, 6, 1), 0);
	for (uint32_t i = 0; i < 6; i++)
		rtsp_schedule_move(&other, &s, i, i < 2 ? 0 : RTSP_NOBODY);
	rtsp_schedule_finish(&s);
	s = other;
	cr_expect_eq(rtsp_schedule_take(&s, at(61 * S), false), RTSP_NOBODY);
	rtsp_schedule_hurry(&s, 4, at(61 * S));
	cr_expect_eq(rtsp_schedule_take(&s, at(61 * S), true), 4);
	cr_expect_eq(rtsp_schedule_take(&s, at(61 * S), true), 1, "each was due before the next");
	cr_expect_eq(rtsp_schedule_take(&s, at(61 * S), true), 2);
	cr_expect_eq(rtsp_schedule_take(&s, at(61 * S), false), RTSP_NOBODY);
	cr_expect_eq(rtsp_schedule_take(&s, at(61 * S), true), 3);
	cr_expect_eq(rtsp_schedule_take(&s, at(61 * S), true), 5);
	cr_expect_eq(rtsp_schedule_take(&s, at(61 * S), true), RTSP_NOBODY, "0 is held back for 1");
	rtsp_schedule_done(&s, 1, false, false, 0, at(62 * S));
	cr_expect_eq(rtsp_schedule_take(&s, at(62 * S), false), RTSP_NOBODY);
	cr_expect_eq(rtsp_schedule_take(&s, at(62 * S), true), 0);
	cr_expect_not(rtsp_schedule_glances(&s, 0));
}

/* An alarm: the camera's turn is now, before all that are due, but no limit is broken for it. */
Test(schedule, lets_one_hurry_before_all_others, .fini = finish)
{
	begin(20, 1, 2, 1);
	for (uint32_t i = 0; i < 20; i++)
		rtsp_schedule_add(&s, i, i >= 17 ? 0 : RTSP_NOBODY, i < 10 ? 0 : 0.5, at(i));
	rtsp_schedule_hurry(&s, 15, at(100));
	cr_expect_eq(rtsp_schedule_take(&s, at(100), true), 15);
	rtsp_schedule_hurry(&s, 15, at(100)); /* it is at it */
	rtsp_schedule_hurry(&s, 17, at(100));
	rtsp_schedule_hurry(&s, 18, at(101));
	rtsp_schedule_hurry(&s, 19, at(102));
	cr_expect_eq(rtsp_schedule_take(&s, at(200), true), 17);
	cr_expect_eq(rtsp_schedule_take(&s, at(200), true), RTSP_NOBODY, "two are at it");
	rtsp_schedule_done(&s, 15, false, false, 0, at(300));
	cr_expect_eq(rtsp_schedule_take(&s, at(300), true), 0, "18 and 19 are held back for their recorder");
	rtsp_schedule_hurry(&s, 19, at(301));
	rtsp_schedule_done(&s, 0, false, false, 0, at(400));
	rtsp_schedule_done(&s, 17, false, false, 0, at(400));
	cr_expect_eq(rtsp_schedule_take(&s, at(400), true), 19, "who hurries while held back is the next");
	cr_expect_eq(rtsp_schedule_take(&s, at(400), true), 1);
	rtsp_schedule_done(&s, 19, false, false, 0, at(500));
	cr_expect_eq(rtsp_schedule_take(&s, at(500), true), 18);
}
