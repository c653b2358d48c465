#include "base/log.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int ends[2], was;

/* A pipe in the place of standard error. */
static void make(void)
{
	cr_assert_eq(pipe(ends), 0);
	was = dup(STDERR_FILENO);
	cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
}

static void clean(void)
{
	dup2(was, STDERR_FILENO);
	close(was);
	close(ends[0]);
	close(ends[1]);
}

TestSuite(log, .init = make, .fini = clean);

/* JOURNAL_STREAM as systemd sets it for what is at `fd`. */
static void set_stream(int fd)
{
	struct stat st;
	char text[64];
	cr_assert_eq(fstat(fd, &st), 0);
	snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
}

static void says(const char *begin)
{
	char text[256];
	torap_notice("TEST-SAID", "a line");
	ssize_t n = read(ends[0], text, sizeof text - 1);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	cr_expect_eq(strncmp(text, begin, strlen(begin)), 0, "%s", text);
}

Test(log, gives_the_journal_a_priority_and_no_time)
{
	set_stream(STDERR_FILENO);
	says("<5>TEST-SAID a line\n");
}

/* What a service starts inherits JOURNAL_STREAM, also with its standard error in a file of its own. */
Test(log, gives_another_file_its_time_though_the_journal_is_named)
{
	set_stream(STDIN_FILENO);
	says("20");
	setenv("JOURNAL_STREAM", "", 1);
	says("20");
	unsetenv("JOURNAL_STREAM");
	says("20");
}
