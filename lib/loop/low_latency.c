#include "loop/low_latency.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

static atomic_bool goes_first;

static int keep_awake(int fd)
{
	const int32_t most_us = 0;
	ssize_t n = write(fd, &most_us, sizeof most_us);
	return n == sizeof most_us ? 0 : n < 0 ? -errno : -EIO;
}

static int go_first(void)
{
	const struct sched_param lowest = { .sched_priority = 1 };
	return sched_setscheduler(0, SCHED_RR, &lowest) ? -errno : 0; /* On Linux 0 is the calling thread. */
}

int torap_low_latency(const char *device, struct torap_error *err)
{
	int fd = open(device, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : keep_awake(fd);
	if (r)
		torap_errorf(err, r, "--low-latency: %s: %s", device, strerror(-r));
	else if ((r = go_first()))
		torap_errorf(err, r,
			"--low-latency: may not go before other processes (it takes CAP_SYS_NICE): %s",
			strerror(-r));
	if (r && fd >= 0)
		close(fd);
	atomic_store(&goes_first, !r);
	return r; /* The open descriptor is the wish: only the end of the process takes it back. */
}

void torap_low_latency_behind(bool behind)
{
	const struct sched_param none = { 0 };
	if (!atomic_load(&goes_first))
		return;
	int r = behind ? sched_setscheduler(0, SCHED_OTHER, &none) : go_first();
	if (r) /* The process may not any more what it could when it began. */
		torap_debug("PRIORITY-KEPT", "a worker keeps its priority: %s", strerror(errno));
}
