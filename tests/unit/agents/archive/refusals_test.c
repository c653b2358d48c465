#include "agents/archive/refusals.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct torap_wall at_hour(int64_t hour)
{
	return (struct torap_wall){ (1795672422 + hour * 3600) * TORAP_US_PER_S };
}

Test(refusals, stand_for_the_other_cameras_of_the_recorder_until_the_next_day)
{
	struct archive_refusals r = { 0 };
	char name[16] = "nvr-1";
	cr_assert_eq(archive_refusals_add(&r, name, "HTTP 401", at_hour(0)), 0);
	snprintf(name, sizeof name, "nvr-2");
	const struct archive_refusal *found = archive_refusals_find(&r, "nvr-1", at_hour(22));
	cr_assert(found);
	cr_expect_str_eq(found->reason, "HTTP 401");
	cr_expect_null(archive_refusals_find(&r, "nvr-2", at_hour(0)), "another one's password may be right");
	cr_expect_null(archive_refusals_find(&r, "nvr-1", at_hour(24)));
	cr_expect_null(archive_refusals_find(&r, "nvr-1", at_hour(-1000)), "our clock was set back");
	archive_refusals_finish(&r);
}

Test(refusals, are_one_for_each_recorder)
{
	struct archive_refusals r = { 0 };
	for (int day = 0; day < 100; day++)
		cr_assert_eq(archive_refusals_add(&r, "nvr-1", "NotAuthorized", at_hour(24 * day)), 0);
	cr_expect_eq(r.count, 1);
	cr_expect(archive_refusals_find(&r, "nvr-1", at_hour(24 * 99 + 1)));
	archive_refusals_finish(&r);
	cr_expect_null(archive_refusals_find(&r, "nvr-1", at_hour(24 * 99 + 1)));
}
