#include "node/room.h"

#include <criterion/criterion.h>

enum {
	CRITICAL = TORAP__LANE__LANE_CRITICAL,
	NORMAL = TORAP__LANE__LANE_NORMAL,
	BULK = TORAP__LANE__LANE_BULK
};

static struct node_room room;

/* Bulk at 70 %, normal at 80 %: "b", "bn" or "" is shed; "p": what can go shall go. */
static void check(uint64_t percent, const char *sheds, bool pressed)
{
	node_room_look(&room, percent * 1000, 100000);
	cr_expect_eq(room.sheds[BULK], *sheds == 'b', "bulk at %u %%", (unsigned)percent);
	cr_expect_eq(room.sheds[NORMAL], sheds[0] && sheds[1] == 'n', "normal at %u %%", (unsigned)percent);
	cr_expect_not(room.sheds[CRITICAL]);
	cr_expect_eq(room.pressed, pressed, "pressed at %u %%", (unsigned)percent);
}

Test(room, sheds_bulk_first_then_normal_and_alarms_never)
{
	node_room_init(&room, 70, 80);
	check(69, "", false);
	check(70, "b", true);
	check(79, "b", true);
	check(80, "bn", true);
	check(100, "bn", true);
}

/* At the brink it would change its mind with each look. */
Test(room, takes_again_a_little_below_the_mark_and_goes_on_making_room)
{
	node_room_init(&room, 70, 80);
	check(81, "bn", true);
	check(79, "bn", true);
	check(77, "b", true);
	check(79, "b", true);
	check(69, "b", true);
	check(67, "", true);
	check(61, "", true);
	check(59, "", false);
	check(69, "", false);
	check(70, "b", true);
}

Test(room, says_when_what_it_takes_has_changed)
{
	node_room_init(&room, 70, 80);
	cr_expect_not(node_room_look(&room, 60, 100));
	cr_expect(node_room_look(&room, 75, 100));
	cr_expect_not(node_room_look(&room, 76, 100));
	cr_expect(node_room_look(&room, 10, 100));
}
