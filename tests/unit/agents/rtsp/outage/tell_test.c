/* What the agent does with outages when the registry changes and there is no memory. */
#include "agents/rtsp/outage/tell.h"

#include <errno.h>
#include <unistd.h>

#include "conf/file.h"
#include "tests/kit/temporary.h"
#include "tests/unit/agents/rtsp/outage/rows.h"

enum { CAMERAS = 4 };

static struct rtsp_agent agent;
static char dir[64], path[128];
static int good = -1; /* so many allocations more succeed, then one fails; -1: all do */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	bool fails = good == 0;
	good -= good >= 0;
	return fails ? NULL : __real_calloc(count, size);
}

static int rows_with(uint32_t count, const struct kit_row *like, int allocations)
{
	rows_set(&agent.cameras, count, like, 0);
	for (uint32_t i = 0; i < agent.cameras.count; i++)
		agent.cameras.slots[agent.cameras.by_address[i]]->profile = &rtsp_profile_default;
	good = allocations;
	int r = rtsp_tell_rows(&agent);
	good = -1;
	agent.has_rows = true;
	return r;
}

static void step(void)
{
	agent.stepped_at.us = 0;
	rtsp_tell_step(&agent, torap_app_mono());
}

/* The node takes what waits.  How many that were, and whether the last was one of an outage. */
static unsigned take(bool *mass)
{
	uint64_t from = 0, number;
	unsigned count = 0;
	const struct rtsp_told *t;
	while ((t = rtsp_outbox_next(&agent.outbox, &agent.cameras, &from, &number, torap_app_mono()))) {
		*mass = t->mass != NULL;
		rtsp_outbox_verdict(&agent.outbox, &agent.cameras, number, RTSP_TAKEN, torap_app_mono());
		count++;
	}
	return count;
}

static void report(uint32_t slot, bool start)
{
	const struct rtsp_report r = { .fault = RTSP_OFFLINE,
		.start = start,
		.outcome = RTSP_OUTCOME_NO_ROUTE,
		.since = torap_app_wall() };
	for (int i = 0; start && i < 2; i++)
		rtsp_tell_failed(&agent, agent.cameras.slots[slot], RTSP_OUTCOME_NO_ROUTE);
	rtsp_tell(&agent, agent.cameras.slots[slot], &r, 1);
}

static void begin(void)
{
	agent = (struct rtsp_agent){ .config.outage = rtsp_outage_limits_default, .outages_file = path };
	rtsp_tell_init(&agent);
}

static void finish(void)
{
	rtsp_outbox_finish(&agent.outbox);
	rtsp_outages_finish(&agent.outages);
	rtsp_cameras_finish(&agent.cameras);
}

static void open_dir(void)
{
	temporary_dir(dir, sizeof dir, "tell");
	snprintf(path, sizeof path, "%s/state.outages", dir);
}

static void close_dir(void)
{
	unlink(path);
	rmdir(dir);
}

/* All that are behind the switch are dark, and the node and the disk know. */
static void begin_dark(void)
{
	bool mass = false;
	begin();
	cr_assert_eq(rows_with(CAMERAS, &rows_switch, -1), 0);
	for (uint32_t i = 0; i < CAMERAS; i++)
		report(i, true);
	step();
	cr_assert_eq(take(&mass), 1);
	cr_assert(mass);
	rtsp_tell_save(&agent);
}

static struct torap_buffer *file(void)
{
	struct torap_buffer *out = NULL;
	struct torap_error err;
	cr_assert_eq(torap_file_read(&out, path, 1 << 20, &err), 0, "%s", err.text);
	return out;
}

static void expect_file(const struct torap_buffer *as, int n)
{
	step();
	rtsp_tell_save(&agent);
	struct torap_buffer *is = file();
	cr_expect(torap_bytes_equal(torap_buffer_bytes(is), torap_buffer_bytes(as)),
		"allocation %d failed, and what the file holds of %zu bytes became %zu", n, as->size,
		is->size);
	torap_buffer_unref(is);
}

/* One camera more, and no memory: the outage goes on, and ends as one. */
Test(tell, an_outage_outlives_rows_that_there_is_no_memory_for, .init = open_dir, .fini = close_dir)
{
	for (int n = 0;; n++) {
		bool mass = false;
		begin_dark();
		struct torap_buffer *before = file();
		const bool enough = rows_with(CAMERAS + 1, &rows_switch, n) == 0;
		expect_file(before, n);
		torap_buffer_unref(before);
		if (!enough) {
			report(CAMERAS, true);
			cr_expect_eq(take(&mass), 1, "nothing is known of the new one");
			cr_expect_not(mass);
		}
		for (uint32_t i = 0; i < CAMERAS; i++)
			report(i, false);
		step();
		cr_expect_eq(take(&mass), 1, "allocation %d failed", n);
		cr_expect(mass);
		finish();
		unlink(path);
		if (!enough)
			continue;
		cr_expect_geq(n, 5, "allocations that can fail");
		break;
	}
}

/* Rows that come again leave room for more cameras than there are. */
Test(tell, an_outage_outlives_rows_that_come_again_without_memory, .init = open_dir, .fini = close_dir)
{
	begin_dark();
	cr_assert_eq(rows_with(CAMERAS, &rows_switch, -1), 0);
	cr_assert_eq(rows_with(CAMERAS, &rows_switch, -1), 0);
	cr_assert_gt(agent.outages.room, CAMERAS);
	cr_assert_eq(rows_with(CAMERAS, &rows_switch, 0), -ENOMEM);
	cr_expect_eq(agent.outages.shares[0].dark, CAMERAS);
	finish();
}

/* Nobody is told of a camera that has left, or was moved to where others may read of it, by those who may not. */
Test(tell, who_leaves_with_rows_that_there_is_no_memory_for_leaves_the_outage, .init = open_dir,
	.fini = close_dir)
{
	struct kit_row moved = rows_switch;
	moved.region = 7;
	begin_dark();
	cr_assert_eq(rows_with(CAMERAS - 1, &rows_switch, 0), -ENOMEM);
	cr_expect_eq(agent.outages.shares[0].members, CAMERAS - 1);
	cr_expect_eq(agent.outages.shares[0].dark, CAMERAS - 1);
	step();
	cr_assert_eq(rows_with(CAMERAS - 1, &moved, 0), -ENOMEM);
	cr_expect_eq(agent.outages.shares[0].members, 0);
	cr_expect_eq(rtsp_outages_held(&agent.outages), CAMERAS - 1, "they are told to others");
	step();
	finish();
}

/* What outlived the restart is read with the next rows. */
Test(tell, the_file_waits_for_rows_that_there_is_memory_for, .init = open_dir, .fini = close_dir)
{
	begin_dark();
	struct torap_buffer *before = file();
	finish();
	begin();
	cr_assert_eq(rows_with(CAMERAS, &rows_switch, 0), -ENOMEM);
	expect_file(before, 0);
	cr_assert_eq(rows_with(CAMERAS, &rows_switch, -1), 0);
	cr_expect_eq(agent.outages.shares_room ? agent.outages.shares[0].dark : 0, CAMERAS);
	torap_buffer_unref(before);
	finish();
}

/* The end of the process comes while a thread writes what has changed since. */
Test(tell, what_changes_while_it_is_saved_is_saved_at_the_end, .init = open_dir, .fini = close_dir)
{
	bool mass = false;
	uv_loop_t loop;
	cr_assert_eq(uv_loop_init(&loop), 0);
	begin_dark();
	agent.loop = &loop;
	agent.outages.changes++;
	agent.unsaved_outages.tried_at.us = 0;
	step();
	cr_assert(agent.saving_outages.active);
	for (uint32_t i = 0; i < CAMERAS; i++)
		report(i, false);
	step();
	cr_assert_eq(take(&mass), 1);
	rtsp_tell_save(&agent);
	cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
	cr_expect_not(agent.saving_outages.active);
	struct torap_buffer *last = file();
	expect_file(last, 0);
	torap_buffer_unref(last);
	cr_assert_eq(uv_loop_close(&loop), 0);
	finish();
}
