#include "agents/ctl/command.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

/* Runs a command line; the words are split at spaces. */
static int run(int (*command)(int argc, char **argv), const char *line)
{
	static char text[1024];
	char *argv[32];
	int argc = 0;
	snprintf(text, sizeof text, "%s", line);
	for (char *save, *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return command(argc, argv);
}

static void redirect(void)
{
	cr_redirect_stderr();
	cr_redirect_stdout();
}

TestSuite(command, .init = redirect);

static void complains(const char *text)
{
	fflush(stderr);
	char said[2048];
	FILE *f = cr_get_redirected_stderr();
	size_t n = fread(said, 1, sizeof said - 1, f);
	said[n] = '\0';
	cr_assert_not_null(strstr(said, text), "said: %s", said);
	char *newline = strchr(said, '\n');
	cr_assert(newline && newline[1] == '\0', "one line: %s", said);
}

Test(command, that_is_unknown_is_named)
{
	cr_assert_eq(run(ctl_keys, "keys make x"), 2);
	complains("no command \"keys make\"");
}

Test(command, says_which_option_it_does_not_know)
{
	cr_assert_eq(run(ctl_verify, "verify dir --rooot x"), 2);
	complains("unknown option --rooot");
}

Test(command, says_which_option_lacks_its_value)
{
	cr_assert_eq(run(ctl_verify, "verify dir --root"), 2);
	complains("--root needs a value");
}

Test(command, says_what_is_missing)
{
	cr_assert_eq(run(ctl_follow, "follow --json"), 2);
	complains("-c FILE is needed");
}

Test(command, says_what_is_too_much)
{
	cr_assert_eq(run(ctl_keys, "keys new one two"), 2);
	complains("\"two\" is too much");
}

Test(command, fails_with_one_line_when_a_file_is_not_there)
{
	cr_assert_eq(run(ctl_follow, "follow -c /nowhere/follow.yaml"), 1);
	complains("/nowhere/follow.yaml");
}

Test(command, fails_with_one_line_when_a_directory_is_not_there)
{
	cr_assert_eq(run(ctl_trust, "trust check /nowhere/t --root /nowhere/root.pub"), 1);
	complains("/nowhere/root.pub");
}

Test(command, refuses_a_start_that_is_no_time)
{
	cr_assert_eq(run(ctl_follow, "follow -c x --from yesterday"), 2);
	complains("yesterday");
}

Test(command, refuses_a_count_of_nothing)
{
	cr_assert_eq(run(ctl_follow, "follow -c x --count 0"), 2);
	complains("--count");
}

Test(command, refuses_a_duration_of_nothing)
{
	cr_assert_eq(run(ctl_follow, "follow -c x --for 0s"), 2);
	complains("--for");
}

Test(command, fails_with_one_line_when_a_folder_for_pictures_is_not_there)
{
	cr_assert_eq(run(ctl_follow, "follow -c x --pictures /nowhere/pictures"), 1);
	complains("/nowhere/pictures: No such file or directory");
}

Test(command, fails_when_a_process_cannot_be_reached)
{
	cr_assert_eq(run(ctl_status, "status 127.0.0.1:1"), 1);
	complains("127.0.0.1:1");
}

Test(command, helps_and_exits_well, .exit_code = 0)
{
	run(ctl_follow, "follow --help");
	cr_assert(false, "--help must end it");
}

Test(command, takes_a_value_with_an_equals_sign)
{
	const char *root = NULL, *json = NULL;
	const struct ctl_option options[] = { { "--root=", &root }, { "--json", &json }, { NULL, NULL } };
	char a[] = "x", b[] = "--root=r.pub", c[] = "dir", d[] = "--json", *argv[] = { a, b, c, d, NULL };
	cr_assert_eq(ctl_options("x", options, "", 1, 4, argv), 1);
	cr_assert_str_eq(root, "r.pub");
	cr_assert_not_null(json);
	cr_assert_str_eq(argv[1], "dir");
}
