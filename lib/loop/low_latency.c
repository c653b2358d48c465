#include "loop/low_latency.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static int go_first(struct torap_error *err)
{
	const struct sched_param least = { .sched_priority = 1 };
	if (sched_setscheduler(0, SCHED_RR, &least) == 0)
		return 0;
	return torap_errorf(err, -errno,
		"may not go before other processes: %s; it takes CAP_SYS_NICE, or a limit of 1 for real-time priorities",
		strerror(errno));
}

int torap_low_latency(const char *device, struct torap_error *err)
{
	const int32_t most_us = 0;
	int fd = open(device, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return torap_errorf(err, -errno, "%s: %s", device, strerror(errno));
	int r = 0;
	if (write(fd, &most_us, sizeof most_us) != sizeof most_us)
		r = torap_errorf(err, -errno, "%s: cannot write: %s", device, strerror(errno));
	if (!r)
		r = go_first(err);
	if (r)
		close(fd);
	return r; /* The open descriptor is the wish: only the end of the process takes it back. */
}
