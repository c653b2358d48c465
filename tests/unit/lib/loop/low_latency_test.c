#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

Test(low_latency, keeps_the_machine_awake_and_goes_first)
{
	struct torap_error err;
	if (access(TORAP_LOW_LATENCY_DEVICE, R_OK | W_OK) < 0)
		cr_skip_test(TORAP_LOW_LATENCY_DEVICE " cannot be opened here");
	int r = torap_low_latency(TORAP_LOW_LATENCY_DEVICE, &err);
	if (r) {
		cr_assert(r == -EPERM && strstr(err.text, "CAP_SYS_NICE"), "%s", err.text);
		cr_skip_test("no real-time priority here");
	}
	cr_assert_eq(granted_us(), 0);
	cr_assert_eq(sched_getscheduler(0), SCHED_RR);
}

Test(low_latency, says_which_device_is_not_there)
{
	struct torap_error err;
	cr_assert_eq(torap_low_latency("/nowhere/latency", &err), -ENOENT);
	cr_assert(strstr(err.text, "/nowhere/latency: No such file"), "%s", err.text);
}

Test(low_latency, says_which_device_cannot_be_written)
{
	struct torap_error err;
	cr_assert_eq(torap_low_latency("/dev/full", &err), -ENOSPC);
	cr_assert(strstr(err.text, "/dev/full: cannot write"), "%s", err.text);
}
