#include "agents/archive/answers.h"

#include <criterion/criterion.h>

#include "agents/archive/cameras.h"

static const struct torap_wall now = { 1795672422 * (int64_t)TORAP_US_PER_S };
static const struct torap_wall tomorrow = { (1795672422 + 86400) * (int64_t)TORAP_US_PER_S };
static char address[] = "cam-1";

static int64_t due_after(struct archive_answers *a, const char *reason, bool later)
{
	struct archive_camera c = { .address = address, .next = tomorrow };
	archive_answers_refused(a, &c, reason, later, now);
	return (c.next.us - now.us) / TORAP_US_PER_S;
}

/* What may be taken later is made again soon; what never will be is not asked of the recorder every five minutes. */
Test(answers, repeat_only_what_may_be_taken_later)
{
	struct archive_answers a = { 0 };
	cr_expect_eq(due_after(&a, "busy", true), ARCHIVE_AGAIN_S);
	cr_expect_eq(due_after(&a, "node is away", true), ARCHIVE_AGAIN_S);
	cr_expect_eq(a.later, 2);
	cr_expect_eq(a.never, 0);
	cr_expect_eq(due_after(&a, "no valid consent (missing)", false), 86400);
	cr_expect_eq(due_after(&a, "event is too big", false), 86400);
	cr_expect_eq(due_after(&a, "", false), 86400);
	cr_expect_eq(a.later, 2);
	cr_expect_eq(a.never, 3);
}

/* However many are refused: a line a minute, and none is left out of the count. */
Test(answers, are_told_once_and_summed_up)
{
	struct archive_answers a = { 0 };
	struct torap_mono at = { 7 };
	cr_expect_eq(archive_answers_untold(&a, at), 0);
	due_after(&a, "no valid consent (missing)", false);
	cr_expect_eq(archive_answers_untold(&a, at), 1);
	cr_expect_str_eq(a.last, "camera cam-1: no valid consent (missing)");
	cr_expect_eq(archive_answers_untold(&a, at), 0);
	for (int i = 0; i < 1000; i++)
		due_after(&a, "no valid consent (missing)", false);
	cr_expect_eq(archive_answers_untold(&a, torap_mono_add_ms(at, ARCHIVE_ANSWERS_EVERY_MS - 1)), 0);
	cr_expect_eq(archive_answers_untold(&a, torap_mono_add_ms(at, ARCHIVE_ANSWERS_EVERY_MS)), 1000);
	cr_expect_eq(archive_answers_untold(&a, torap_mono_add_ms(at, 10 * ARCHIVE_ANSWERS_EVERY_MS)), 0);
}
