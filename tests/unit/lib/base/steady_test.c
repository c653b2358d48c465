#include "base/steady.h"

#include <criterion/criterion.h>

#define MINUTE (60 * (int64_t)TORAP_US_PER_S)
#define HOUR   (60 * MINUTE)
#define YEAR   (365 * 24 * HOUR)

static struct torap_steady steady;
static int64_t mono_us, wall_us;

static void begin(int64_t last_us)
{
	mono_us = 5 * HOUR;
	wall_us = 56 * YEAR;
	torap_steady_init(&steady, (struct torap_mono){ mono_us }, (struct torap_wall){ wall_us },
		(struct torap_wall){ last_us });
}

static bool look(void)
{
	return torap_steady_look(&steady, (struct torap_mono){ mono_us }, (struct torap_wall){ wall_us });
}

static bool pass(int64_t us)
{
	mono_us += us;
	wall_us += us;
	return look();
}

Test(steady, believes_a_clock_that_goes_with_the_other_however_long)
{
	begin(0);
	cr_assert(look());
	for (int day = 0; day < 1000; day++)
		cr_assert(pass(24 * HOUR), "day %d", day);
	cr_assert_eq(steady.jumps, 0);
}

Test(steady, waits_ten_minutes_after_a_jump_in_either_direction)
{
	static const int64_t jumps[] = { HOUR + 1, -HOUR - 1, 20 * YEAR, -50 * YEAR };
	for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
		begin(0);
		wall_us += jumps[i];
		cr_assert_not(look(), "jump %zu", i);
		cr_assert_not(pass(10 * MINUTE - 1), "jump %zu", i);
		cr_assert(pass(1), "jump %zu", i);
		cr_assert(pass(HOUR));
	}
}

Test(steady, does_not_mind_an_hour)
{
	begin(0);
	wall_us += HOUR;
	cr_assert(look());
	wall_us -= 2 * HOUR;
	cr_assert(look());
}

/* Each step is small, together they are a lie. */
Test(steady, adds_up_small_steps)
{
	begin(0);
	wall_us += 40 * MINUTE;
	cr_assert(pass(MINUTE));
	wall_us += 40 * MINUTE;
	cr_assert_not(pass(MINUTE));
}

/* A clock that jumps there and back is not stable ten minutes after the first jump. */
Test(steady, begins_its_wait_anew_with_each_jump)
{
	begin(0);
	wall_us += 2 * HOUR;
	cr_assert_not(look());
	cr_assert_not(pass(9 * MINUTE));
	wall_us -= 2 * HOUR;
	cr_assert_not(pass(9 * MINUTE));
	cr_assert_not(pass(9 * MINUTE));
	cr_assert(pass(MINUTE));
	cr_assert_eq(steady.jumps, 2);
}

/* A machine without a battery for its clock, switched off and on. */
Test(steady, waits_at_the_start_when_the_clock_is_far_from_what_was_last_known)
{
	begin(56 * YEAR - 59 * MINUTE);
	cr_assert(look());
	begin(56 * YEAR - 61 * MINUTE);
	cr_assert_not(look());
	cr_assert(pass(10 * MINUTE));
	begin(56 * YEAR + 61 * MINUTE);
	cr_assert_not(look());
}
