#include "loop/low_latency.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static void do_nothing(uv_work_t *work)
{
	(void)work;
}

/* libuv begins all its workers with the first piece of work. */
static int begin_workers(uv_loop_t *loop)
{
	uv_work_t work;
	int r = uv_queue_work(loop, &work, do_nothing, NULL);
	if (r == 0)
		uv_run(loop, UV_RUN_DEFAULT);
	return r;
}

static int keep_awake(int fd)
{
	const int32_t most_us = 0;
	ssize_t n = write(fd, &most_us, sizeof most_us);
	return n == sizeof most_us ? 0 : n < 0 ? -errno : -EIO;
}

int torap_low_latency(uv_loop_t *loop, const char *device, struct torap_error *err)
{
	const struct sched_param lowest = { .sched_priority = 1 };
	int r = begin_workers(loop);
	if (r)
		return torap_errorf(err, r, "--low-latency: cannot begin the workers: %s", uv_strerror(r));
	int fd = open(device, O_WRONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : keep_awake(fd);
	if (r)
		torap_errorf(err, r, "--low-latency: %s: %s", device, strerror(-r));
	else if (sched_setscheduler(0, SCHED_RR, &lowest) < 0)
		r = torap_errorf(err, -errno,
			"--low-latency: may not go before other processes (it takes CAP_SYS_NICE): %s",
			strerror(errno));
	if (r && fd >= 0)
		close(fd);
	return r; /* The open descriptor is the wish: only the end of the process takes it back. */
}
