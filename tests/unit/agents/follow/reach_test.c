#include "agents/follow/reach.h"

#include <criterion/criterion.h>

enum { CRITICAL = 1, NORMAL = 2 };

static struct follow_reach reach;

static void clean(void)
{
	follow_reach_finish(&reach);
}

TestSuite(reach, .fini = clean);

static void add(const char *writer, uint8_t lane, uint64_t incarnation, int64_t until_us, bool lags)
{
	struct torap_stream_id id;
	cr_assert(torap_stream_id_make(&id, writer, lane, incarnation));
	cr_assert(follow_reach_add(&reach, &id, (struct torap_wall){ until_us }, lags));
}

static void expect(const char *writer, uint8_t lane, int64_t until_us, bool lags)
{
	const struct follow_reach_lane *found = follow_reach_find(&reach, writer, lane);
	cr_assert_not_null(found);
	cr_assert_eq(found->until.us, until_us);
	cr_assert_eq(found->lags, lags);
}

Test(reach, of_streams_that_followed_each_other_the_last_counts)
{
	add("node-b", CRITICAL, 2, 70, false);
	add("node-a", NORMAL, 1, 5, false);
	add("node-b", CRITICAL, 1, 20, false);
	add("node-a", CRITICAL, 1, 9, false);
	follow_reach_sum(&reach);
	cr_assert_eq(reach.count, 3);
	expect("node-a", CRITICAL, 9, false);
	expect("node-a", NORMAL, 5, false);
	expect("node-b", CRITICAL, 70, false);
	cr_assert_null(follow_reach_find(&reach, "node-b", NORMAL));
}

Test(reach, what_lags_is_not_made_up_for_by_a_later_stream)
{
	add("node-a", CRITICAL, 1, 20, true);
	add("node-a", CRITICAL, 2, 70, false);
	add("node-a", CRITICAL, 3, 10, true);
	add("node-b", CRITICAL, 1, 70, false);
	add("node-b", CRITICAL, 2, 20, true);
	follow_reach_sum(&reach);
	expect("node-a", CRITICAL, 10, true);
	expect("node-b", CRITICAL, 20, true);
}

Test(reach, knows_nothing_of_nothing)
{
	follow_reach_sum(&reach);
	cr_assert_null(follow_reach_find(&reach, "node-a", CRITICAL));
}
