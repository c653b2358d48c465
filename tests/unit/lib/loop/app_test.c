/* Signals and exit statuses need processes: each such test forks one, which says on a pipe how far it is. */
#include <criterion/criterion.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"
#include "tests/kit/temporary.h"

struct child {
	struct torap_app app;
	uv_timer_t timer; /* what a process has on its loop */
	int says;         /* write end */
	bool ignores_stop, fails;
};

static void say(struct child *c, char what)
{
	cr_assert_eq(write(c->says, &what, 1), 1);
}

static void on_timer(uv_timer_t *timer)
{
	struct child *c = timer->data;
	if (c->fails)
		torap_app_fail(&c->app);
}

static void on_stop(void *hint)
{
	struct child *c = hint;
	say(c, 's');
	if (!c->ignores_stop)
		uv_close((uv_handle_t *)&c->timer, NULL);
}

static void on_reload(void *hint)
{
	say(hint, 'r');
}

/* What main() of a process looks like. */
static int child_main(struct child *c)
{
	struct torap_error err;
	c->app.hint = c;
	c->app.on_stop = on_stop;
	c->app.on_reload = on_reload;
	if (torap_app_init(&c->app, &err))
		return 99;
	uv_timer_init(&c->app.loop, &c->timer);
	c->timer.data = c;
	uv_timer_start(&c->timer, on_timer, 1, 1000);
	say(c, 'u');
	int status = torap_app_run(&c->app);
	torap_app_finish(&c->app);
	return status;
}

/* Forks it and returns the read end of what it says. */
static int start(struct child *c, pid_t *pid)
{
	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	fflush(NULL);
	*pid = fork();
	cr_assert_geq(*pid, 0);
	if (*pid == 0) {
		close(ends[0]);
		c->says = ends[1];
		_exit(child_main(c));
	}
	close(ends[1]);
	return ends[0];
}

static char hear(int fd)
{
	char what = 0;
	return read(fd, &what, 1) == 1 ? what : 0;
}

static int wait_status(pid_t pid)
{
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

Test(app, stops_at_a_signal_with_status_0)
{
	static const int signals[] = { SIGTERM, SIGINT };
	for (size_t i = 0; i < 2; i++) {
		struct child c = { 0 };
		pid_t pid;
		int fd = start(&c, &pid);
		cr_assert_eq(hear(fd), 'u');
		kill(pid, signals[i]);
		cr_assert_eq(hear(fd), 's');
		cr_assert_eq(wait_status(pid), 0);
		cr_assert_eq(hear(fd), 0, "stopped twice");
		close(fd);
	}
}

/* Something hangs while it closes: the operator's second signal ends it. */
Test(app, ends_at_once_with_status_130_at_a_second_signal)
{
	struct child c = { .ignores_stop = true };
	pid_t pid;
	int fd = start(&c, &pid);
	cr_assert_eq(hear(fd), 'u');
	kill(pid, SIGTERM);
	cr_assert_eq(hear(fd), 's');
	kill(pid, SIGINT);
	cr_assert_eq(wait_status(pid), 130);
	close(fd);
}

Test(app, reloads_at_sighup_as_often_as_it_is_told)
{
	struct child c = { 0 };
	pid_t pid;
	int fd = start(&c, &pid);
	cr_assert_eq(hear(fd), 'u');
	for (int i = 0; i < 3; i++) {
		kill(pid, SIGHUP);
		cr_assert_eq(hear(fd), 'r');
	}
	kill(pid, SIGTERM);
	cr_assert_eq(hear(fd), 's');
	cr_assert_eq(wait_status(pid), 0);
	close(fd);
}

/* A reload while everything closes would open things again. */
Test(app, does_not_reload_once_it_stops)
{
	struct child c = { .ignores_stop = true };
	pid_t pid;
	int fd = start(&c, &pid);
	cr_assert_eq(hear(fd), 'u');
	kill(pid, SIGTERM);
	cr_assert_eq(hear(fd), 's');
	kill(pid, SIGHUP);
	kill(pid, SIGTERM);
	cr_assert_eq(wait_status(pid), 130);
	cr_assert_eq(hear(fd), 0);
	close(fd);
}

Test(app, ends_with_status_1_when_it_cannot_go_on)
{
	struct child c = { .fails = true };
	pid_t pid;
	int fd = start(&c, &pid);
	cr_assert_eq(hear(fd), 'u');
	cr_assert_eq(hear(fd), 's');
	cr_assert_eq(wait_status(pid), 1);
	close(fd);
}

Test(app, can_be_told_to_stop_before_it_runs)
{
	struct torap_app app = { 0 };
	struct torap_error err;
	cr_assert_eq(torap_app_init(&app, &err), 0);
	torap_app_stop(&app);
	torap_app_stop(&app);
	cr_assert_eq(torap_app_run(&app), 0);
	torap_app_finish(&app);
}

Test(app, has_as_many_files_as_the_hard_limit_allows_and_survives_a_broken_pipe)
{
	struct rlimit limit;
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max / 2;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);

	struct torap_app app = { 0 };
	struct torap_error err;
	cr_assert_eq(torap_app_init(&app, &err), 0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(limit.rlim_cur, limit.rlim_max);
	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	close(ends[0]);
	cr_assert_eq(write(ends[1], "x", 1), -1);
	cr_assert_eq(errno, EPIPE);
	close(ends[1]);
	torap_app_stop(&app);
	torap_app_run(&app);
	torap_app_finish(&app);
}

static const struct torap_app_options options = {
	.program = "torap-test",
	.purpose = "reads its options",
	.low_latency = true,
	.extra = "  --odd              is handled by the program\n",
};

/* argv belongs to the parser, which reorders it: it gets a copy. */
static struct torap_app_arguments parse(const char *const *argv)
{
	static char *copy[16];
	int argc = 0;
	for (; argv[argc]; argc++)
		copy[argc] = (char *)(uintptr_t)argv[argc];
	struct torap_app_arguments a;
	torap_app_arguments(&a, argc, copy, &options);
	return a;
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

Test(arguments, takes_every_spelling_of_an_option)
{
	struct torap_app_arguments a = parse(WORDS("p", "-c", "a.yaml", "-n", "-v"));
	cr_assert_str_eq(a.config, "a.yaml");
	cr_assert(a.check_only && a.verbose);
	cr_assert_eq(a.rest_count, 0);
	cr_assert_str_eq(parse(WORDS("p", "--config", "b.yaml")).config, "b.yaml");
	cr_assert_str_eq(parse(WORDS("p", "--config=c.yaml")).config, "c.yaml");
	cr_assert_str_eq(parse(WORDS("p", "-cd.yaml")).config, "d.yaml");
	a = parse(WORDS("p", "-nvc", "e.yaml"));
	cr_assert_str_eq(a.config, "e.yaml");
	cr_assert(a.check_only && a.verbose);
	cr_assert(parse(WORDS("p", "--check")).check_only);
	a = parse(WORDS("p"));
	cr_assert_null(a.config);
	cr_assert_not(a.check_only || a.verbose);
	a = parse((const char *const[]){ NULL });
	cr_assert_eq(a.rest_count, 0);
}

Test(arguments, takes_low_latency_of_programs_that_know_it)
{
	static const struct torap_app_options others = { .program = "torap-other",
		.purpose = "is not in a hurry" };
	struct torap_app_arguments a = parse(WORDS("p", "--low-latency", "-c", "a.yaml"));
	cr_assert(a.low_latency && a.rest_count == 0);
	cr_assert_not(parse(WORDS("p")).low_latency);
	char *argv[] = { (char *)(uintptr_t) "p", (char *)(uintptr_t) "--low-latency" };
	torap_app_arguments(&a, 2, argv, &others);
	cr_assert(!a.low_latency && a.rest_count == 1);
}

Test(arguments, leaves_the_rest_to_the_program_in_its_order)
{
	struct torap_app_arguments a =
		parse(WORDS("p", "--odd", "-c", "a.yaml", "-", "one", "-n", "--", "-n", "--help"));
	static const char *const rest[] = { "--odd", "-", "one", "-n", "--help" };
	cr_assert_eq(a.rest_count, 5);
	for (int i = 0; i < 5; i++)
		cr_assert_str_eq(a.rest[i], rest[i]);
	cr_assert(a.check_only);
}

/* Runs the parser in a process of its own; gives its status and what it wrote to `fd_number` (1 or 2). */
static int parse_in_child(const char *const *argv, int fd_number, char *text, size_t size)
{
	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	fflush(NULL);
	pid_t pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		dup2(ends[1], fd_number);
		parse(argv);
		_exit(50); /* It came back. */
	}
	close(ends[1]);
	size_t length = 0;
	ssize_t n;
	while (length < size - 1 && (n = read(ends[0], text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
	close(ends[0]);
	return wait_status(pid);
}

Test(arguments, prints_help_and_version_and_ends_with_status_0)
{
	char text[4096];
	cr_assert_eq(parse_in_child(WORDS("p", "--help"), STDOUT_FILENO, text, sizeof text), 0);
	cr_assert(strstr(text, "torap-test: reads its options"), "%s", text);
	cr_assert(strstr(text, "--odd") && strstr(text, "--low-latency"), "%s", text);
	cr_assert_eq(parse_in_child(WORDS("p", "-h"), STDOUT_FILENO, text, sizeof text), 0);
	cr_assert_eq(parse_in_child(WORDS("p", "--version"), STDOUT_FILENO, text, sizeof text), 0);
	cr_assert_str_eq(text, "torap-test " TORAP_VERSION "\n");
	cr_assert_eq(parse_in_child(WORDS("p", "-n", "-V"), STDOUT_FILENO, text, sizeof text), 0);
}

Test(arguments, refuses_what_it_does_not_know_in_one_line_with_status_2)
{
	static const char *const bad[][3] = { { "p", "-x", NULL }, { "p", "-nx", NULL }, { "p", "-c", NULL },
		{ "p", "--config", NULL } };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char text[4096];
		cr_assert_eq(parse_in_child(bad[i], STDERR_FILENO, text, sizeof text), 2);
		char *newline = strchr(text, '\n');
		cr_assert(newline && !strstr(newline, "torap-test"), "%s",
			text); /* A sanitizer may add its own. */
		*newline = '\0';
		cr_assert(strstr(text, "usage: torap-test"), "%s", text);
	}
}

/* In a process of its own, for the log level is the process's. */
Test(arguments, logs_more_when_told)
{
	static const char *const lines[][3] = { { "p", "-n", NULL }, { "p", "-v", NULL },
		{ "p", "-vv", NULL } };
	for (int i = 0; i < 3; i++) {
		char text[4096] = "";
		int ends[2];
		cr_assert_eq(pipe(ends), 0);
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0) {
			dup2(ends[1], STDERR_FILENO);
			parse(lines[i]);
			torap_info("TEST-INFO", "info");
			torap_debug("TEST-DEBUG", "debug");
			_exit(0);
		}
		close(ends[1]);
		FILE *f = fdopen(ends[0], "r");
		size_t n = fread(text, 1, sizeof text - 1, f);
		text[n] = '\0';
		fclose(f);
		cr_assert_eq(wait_status(pid), 0);
		cr_assert_eq(strstr(text, "TEST-INFO") != NULL, i >= 1, "%s", text);
		cr_assert_eq(strstr(text, "TEST-DEBUG") != NULL, i >= 2, "%s", text);
	}
}

Test(clock, never_goes_back_and_knows_the_century)
{
	struct torap_mono before = torap_app_mono();
	for (int i = 0; i < 1000; i++) {
		struct torap_mono now = torap_app_mono();
		cr_assert_geq(now.us, before.us);
		before = now;
	}
	cr_assert_gt(torap_app_wall().us, INT64_C(1700000000) * TORAP_US_PER_S);
}

/* A datagram socket in the place of systemd's. */
static int open_notify(struct sockaddr_un *at, socklen_t size)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)at, size), 0, "%s", strerror(errno));
	return fd;
}

static void check_ready(int fd)
{
	char text[64] = "";
	torap_app_ready();
	cr_assert_eq(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 7);
	cr_assert_str_eq(text, "READY=1");
	close(fd);
}

Test(ready, tells_systemd_at_a_path)
{
	char dir[64];
	temporary_dir(dir, sizeof dir, "ready");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", dir);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	check_ready(open_notify(&at, sizeof at));
	unlink(at.sun_path);
	rmdir(dir);
}

Test(ready, tells_systemd_in_the_abstract_name_space)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char name[64];
	snprintf(name, sizeof name, "@torap-ready-%d", (int)getpid());
	memcpy(at.sun_path + 1, name + 1, strlen(name) - 1);
	setenv("NOTIFY_SOCKET", name, 1);
	check_ready(open_notify(&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))));
}

/* A wrong name is a warning, not the end. */
Test(ready, survives_without_systemd_and_with_a_socket_that_is_not_there)
{
	static char long_name[300];
	memset(long_name, 'x', sizeof long_name - 1);
	unsetenv("NOTIFY_SOCKET");
	torap_app_ready();
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	torap_app_ready();
	setenv("NOTIFY_SOCKET", long_name, 1);
	torap_app_ready();
}
