#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "loop/low_latency.h"

/* What the kernel grants to the whole machine, or -1 when it has no such device here. */
static int32_t granted_us(void)
{
	int32_t us = -1;
	FILE *device = fopen(TORAP_LOW_LATENCY_DEVICE, "r");
	if (!device)
		return -1;
	if (fread(&us, sizeof us, 1, device) != 1)
		us = -1;
	fclose(device);
	return us;
}

static int ask(const char *device, struct torap_error *err)
{
	uv_loop_t loop;
	cr_assert_eq(uv_loop_init(&loop), 0);
	int r = torap_low_latency(&loop, device, err);
	cr_assert_eq(uv_loop_close(&loop), 0, "something is left on the loop");
	return r;
}

static void note_policy(uv_work_t *work)
{
	*(int *)work->data = sched_getscheduler(0);
}

static int policy_of_workers(void)
{
	uv_loop_t loop;
	int policy = -1;
	uv_work_t work = { .data = &policy };
	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(uv_queue_work(&loop, &work, note_policy, NULL), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return policy;
}

/* Where the machine does not grant it, it says what is missing, and all stays as it was. */
Test(low_latency, keeps_the_machine_awake_and_goes_first_but_for_workers)
{
	struct torap_error err;
	int r = ask(TORAP_LOW_LATENCY_DEVICE, &err);
	if (r) {
		cr_assert(strstr(err.text, TORAP_LOW_LATENCY_DEVICE) || strstr(err.text, "CAP_SYS_NICE"),
			"%s", err.text);
		cr_assert_eq(sched_getscheduler(0), SCHED_OTHER);
		return;
	}
	cr_assert_eq(granted_us(), 0);
	cr_assert_eq(sched_getscheduler(0), SCHED_RR);
	cr_assert_eq(policy_of_workers(), SCHED_OTHER);
}

Test(low_latency, says_which_device_is_not_there_and_goes_on_as_before)
{
	struct torap_error err;
	cr_assert_eq(ask("/nowhere/latency", &err), -ENOENT);
	cr_assert(strstr(err.text, "--low-latency: /nowhere/latency: No such file"), "%s", err.text);
	cr_assert_eq(sched_getscheduler(0), SCHED_OTHER);
}

Test(low_latency, says_which_device_cannot_be_written)
{
	struct torap_error err;
	cr_assert_eq(ask("/dev/full", &err), -ENOSPC);
	cr_assert(strstr(err.text, "--low-latency: /dev/full: "), "%s", err.text);
	cr_assert_eq(sched_getscheduler(0), SCHED_OTHER);
}
