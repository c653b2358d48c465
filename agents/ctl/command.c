#include "agents/ctl/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ctl_fail(const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "torap: %s\n", text);
	return 1;
}

int ctl_misuse(const char *command, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "torap %s: %s; see torap %s --help\n", command, text, command);
	return 2;
}

int ctl_close_output(int status)
{
	bool failed = ferror(stdout); /* Earlier: the reason is no longer known. */
	errno = 0;
	failed |= fclose(stdout) != 0;
	if (!failed)
		return status;
	ctl_fail("standard output could not be written%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
	return status ? status : 1;
}

static void list(const struct ctl_command *table, const char *command)
{
	printf("usage: torap %s%sCOMMAND …\n\n", command, *command ? " " : "");
	for (; table->name; table++)
		printf("    %-10s %s\n", table->name, table->purpose);
	printf("\nEach has --help.\n");
}

int ctl_dispatch(const struct ctl_command *table, const char *command, int argc, char **argv)
{
	if (argc < 2) {
		list(table, command);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		list(table, command);
		return 0;
	}
	for (const struct ctl_command *c = table; c->name; c++)
		if (strcmp(c->name, argv[1]) == 0)
			return c->run(argc - 1, argv + 1);
	fprintf(stderr, "torap: there is no command \"%s%s%s\"; see torap %s%s--help\n", command,
		*command ? " " : "", argv[1], command, *command ? " " : "");
	return 2;
}

/* Does the argument name the option?  *value: what follows a '='. */
static bool names(const struct ctl_option *o, const char *argument, const char **value)
{
	size_t n = strcspn(o->name, "=");
	*value = NULL;
	if (strncmp(o->name, argument, n) != 0)
		return false;
	if (argument[n] == '=' && o->name[n] == '=' && n > 2) {
		*value = argument + n + 1;
		return true;
	}
	return argument[n] == '\0';
}

/* How many further arguments the option took, or -1. */
static int take(const char *command, const struct ctl_option *options, int argc, char **argv)
{
	const char *value;
	for (const struct ctl_option *o = options; o->name; o++) {
		if (!names(o, argv[0], &value))
			continue;
		bool wants_value = o->name[strcspn(o->name, "=")] == '=';
		if (!wants_value) {
			*o->value = o->name;
			return 0;
		}
		if (!value && argc < 2)
			return ctl_misuse(command, "%s needs a value", argv[0]), -1;
		*o->value = value ? value : argv[1];
		return value ? 0 : 1;
	}
	ctl_misuse(command, "unknown option %s", argv[0]);
	return -1;
}

int ctl_options(const char *command, const struct ctl_option *options, const char *help, size_t most,
	int argc, char **argv)
{
	size_t words = 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(help, stdout);
			exit(ctl_close_output(0));
		}
		if (argv[i][0] == '-' && argv[i][1]) {
			int took = take(command, options, argc - i, argv + i);
			if (took < 0)
				return -1;
			i += took;
		} else if (words == most) {
			ctl_misuse(command, "\"%s\" is too much", argv[i]);
			return -1;
		} else {
			argv[++words] = argv[i];
		}
	}
	return (int)words;
}
