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

/* Found at different times, they are due at different times, one between the other's: neither may meet the same peer for ever. */
Test(holes, that_are_due_in_turns_are_asked_of_each_peer)
{
	struct torap_holes h = { 0 };
	unsigned met[2][2] = { 0 };
	torap_holes_add(&h, 1, at_ms(0));
	torap_holes_add(&h, 2, at_ms(2000));
	for (int64_t now = 0; now < 600000; now += 1000)
		for (unsigned peer = 0; peer < 2; peer++) {
			uint64_t asked[2];
			struct torap_holes_turn turn = { peer, 2 };
			size_t count = torap_holes_ask_in_turn(&h, turn, asked, 2, at_ms(now));
			for (size_t i = 0; i < count; i++)
				met[asked[i] - 1][peer]++;
		}
	for (unsigned i = 0; i < 2; i++)
		cr_expect(met[i][0] >= 3 && met[i][1] >= 3, "hole %u: %u and %u times", i + 1, met[i][0],
			met[i][1]);
	torap_holes_finish(&h);
}

Test(holes, pass_on_from_a_peer_that_cannot_be_asked)
{
	struct torap_holes h = { 0 };
	uint64_t asked;
	torap_holes_add(&h, 1, at_ms(0));
	torap_holes_pass(&h, (struct torap_holes_turn){ 0, 2 }, at_ms(0));
	cr_expect(!torap_holes_due_in_turn(&h, (struct torap_holes_turn){ 0, 2 }, at_ms(0)));
	cr_expect_eq(torap_holes_ask_in_turn(&h, (struct torap_holes_turn){ 1, 2 }, &asked, 1, at_ms(0)), 1);
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
