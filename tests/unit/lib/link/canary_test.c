#include <criterion/criterion.h>

#include "link/canary.h"

enum { PERIOD_S = 30, LIMIT_MS = 65000 };

static struct torap_mono at_ms(int64_t ms)
{
	return (struct torap_mono){ ms * TORAP_US_PER_MS };
}

/* Judged once a second from one time to the other, with a head every two seconds and a canary every PERIOD_S, if they come at all. */
static void live(struct torap_canary *c, int64_t from_ms, int64_t until_ms, bool heads, bool canaries)
{
	for (int64_t ms = from_ms; ms < until_ms; ms += 1000) {
		if (heads && ms % 2000 == 0)
			torap_canary_head(c, PERIOD_S, at_ms(ms));
		if (canaries && ms % (PERIOD_S * 1000) == 0)
			torap_canary_came(c, at_ms(ms));
		torap_canary_judge(c, true, at_ms(ms));
	}
}

static struct torap_canary fresh(void)
{
	struct torap_canary c;
	torap_canary_init(&c, at_ms(0));
	cr_assert(torap_canary_judge(&c, true, at_ms(0)));
	cr_assert_eq(c.reason, TORAP_CANARY_NOT_YET);
	return c;
}

Test(canary, is_fine_while_heads_and_canaries_come)
{
	struct torap_canary c = fresh();
	live(&c, 0, 3600000, true, true);
	cr_assert_eq(c.reason, TORAP_CANARY_FINE);
	cr_assert_eq(c.times_overdue, 0);
}

/* The way that heads take is open, that of events is not. */
Test(canary, is_overdue_when_heads_come_and_it_does_not)
{
	struct torap_canary c = fresh();
	live(&c, 0, 60001, true, true);
	live(&c, 61000, 60000 + LIMIT_MS, true, false);
	cr_assert_eq(c.reason, TORAP_CANARY_FINE, "one may be missed");
	cr_assert(torap_canary_judge(&c, true, at_ms(60000 + LIMIT_MS)));
	cr_assert_eq(c.reason, TORAP_CANARY_OVERDUE);
	live(&c, 60000 + LIMIT_MS, 3600000, true, false);
	cr_assert_eq(c.times_overdue, 1, "counted once");
	torap_canary_came(&c, at_ms(3600000));
	cr_assert(torap_canary_judge(&c, true, at_ms(3600000)));
	cr_assert_eq(c.reason, TORAP_CANARY_FINE);
}

/* A link that comes and goes may not make us forget what is owed. */
Test(canary, stays_overdue_over_a_lost_link_and_over_silence_until_one_comes)
{
	struct torap_canary c = fresh();
	live(&c, 0, LIMIT_MS + 1000, true, false);
	cr_assert_eq(c.reason, TORAP_CANARY_OVERDUE);
	torap_canary_judge(&c, false, at_ms(100000));
	cr_assert_eq(c.reason, TORAP_CANARY_NO_LINK);
	live(&c, 101000, 104000, true, false);
	cr_assert_eq(c.reason, TORAP_CANARY_OVERDUE);
	live(&c, 104000, 120000, false, false);
	cr_assert_eq(c.reason, TORAP_CANARY_SILENT);
	live(&c, 120000, 123000, true, false);
	cr_assert_eq(c.reason, TORAP_CANARY_OVERDUE);
	cr_assert_eq(c.times_overdue, 1);
}

Test(canary, of_a_writer_that_was_away_is_not_overdue_when_it_comes_back)
{
	struct torap_canary c = fresh();
	live(&c, 0, 30001, true, true);
	live(&c, 31000, 300000, false, false);
	cr_assert_eq(c.reason, TORAP_CANARY_SILENT);
	live(&c, 300000, 300000 + LIMIT_MS - 5000, true, false);
	cr_assert_eq(c.reason, TORAP_CANARY_FINE);
	live(&c, 300000 + LIMIT_MS - 5000, 300000 + LIMIT_MS + 2000, true, false);
	cr_assert_eq(c.reason, TORAP_CANARY_OVERDUE);
}

Test(canary, is_waited_for_from_when_our_own_link_flows)
{
	struct torap_canary c = fresh();
	live(&c, 0, 20000, true, true);
	torap_canary_judge(&c, false, at_ms(20000));
	torap_canary_judge(&c, true, at_ms(500000));
	cr_assert_eq(c.reason, TORAP_CANARY_NOT_YET);
	live(&c, 500000, 500000 + LIMIT_MS - 1000, true, false);
	cr_assert_eq(c.reason, TORAP_CANARY_FINE);
}

Test(canary, is_not_missed_when_the_writer_does_not_say_how_often_it_comes)
{
	struct torap_canary c = fresh();
	for (int64_t ms = 0; ms < 3600000; ms += 2000) {
		torap_canary_head(&c, 0, at_ms(ms));
		torap_canary_judge(&c, true, at_ms(ms));
	}
	cr_assert_eq(c.reason, TORAP_CANARY_FINE);
	live(&c, 3600000, 3600000 + TORAP_HEAD_SILENT_MS + 1000, false, false);
	cr_assert_eq(c.reason, TORAP_CANARY_SILENT, "its silence is");
}
