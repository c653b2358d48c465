/* command.h: a sub-command of `torap`, and how it speaks to its user.
 *
 * Results go to standard output, one clear line of complaint to standard error.  Exit status: 0 well, 1 not, 2 misused. */
#pragma once

#include <stddef.h>

struct ctl_command {
	const char *name;                  /* "keys"; NULL ends a table */
	const char *purpose;               /* one line */
	int (*run)(int argc, char **argv); /* argv[0] is the command's own name; returns the exit status */
};

/* "torap: TEXT" on standard error.  Returns 1. */
int ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "torap COMMAND: TEXT; see torap COMMAND --help".  Returns 2. */
int ctl_misuse(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The end of standard output: `status`, or 1 after a complaint when what was printed could not be written. */
int ctl_close_output(int status);
/* Runs the row of the table that argv[1] names; --help, or nothing, lists them. */
int ctl_dispatch(const struct ctl_command *table, const char *command, int argc, char **argv);

/* Options, one after another, in any order with other words.  An option that takes a value has '=' at the end of its name here:
 * "--from=", and is written "--from VALUE" or "--from=VALUE". */
struct ctl_option {
	const char *name;   /* "--json", "-c=" */
	const char **value; /* set to the value, or to the name of an option without one */
};
/* Moves what is no option to argv[1…] and returns how many that are, or -1 after a complaint.  --help prints `help` and exits.
 * More than `most` are refused. */
int ctl_options(const char *command, const struct ctl_option *options, const char *help, size_t most,
	int argc, char **argv);

/* The sub-commands, each in its file. */
int ctl_keys(int argc, char **argv);
int ctl_trust(int argc, char **argv);
int ctl_registry(int argc, char **argv);
int ctl_policy(int argc, char **argv);
int ctl_follow(int argc, char **argv);
int ctl_verify(int argc, char **argv);
int ctl_panel(int argc, char **argv);
int ctl_proofs(int argc, char **argv);
int ctl_report(int argc, char **argv);
int ctl_status(int argc, char **argv);
