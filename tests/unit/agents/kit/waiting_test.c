#include <criterion/criterion.h>

#include "agents/kit/waiting.h"

static const struct torap_mono now = { 1000 };

Test(waiting, gives_back_the_tag_of_an_id_once)
{
	struct kit_waiting w;
	cr_assert_eq(kit_waiting_init(&w, 4), 0);
	uint64_t id = kit_waiting_add(&w, (struct kit_tag){ 7, 8 }, now);
	struct kit_tag tag;
	cr_expect(kit_waiting_take(&w, id, &tag));
	cr_expect(tag.who == 7 && tag.what == 8);
	cr_expect_not(kit_waiting_take(&w, id, &tag));
	cr_expect_not(kit_waiting_take(&w, 0, &tag));
	cr_expect_not(kit_waiting_take(&w, 99999, &tag));
	kit_waiting_finish(&w);
}

Test(waiting, refuses_when_it_is_full)
{
	struct kit_waiting w;
	cr_assert_eq(kit_waiting_init(&w, 3), 0);
	for (int i = 0; i < 3; i++)
		cr_expect(kit_waiting_add(&w, (struct kit_tag){ 0 }, now));
	cr_expect_eq(kit_waiting_add(&w, (struct kit_tag){ 0 }, now), 0);
	kit_waiting_finish(&w);
}

/* One verdict never comes; thousands of others must pass it. */
Test(waiting, goes_round_an_id_that_is_never_judged)
{
	struct kit_waiting w;
	struct kit_tag tag;
	cr_assert_eq(kit_waiting_init(&w, 4), 0);
	uint64_t stuck = kit_waiting_add(&w, (struct kit_tag){ 1, 1 }, now), last = stuck;
	for (int i = 0; i < 1000; i++) {
		uint64_t id = kit_waiting_add(&w, (struct kit_tag){ 2, (uint64_t)i }, now);
		cr_assert(id > last, "an id came twice");
		cr_assert(kit_waiting_take(&w, id, &tag) && tag.what == (uint64_t)i);
		last = id;
	}
	cr_expect(kit_waiting_take(&w, stuck, &tag) && tag.who == 1);
	kit_waiting_finish(&w);
}

Test(waiting, gives_up_what_is_old_and_nothing_else)
{
	struct kit_waiting w;
	struct kit_tag tag;
	unsigned from = 0, given_up = 0;
	cr_assert_eq(kit_waiting_init(&w, 8), 0);
	for (int i = 0; i < 3; i++)
		kit_waiting_add(&w, (struct kit_tag){ 1, 0 }, (struct torap_mono){ 1000 });
	uint64_t young = kit_waiting_add(&w, (struct kit_tag){ 2, 0 }, (struct torap_mono){ 3000 });
	while (kit_waiting_take_old(&w, (struct torap_mono){ 2000 }, &from, &tag)) {
		cr_expect_eq(tag.who, 1);
		given_up++;
	}
	cr_expect_eq(given_up, 3);
	cr_expect(kit_waiting_take(&w, young, &tag));
	kit_waiting_finish(&w);
}
