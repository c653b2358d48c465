#include "agents/rtsp/schedule.h"

#include <criterion/criterion.h>
#include <math.h>

#define S ((int64_t)TORAP_US_PER_S)
static struct rtsp_schedule s;

static void begin(uint32_t cameras, uint32_t recorders, uint32_t parallel, uint32_t per_recorder)
{
	s = (struct rtsp_schedule){ .limits = { 60 * S, 5 * S, 40 * S, parallel, per_recorder } };
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
		while ((camera = rtsp_schedule_take(&s, at(now))) != RTSP_NOBODY) {
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
	cr_expect_eq(rtsp_schedule_take(&s, at(100)), 0);
	cr_expect_eq(rtsp_schedule_take(&s, at(100)), 1);
	cr_expect_eq(rtsp_schedule_take(&s, at(100)), 5, "those of the busy recorder wait, others do not");
	cr_expect_eq(rtsp_schedule_take(&s, at(100)), RTSP_NOBODY);
	rtsp_schedule_done(&s, 0, false, false, 0, at(200));
	cr_expect_eq(rtsp_schedule_take(&s, at(200)), 2, "the first that was held back");
	rtsp_schedule_settle(&s, 5); /* a held session makes room, and has no turn */
	cr_expect_eq(rtsp_schedule_take(&s, at(200)), 6);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(rtsp_schedule_take(&s, at(300)), RTSP_NOBODY);
}

Test(schedule, comes_back_ever_later_after_failures, .fini = finish)
{
	static const int64_t waits[] = { 5, 10, 20, 40, 40, 40 };
	begin(1, 0, 1, 1);
	rtsp_schedule_add(&s, 0, RTSP_NOBODY, 0, at(0));
	int64_t now = 0;
	for (unsigned i = 0; i < 6; i++) {
		cr_assert_eq(rtsp_schedule_take(&s, at(now)), 0);
		rtsp_schedule_done(&s, 0, true, true, i % 2 ? UINT32_MAX : 0, at(now));
		int64_t wait = rtsp_schedule_next(&s).us - now;
		cr_expect(llabs(wait - waits[i] * S) <= waits[i] * S / 8, "%lld after failure %u",
			(long long)wait, i);
		now += wait;
	}
	cr_assert_eq(rtsp_schedule_take(&s, at(now)), 0);
	rtsp_schedule_done(&s, 0, false, true, 0, at(now));
	cr_expect_eq(rtsp_schedule_next(&s).us, now + 5 * S, "undecided: soon");
	now += 5 * S;
	cr_assert_eq(rtsp_schedule_take(&s, at(now)), 0);
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
		cr_assert_neq(rtsp_schedule_take(&s, at(100 * S)), RTSP_NOBODY);
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
	cr_assert_eq(rtsp_schedule_take(&s, at(10)), 0);
	cr_assert_eq(rtsp_schedule_take(&s, at(10)), 2); /* 1 is held back */
	rtsp_schedule_settle(&s, 2);
	struct rtsp_schedule other = { .limits = s.limits };
	cr_assert_eq(rtsp_schedule_init(&other, 8, 3), 0);
	for (uint32_t i = 0; i < 4; i++) /* 4 is gone */
		rtsp_schedule_move(&other, &s, i, i < 2 ? 2 : 0);
	rtsp_schedule_finish(&s);
	s = other;
	cr_expect_eq(s.at_it, 1);
	cr_expect_eq(rtsp_schedule_take(&s, at(10)), 3);
	cr_expect_eq(rtsp_schedule_take(&s, at(10)), RTSP_NOBODY, "1 waits for 0");
	rtsp_schedule_done(&s, 0, false, false, 0, at(20));
	cr_expect_eq(rtsp_schedule_take(&s, at(20)), 1);
	rtsp_schedule_done(&s, 2, true, false, 0, at(20));
	finish();
}

/* An alarm: the camera's turn is now, before all that are due, but no limit is broken for it. */
Test(schedule, lets_one_hurry_before_all_others, .fini = finish)
{
	begin(20, 1, 2, 1);
	for (uint32_t i = 0; i < 20; i++)
		rtsp_schedule_add(&s, i, i >= 17 ? 0 : RTSP_NOBODY, i < 10 ? 0 : 0.5, at(i));
	rtsp_schedule_hurry(&s, 15, at(100));
	cr_expect_eq(rtsp_schedule_take(&s, at(100)), 15);
	rtsp_schedule_hurry(&s, 15, at(100)); /* it is at it */
	rtsp_schedule_hurry(&s, 17, at(100));
	rtsp_schedule_hurry(&s, 18, at(101));
	rtsp_schedule_hurry(&s, 19, at(102));
	cr_expect_eq(rtsp_schedule_take(&s, at(200)), 17);
	cr_expect_eq(rtsp_schedule_take(&s, at(200)), RTSP_NOBODY, "two are at it");
	rtsp_schedule_done(&s, 15, false, false, 0, at(300));
	cr_expect_eq(rtsp_schedule_take(&s, at(300)), 0, "18 and 19 are held back for their recorder");
	rtsp_schedule_hurry(&s, 19, at(301));
	rtsp_schedule_done(&s, 0, false, false, 0, at(400));
	rtsp_schedule_done(&s, 17, false, false, 0, at(400));
	cr_expect_eq(rtsp_schedule_take(&s, at(400)), 19, "who hurries while held back is the next");
	cr_expect_eq(rtsp_schedule_take(&s, at(400)), 1);
	rtsp_schedule_done(&s, 19, false, false, 0, at(500));
	cr_expect_eq(rtsp_schedule_take(&s, at(500)), 18);
}
