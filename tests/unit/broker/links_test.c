#include <criterion/criterion.h>

#include "broker/links.h"

static struct torap_mono at_ms(int64_t ms)
{
	return (struct torap_mono){ ms * TORAP_US_PER_MS };
}

static void count(void *hint, const char *writer, uint32_t lane)
{
	cr_assert_str_eq(writer, "node-a");
	cr_assert_eq(lane, 1);
	++*(unsigned *)hint;
}

static unsigned settle(struct broker_links *l, int64_t ms)
{
	unsigned back = 0;
	broker_links_settle(l, at_ms(ms), count, &back);
	return back;
}

Test(links, tell_of_a_loss_and_of_the_return)
{
	struct broker_links *l = broker_links_create();
	cr_assert(!broker_links_here(l, "node-a", 1, at_ms(0)), "the first coming is no return");
	cr_assert(broker_links_gone(l, "node-a", 1, "gone", at_ms(7)));
	cr_assert(!broker_links_gone(l, "node-a", 1, "gone", at_ms(7)), "it is away already");
	cr_assert(!broker_links_here(l, "node-a", 2, at_ms(5000)), "another lane");
	cr_assert(broker_links_here(l, "node-a", 1, at_ms(5000)));
	cr_assert_eq(settle(l, 60000), 0, "its return was told");
	cr_assert(broker_links_gone(l, "node-a", 1, "gone", at_ms(7)), "long after: told again…");
	cr_assert(broker_links_here(l, "node-a", 1, at_ms(70000)), "…and its return at once");
	broker_links_destroy(l);
}

Test(links, that_flap_are_told_once_and_are_back_when_they_have_stayed)
{
	struct broker_links *l = broker_links_create();
	unsigned told = 0;
	int64_t ms = 0;
	for (; ms < 60000; ms += 200) {
		told += broker_links_here(l, "node-a", 1, at_ms(ms));
		told += broker_links_gone(l, "node-a", 1, "store full", at_ms(7));
		told += settle(l, ms);
	}
	cr_assert_eq(told, 3, "lost, back, and lost until it has stayed");
	cr_assert(!broker_links_here(l, "node-a", 1, at_ms(ms)));
	cr_assert_eq(settle(l, ms + 9999), 0);
	cr_assert_eq(settle(l, ms + 10000), 1);
	cr_assert_eq(settle(l, ms + 20000), 0);
	broker_links_destroy(l);
}

Test(links, that_flap_are_told_again_when_the_reason_is_another)
{
	struct broker_links *l = broker_links_create();
	broker_links_gone(l, "node-a", 1, "store full", at_ms(7));
	broker_links_here(l, "node-a", 1, at_ms(100));
	broker_links_gone(l, "node-a", 1, "store full", at_ms(7));
	broker_links_here(l, "node-a", 1, at_ms(200));
	cr_assert(broker_links_gone(l, "node-a", 1, "broken-chain", at_ms(7)));
	broker_links_here(l, "node-a", 1, at_ms(300));
	cr_assert(!broker_links_gone(l, "node-a", 1, "broken-chain", at_ms(7)));
	cr_assert_eq(settle(l, 60000), 0, "it is away");
	broker_links_destroy(l);
}

Test(links, that_are_away_have_a_reason_and_a_time)
{
	struct broker_links *l = broker_links_create();
	struct torap_mono since = { 0 };
	cr_assert_null(broker_links_lost(l, "node-a", 1, &since));
	broker_links_gone(l, "node-a", 1, "silent", at_ms(1000));
	cr_assert_str_eq(broker_links_lost(l, "node-a", 1, &since), "silent");
	cr_assert_eq(since.us, at_ms(1000).us);
	cr_assert_null(broker_links_lost(l, "node-a", 2, &since), "another lane");
	broker_links_here(l, "node-a", 1, at_ms(2000));
	cr_assert_null(broker_links_lost(l, "node-a", 1, &since));
	broker_links_gone(l, "node-a", 1, "gone", at_ms(3000));
	cr_assert_str_eq(broker_links_lost(l, "node-a", 1, &since), "gone");
	cr_assert_eq(since.us, at_ms(3000).us, "also of one that flaps");
	broker_links_destroy(l);
}
