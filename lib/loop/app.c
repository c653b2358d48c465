#include "loop/app.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "loop/low_latency.h"

enum {
	STATUS_STOPPED_TWICE = 130,
};

static int raise_file_limit(struct torap_error *err)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return torap_errorf(err, -errno, "cannot read the limit of open files: %s", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return torap_errorf(err, -errno, "cannot raise the limit of open files: %s", strerror(errno));
	return 0;
}

int torap_app_hold_descriptors(struct torap_error *err)
{
	int fd;
	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return torap_errorf(err, -errno, "/dev/null: %s", strerror(errno));
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct torap_app *app = handle->data;
	if (number == SIGHUP) {
		if (app->on_reload && !app->stopping)
			app->on_reload(app->hint);
		return;
	}
	if (app->stopping) {
		torap_warn("APP-KILLED", "told to stop a second time; ending at once");
		_exit(STATUS_STOPPED_TWICE);
	}
	torap_app_stop(app);
}

static void close_signals(struct torap_app *app)
{
	for (size_t i = 0; i < sizeof app->signals / sizeof app->signals[0]; i++)
		if (app->signals[i].data && !uv_is_closing((uv_handle_t *)&app->signals[i]))
			uv_close((uv_handle_t *)&app->signals[i], NULL);
}

int torap_app_init(struct torap_app *app, struct torap_error *err)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		app->signals[i].data = NULL;
	app->stopping = false;
	app->status = EXIT_SUCCESS;

	/* A peer that is gone is an EPIPE of its write, not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	torap_memory_keep();
	int r = raise_file_limit(err);
	if (r)
		return r;
	r = uv_loop_init(&app->loop);
	if (r)
		return torap_errorf(err, r, "cannot make an event loop: %s", uv_strerror(r));
	r = app->low_latency ? torap_low_latency(TORAP_LOW_LATENCY_DEVICE, err) : 0;
	if (r) {
		torap_app_finish(app);
		return r;
	}
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && !r; i++) {
		r = uv_signal_init(&app->loop, &app->signals[i]);
		if (r)
			break;
		app->signals[i].data = app;
		r = uv_signal_start(&app->signals[i], on_signal, numbers[i]);
	}
	if (!r)
		return 0;
	torap_app_finish(app);
	return torap_errorf(err, r, "cannot handle signals: %s", uv_strerror(r));
}

int torap_app_run(struct torap_app *app)
{
	uv_run(&app->loop, UV_RUN_DEFAULT);
	return app->status;
}

void torap_app_stop(struct torap_app *app)
{
	if (app->stopping)
		return;
	app->stopping = true;
	for (size_t i = 0; i < sizeof app->signals / sizeof app->signals[0]; i++)
		uv_unref((uv_handle_t *)&app->signals[i]); /* They no longer keep the loop going. */
	if (app->on_stop)
		app->on_stop(app->hint);
}

void torap_app_fail(struct torap_app *app)
{
	app->status = EXIT_FAILURE;
	torap_app_stop(app);
}

void torap_app_finish(struct torap_app *app)
{
	enum { TURNS = 8 }; /* One ends a close; the rest is for closes that follow from closes. */
	close_signals(app); /* Kept until now, so that a second SIGTERM is heard while everything closes. */
	int r = UV_EBUSY;
	for (int i = 0; i < TURNS && r == UV_EBUSY; i++) {
		uv_run(&app->loop, UV_RUN_NOWAIT);
		r = uv_loop_close(&app->loop);
	}
	assert(r == 0); /* Else someone did not close a handle. */
	for (size_t i = 0; i < sizeof app->signals / sizeof app->signals[0]; i++)
		app->signals[i].data = NULL;
}

static int64_t read_clock_us(clockid_t clock)
{
	struct timespec t;
	int r = clock_gettime(clock, &t);
	assert(r == 0); /* Linux has both clocks. */
	(void)r;
	return (int64_t)t.tv_sec * TORAP_US_PER_S + t.tv_nsec / 1000;
}

struct torap_mono torap_app_mono(void)
{
	return (struct torap_mono){ read_clock_us(CLOCK_MONOTONIC) };
}

struct torap_wall torap_app_wall(void)
{
	return (struct torap_wall){ read_clock_us(CLOCK_REALTIME) };
}
