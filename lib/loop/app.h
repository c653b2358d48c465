/* app.h: what every long-running process does alike: options, start, reload, stop, and the only clocks.
 *
 * SIGTERM and SIGINT stop (a second one ends at once with status 130), SIGHUP reloads.  Everything happens on one libuv loop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/time.h"
#include "loop/clock.h"

struct torap_error;

/* Opens /dev/null as standard input, output and error where they are closed: else the next file or socket would be printed into.  First
 * thing in main(); torap_app_arguments() does it. */
int torap_app_hold_descriptors(struct torap_error *err);

struct torap_app_options {
	const char *program; /* "torap-node" */
	const char *purpose; /* one line for --help */
	const char *extra;   /* further lines of --help, or NULL */
	bool low_latency;    /* it knows --low-latency (low_latency.h) */
};

struct torap_app_arguments {
	const char *config; /* -c FILE */
	bool check_only; /* -n: read the configuration and all files that it names, say what is wrong, exit 0 or 1 */
	bool verbose;     /* -v: log level info; twice: debug */
	bool low_latency; /* --low-latency, of programs that know it */
	int rest_count;   /* what follows the options */
	char **rest;
};

/* Reads -c FILE (--config), -n (--check), -v (--verbose), --low-latency, -h (--help), -V (--version), and sets
 * the log level.  Handles the help, the version and usage errors (an unknown short option) itself by exit(0 or
 * 2).  Other long options and everything after "--" stay in `rest`, in their order, for the program. */
void torap_app_arguments(
	struct torap_app_arguments *out, int argc, char **argv, const struct torap_app_options *options);

struct torap_app {
	uv_loop_t loop;
	void *hint;
	void (*on_reload)(void *hint); /* SIGHUP; may be NULL */
	/* SIGTERM: close everything that is on the loop; the loop then runs out. */
	void (*on_stop)(void *hint);
	bool low_latency; /* ask the machine for it (low_latency.h); before torap_app_init() */
	/* private */
	uv_signal_t signals[3];
	bool stopping;
	int status;
};

/* The caller sets `hint` and the callbacks, before or after.  Ignores SIGPIPE, has malloc keep memory, raises the limit of open files to its hard limit,
 * installs the signals. */
int torap_app_init(struct torap_app *app, struct torap_error *err);
/* Until all handles are closed.  Returns the exit status. */
int torap_app_run(struct torap_app *app);
/* As if SIGTERM had come. */
void torap_app_stop(struct torap_app *app);
/* The same, but torap_app_run() will return 1: the process cannot go on, and has said why. */
void torap_app_fail(struct torap_app *app);
/* Once, after a successful init: after torap_app_run(), or instead of it when the start failed and all that was opened is closed. */
void torap_app_finish(struct torap_app *app);

struct torap_mono torap_app_mono(void);
struct torap_wall torap_app_wall(void);

/* "READY=1" to systemd when NOTIFY_SOCKET is set; else nothing. */
void torap_app_ready(void);
