#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

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
	return torap_low_latency(device, err);
}

struct policies {
	uv_work_t work;
	int before, within, after;
};

static void note_policies(uv_work_t *work)
{
	struct policies *p = (struct policies *)work;
	p->before = sched_getscheduler(0);
	torap_low_latency_behind(true);
	p->within = sched_getscheduler(0);
	torap_low_latency_behind(false);
	p->after = sched_getscheduler(0);
}

static struct policies policies_of_a_worker(void)
{
	uv_loop_t loop;
	struct policies p;
	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(uv_queue_work(&loop, &p.work, note_policies, NULL), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	return p;
}

/* Where the machine does not grant it, it says what is missing, and all stays as it was. */
Test(low_latency, keeps_the_machine_awake_and_goes_first_but_for_what_workers_do)
{
	struct torap_error err;
	int r = ask(TORAP_LOW_LATENCY_DEVICE, &err);
	if (r) {
		cr_assert(strstr(err.text, TORAP_LOW_LATENCY_DEVICE) || strstr(err.text, "CAP_SYS_NICE"),
			"%s", err.text);
		cr_assert_eq(sched_getscheduler(0), SCHED_OTHER);
		cr_assert_eq(policies_of_a_worker().after, SCHED_OTHER);
		return;
	}
	cr_assert_eq(granted_us(), 0);
	cr_assert_eq(sched_getscheduler(0), SCHED_RR);
	struct policies worker = policies_of_a_worker();
	cr_assert_eq(worker.within, SCHED_OTHER);
	cr_assert(worker.before == SCHED_RR && worker.after == SCHED_RR, "libuv's own code stands behind");
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
