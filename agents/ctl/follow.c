/* torap follow: a feed, on the terminal, into a pipe or into a file. */
#include "agents/follow/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/ctl/command.h"
#include "agents/ctl/pictures.h"
#include "agents/follow/line.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

static const char help[] =
	"usage: torap follow -c FILE [--from beginning|now|TIME] [--json|--table] [--out FILE] [--pictures DIR] "
	"[--count N] [--for TIME] [--low-latency] [-v]\n"
	"\n"
	"Receives a feed, verifies all of it, stores it in the directory that FILE names, and prints its "
	"events.  Goes on from\n"
	"its own cursor after any restart.  SIGHUP reads FILE and the keys again.\n"
	"\n"
	"    -c FILE       configuration: feed, keys, root, dir, dir_size, brokers…\n"
	"    --from WHERE  where to begin, the first time in this directory: beginning (if not given), now, "
	"or a time\n"
	"    --json        one JSON object per line (if not given)\n"
	"    --table       columns for people\n"
	"    --out FILE    appends to FILE, each event exactly once whatever is killed; nothing on standard "
	"output.\n"
	"                  Lines on standard output may come again after a kill; (stream, seq) tells\n"
	"    --pictures DIR  writes the pictures of events into this folder, which must be there, each by its digest: DIGEST.jpg\n"
	"    --count N     ends after so many events\n"
	"    --for TIME    ends after 500ms, 30s, 5m, 24h…\n"
	"    --low-latency goes before other processes on a machine that never sleeps\n"
	"    -v            says more on standard error\n";

struct words {
	const char *config, *from, *json, *table, *out, *pictures, *count, *duration, *low_latency, *verbose;
};

struct following {
	struct torap_app app;
	struct follow_config *config;
	struct follow *follow;
	uv_timer_t timer;
	bool timed;
	bool failed;
};

static void on_stop(void *hint)
{
	struct following *f = hint;
	if (f->follow) {
		struct follow_totals t = follow_totals(f->follow);
		torap_notice("FOLLOW-STOPPED",
			"received %" PRIu64 " batches with %" PRIu64 " events, printed %" PRIu64 "; %" PRIu64
			" refused",
			t.batches, t.events, t.printed, t.refused);
	}
	follow_close(f->follow, NULL, NULL);
	f->follow = NULL;
	if (f->timed)
		uv_close((uv_handle_t *)&f->timer, NULL);
	f->timed = false;
}

static void on_reload(void *hint)
{
	struct following *f = hint;
	if (f->follow)
		follow_reload(f->follow);
}

static void on_end(void *hint, const char *why)
{
	struct following *f = hint;
	if (why) {
		ctl_fail("%s", why);
		f->failed = true;
	}
	torap_app_stop(&f->app);
}

static void on_timer(uv_timer_t *timer)
{
	struct following *f = timer->data;
	torap_app_stop(&f->app);
}

static int read_start(const char *from, struct follow_options *options, struct torap_error *err)
{
	if (!from)
		return 0;
	options->start_given = true;
	if (strcmp(from, "beginning") == 0)
		options->start = TORAP__START__START_BEGINNING;
	else if (strcmp(from, "now") == 0)
		options->start = TORAP__START__START_NOW;
	else if (torap_wall_parse(&options->start_at, from, NULL) == 0)
		options->start = TORAP__START__START_TIME;
	else
		return torap_errorf(err, -EINVAL,
			"--from \"%s\": write beginning, now or a time such as 2026-11-22T08:00:00Z", from);
	return 0;
}

static int read_count(const char *text, uint64_t *out, struct torap_error *err)
{
	if (!text)
		return 0;
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || n == 0)
		return torap_errorf(err, -EINVAL, "--count \"%s\": write a number from 1 on", text);
	*out = n;
	return 0;
}

static int read_words(
	const struct words *w, struct follow_options *options, int64_t *duration_us, struct torap_error *err)
{
	*options = (struct follow_options){
		.has_output = true,
		.output = { .file = w->out,
			.descriptor = STDOUT_FILENO,
			.render = w->table ? follow_line_table : follow_line_json },
		.on_end = on_end,
	};
	if (w->pictures)
		options->output.render = w->table ? ctl_pictures_table : ctl_pictures_json;
	*duration_us = 0;
	if (w->verbose)
		torap_log_level(TORAP_LOG_INFO);
	int r = read_start(w->from, options, err);
	if (!r)
		r = read_count(w->count, &options->output.count_max, err);
	if (!r && w->duration)
		r = torap_duration_parse(duration_us, w->duration, err);
	if (!r && w->duration && *duration_us == 0)
		r = torap_errorf(err, -EINVAL, "--for \"%s\": write a time from 1ms on", w->duration);
	return r;
}

static int begin(
	struct following *f, struct follow_options *options, int64_t duration_us, struct torap_error *err)
{
	if (duration_us) {
		uv_timer_init(&f->app.loop, &f->timer);
		f->timer.data = f;
		f->timed = true;
		uv_timer_start(&f->timer, on_timer, (uint64_t)(duration_us / TORAP_US_PER_MS), 0);
	}
	options->config = f->config;
	options->hint = f;
	return follow_open(&f->follow, &f->app.loop, options, err);
}

static int run(const struct words *w, struct follow_options *options, int64_t duration_us)
{
	struct following f = { .app = { .hint = &f,
				       .on_reload = on_reload,
				       .on_stop = on_stop,
				       .low_latency = w->low_latency } };
	struct torap_error err;
	if (w->pictures && ctl_pictures_into(w->pictures, &err))
		return ctl_fail("%s", err.text);
	if (follow_config_load(&f.config, w->config, &err))
		return ctl_fail("%s", err.text);
	if (torap_app_init(&f.app, &err)) {
		follow_config_destroy(f.config);
		return ctl_fail("%s", err.text);
	}
	if (w->table && !w->out) {
		fputs(follow_line_heading, stdout);
		fflush(stdout);
	}
	if (begin(&f, options, duration_us, &err)) {
		f.failed = true;
		ctl_fail("%s", err.text);
		torap_app_stop(&f.app);
	} else {
		torap_app_ready();
	}
	int status = torap_app_run(&f.app);
	torap_app_finish(&f.app);
	follow_config_destroy(f.config);
	return f.failed ? 1 : status;
}

int ctl_follow(int argc, char **argv)
{
	struct words w = { 0 };
	const struct ctl_option table[] = { { "-c=", &w.config }, { "--from=", &w.from },
		{ "--json", &w.json }, { "--table", &w.table }, { "--out=", &w.out },
		{ "--pictures=", &w.pictures }, { "--count=", &w.count }, { "--for=", &w.duration },
		{ "--low-latency", &w.low_latency }, { "-v", &w.verbose }, { NULL, NULL } };
	if (ctl_options("follow", table, help, 0, argc, argv) < 0)
		return 2;
	if (!w.config)
		return ctl_misuse("follow", "-c FILE is needed");
	if (w.json && w.table)
		return ctl_misuse("follow", "--json or --table, not both");

	struct follow_options options;
	int64_t duration_us;
	struct torap_error err;
	if (read_words(&w, &options, &duration_us, &err))
		return ctl_misuse("follow", "%s", err.text);
	return run(&w, &options, duration_us);
}
