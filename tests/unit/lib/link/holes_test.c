#include "link/holes.h"

#include <criterion/criterion.h>

static struct torap_mono at_ms(int64_t ms)
{
	return torap_mono_add_ms((struct torap_mono){ 1000000 }, ms);
}

Test(holes, are_asked_for_by_rising_number_and_each_but_once_at_a_time)
{
	struct torap_holes h = { 0 };
	uint64_t asked[8];
	cr_assert_eq(torap_holes_add(&h, 7, at_ms(0)), TORAP_HOLES_NEW);
	cr_assert_eq(torap_holes_add(&h, 3, at_ms(0)), TORAP_HOLES_NEW);
	cr_assert_eq(torap_holes_add(&h, 7, at_ms(0)), TORAP_HOLES_KNOWN);
	cr_assert_eq(torap_holes_ask(&h, asked, 8, at_ms(0)), 2);
	cr_assert(asked[0] == 3 && asked[1] == 7);
	cr_assert(!torap_holes_due(&h, at_ms(TORAP_HOLES_AGAIN_MS - 1)));
	cr_assert_eq(torap_holes_ask(&h, asked, 8, at_ms(TORAP_HOLES_AGAIN_MS - 1)), 0);
	torap_holes_finish(&h);
}

Test(holes, that_nobody_fills_are_asked_for_ever_more_rarely_and_never_given_up)
{
	struct torap_holes h = { 0 };
	uint64_t asked;
	int64_t now = 0;
	unsigned times = 0;
	torap_holes_add(&h, 1, at_ms(0));
	for (; now < 24 * 3600 * 1000; now += 1000)
		times += torap_holes_ask(&h, &asked, 1, at_ms(now));
	cr_assert(times > 24 && times < 40, "%u times in a day", times);
	torap_holes_finish(&h);
}

Test(holes, beyond_the_room_of_a_message_come_with_the_next)
{
	struct torap_holes h = { 0 };
	uint64_t asked[100];
	for (uint64_t i = 1; i <= 150; i++)
		torap_holes_add(&h, i, at_ms(0));
	cr_assert_eq(torap_holes_ask(&h, asked, 100, at_ms(0)), 100);
	cr_assert(torap_holes_due(&h, at_ms(0)));
	cr_assert_eq(torap_holes_ask(&h, asked, 100, at_ms(0)), 50);
	cr_assert_eq(asked[0], 101);
	torap_holes_finish(&h);
}

Test(holes, that_are_filled_are_forgotten_and_another_peer_is_asked_at_once)
{
	struct torap_holes h = { 0 };
	uint64_t asked[2];
	torap_holes_add(&h, 1, at_ms(0));
	torap_holes_add(&h, 2, at_ms(0));
	torap_holes_ask(&h, asked, 2, at_ms(0));
	cr_assert(torap_holes_remove(&h, 1));
	cr_assert(!torap_holes_remove(&h, 1));
	cr_assert(!torap_holes_has(&h, 1) && torap_holes_has(&h, 2));
	torap_holes_hurry(&h, at_ms(1));
	cr_assert_eq(torap_holes_ask(&h, asked, 2, at_ms(1)), 1);
	cr_assert_eq(asked[0], 2);
	torap_holes_finish(&h);
}

Test(holes, are_bounded)
{
	struct torap_holes h = { 0 };
	for (uint64_t i = 1; i <= TORAP_HOLES_MAX; i++)
		cr_assert_eq(torap_holes_add(&h, i, at_ms(0)), TORAP_HOLES_NEW);
	cr_assert_eq(torap_holes_add(&h, TORAP_HOLES_MAX + 1, at_ms(0)), TORAP_HOLES_NO_ROOM);
	torap_holes_finish(&h);
}
