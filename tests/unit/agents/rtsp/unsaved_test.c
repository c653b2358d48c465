#include "agents/rtsp/unsaved.h"

#include <criterion/criterion.h>

static struct torap_mono at(int64_t ms)
{
	return (struct torap_mono){ 1000000 + ms * TORAP_US_PER_MS };
}

Test(unsaved, what_changes_while_it_is_written_is_not_on_the_disk)
{
	struct rtsp_unsaved u = { 0 };
	cr_expect_not(rtsp_unsaved_is_due(&u, 0, at(0)));
	cr_expect(rtsp_unsaved_is_due(&u, 3, at(0)));
	rtsp_unsaved_begin(&u, 3, at(0));
	cr_expect_eq(rtsp_unsaved_count(&u, 3), 3, "it is written, and not yet there");
	rtsp_unsaved_end(&u, true);
	cr_expect_eq(rtsp_unsaved_count(&u, 3), 0);
	cr_expect_eq(rtsp_unsaved_count(&u, 4), 1, "one more came meanwhile");
	cr_expect_not(rtsp_unsaved_is_due(&u, 4, at(499)));
	cr_expect(rtsp_unsaved_is_due(&u, 4, at(500)));
}

/* The disk is full for a while: nobody takes it for saved, and it is tried again without another change. */
Test(unsaved, what_failed_is_not_on_the_disk_and_is_tried_again)
{
	struct rtsp_unsaved u = { 0 };
	rtsp_unsaved_begin(&u, 2, at(0));
	rtsp_unsaved_end(&u, true);
	rtsp_unsaved_begin(&u, 5, at(1000));
	rtsp_unsaved_end(&u, false);
	cr_expect_eq(rtsp_unsaved_count(&u, 5), 3);
	cr_expect_not(rtsp_unsaved_is_due(&u, 5, at(5999)), "a log line each half second helps nobody");
	cr_expect(rtsp_unsaved_is_due(&u, 5, at(6000)));
	rtsp_unsaved_begin(&u, 5, at(6000));
	rtsp_unsaved_end(&u, true);
	cr_expect_eq(rtsp_unsaved_count(&u, 5), 0);
	cr_expect(rtsp_unsaved_is_due(&u, 6, at(6500)), "and soon again, when it went well");
}
