#include <criterion/criterion.h>
#include <stdio.h>

#include "agents/archive/cameras.h"

static const struct archive_window window = { .utc_offset_s = 18000, .at_s = 2 * 3600, .over_s = 4 * 3600 };
static const int64_t hour = (int64_t)3600 * TORAP_US_PER_S;
static struct archive_cameras cameras;
static struct torap_wall now;

static struct kit_row row(const char *address, const char *recorder)
{
	return (struct kit_row){ .address = address,
		.code_page = "",
		.key_name = "",
		.url = "",
		.profile = "",
		.mode = "",
		.site = "school-1",
		.switch_name = "",
		.street = "",
		.recorder = recorder,
		.recording = "" };
}

static bool nobody(void *hint, const struct archive_camera *camera)
{
	(void)hint;
	(void)camera;
	return false;
}

static void begin(void)
{
	cr_assert_eq(torap_wall_parse(&now, "2026-11-26T04:00:00Z", NULL), 0);
}

static void end(void)
{
	archive_cameras_finish(&cameras);
}

TestSuite(cameras, .init = begin, .fini = end);

Test(cameras, are_asked_within_the_window_of_each_day)
{
	struct kit_row rows[500];
	char names[500][16];
	for (int i = 0; i < 500; i++) {
		snprintf(names[i], sizeof names[i], "cam-%d", i);
		rows[i] = row(names[i], "nvr-1");
	}
	cr_assert_eq(archive_cameras_set(&cameras, rows, 500, &window, now), 0);
	cr_assert_eq(cameras.count, 500);
	int quarters[4] = { 0 };
	for (size_t i = 0; i < cameras.count; i++) {
		struct archive_camera *c = &cameras.list[i];
		cr_expect(c->next.us >= now.us && c->next.us < now.us + 4 * hour,
			"new ones are spread from now on");
		archive_camera_done(c, &window, now);
		/* 02:00 to 06:00 at the place is 21:00 to 01:00 UTC. */
		int64_t since = c->next.us - (now.us + 17 * hour);
		cr_assert(since >= 0 && since < 4 * hour, "%s: %lld", c->address, (long long)(since / hour));
		quarters[since / hour]++;
		struct torap_wall then = c->next, day = { c->next.us + 24 * hour };
		archive_camera_done(c, &window, then);
		cr_expect_eq(c->next.us, day.us, "each day at the same moment");
	}
	for (int i = 0; i < 4; i++)
		cr_expect(quarters[i] > 70 && quarters[i] < 180, "spread evenly: %d", quarters[i]);
}

Test(cameras, a_reload_keeps_their_moments)
{
	struct kit_row rows[] = { row("b", "nvr-1"), row("c", "nvr-1"), row("a", "nvr-1") };
	archive_cameras_set(&cameras, rows, 2, &window, now);
	archive_camera_done(&cameras.list[0], &window, now);
	cameras.list[1].running = true;
	struct torap_wall next = cameras.list[0].next;
	uint64_t number = cameras.list[0].number;
	archive_cameras_set(&cameras, rows, 3, &window, now);
	cr_assert_eq(cameras.count, 3);
	cr_expect_eq(cameras.list[1].next.us, next.us);
	cr_expect_eq(archive_cameras_find(&cameras, number), &cameras.list[1]);
	cr_expect(cameras.list[2].running);
}

Test(cameras, a_silent_recorder_is_asked_three_times)
{
	struct kit_row r = row("a", "nvr-1");
	archive_cameras_set(&cameras, &r, 1, &window, now);
	struct archive_camera *c = cameras.list;
	cr_expect_not(archive_camera_failed(c, &window, now));
	cr_expect_eq(c->next.us, now.us + hour / 2);
	cr_expect_not(archive_camera_failed(c, &window, now));
	cr_expect(archive_camera_failed(c, &window, now), "and that was the last of the day");
	cr_expect_gt(c->next.us, now.us + hour);
	cr_expect_eq(c->tries, 0);
}

Test(cameras, come_in_turn)
{
	struct kit_row rows[] = { row("a", "nvr-1"), row("b", "nvr-1"), row("c", "nvr-1") };
	const struct archive_window at_once = { 18000, 0, 0 };
	archive_cameras_set(&cameras, rows, 3, &at_once, now);
	const struct archive_camera *first = archive_cameras_due(&cameras, now, nobody, NULL);
	const struct archive_camera *second = archive_cameras_due(&cameras, now, nobody, NULL);
	cr_expect_str_eq(first->address, "a");
	cr_expect_str_eq(second->address, "b", "the first waits, though it is still due");
}

/* It began with a clock that was years ahead; nobody would be asked until then. */
Test(cameras, a_clock_that_was_set_back_delays_nobody)
{
	struct kit_row r = row("a", "nvr-1");
	archive_cameras_set(&cameras, &r, 1, &window, now);
	archive_camera_done(&cameras.list[0], &window, now);
	cr_expect_null(archive_cameras_due(&cameras, now, nobody, NULL));
	struct torap_wall before = { now.us - 1000 * 24 * hour };
	cr_expect(archive_cameras_due(&cameras, before, nobody, NULL));
}
