/* Options of a long-running process (app.h).  The rest is gathered at the front of argv, in its order. */
#include "loop/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

static void print_help(const struct torap_app_options *o)
{
	printf("%s: %s\n\n"
	       "usage: %s -c FILE [-n] [-v]\n\n"
	       "  -c, --config FILE  the configuration\n"
	       "  -n, --check        read the configuration and all files that it names, say what is wrong, exit\n"
	       "  -v                 log more; twice: everything\n"
	       "  -h, --help         this text\n"
	       "  -V, --version      print the version\n"
	       "%s%s%s%s",
		o->program, o->purpose, o->program,
		o->low_latency
			? "      --low-latency  go before other processes on a machine that never sleeps\n"
			: "",
		o->extra ? "\n" : "", o->extra ? o->extra : "", o->extra ? "\n" : "");
}

static _Noreturn void leave(const struct torap_app_options *o)
{
	if (fflush(stdout) != 0) {
		fprintf(stderr, "%s: cannot write to standard output\n", o->program);
		exit(EXIT_FAILURE);
	}
	exit(EXIT_SUCCESS);
}

static _Noreturn void refuse(const struct torap_app_options *o, const char *what, const char *which)
{
	fprintf(stderr, "%s: %s %s; usage: %s -c FILE [-n] [-v], or --help\n", o->program, what, which,
		o->program);
	exit(2);
}

struct reading {
	struct torap_app_arguments *out;
	const struct torap_app_options *options;
	char **next, **end;
	int verbose;
};

static void read_flag(struct reading *r, char flag)
{
	char text[] = { '-', flag, '\0' };
	switch (flag) {
	case 'n':
		r->out->check_only = true;
		break;
	case 'v':
		r->out->verbose = true;
		r->verbose++;
		break;
	case 'h':
		print_help(r->options);
		leave(r->options);
	case 'V':
		printf("%s %s\n", r->options->program, TORAP_VERSION);
		leave(r->options);
	default:
		refuse(r->options, "unknown option", text);
	}
}

static void read_config(struct reading *r, const char *value, const char *option)
{
	if (!value && r->next == r->end)
		refuse(r->options, "a file name is missing after", option);
	r->out->config = value ? value : *r->next++;
}

/* "-nvc FILE", "-cFILE". */
static void read_short(struct reading *r, const char *flags)
{
	for (; *flags; flags++) {
		if (*flags == 'c') {
			read_config(r, flags[1] ? flags + 1 : NULL, "-c");
			return;
		}
		read_flag(r, *flags);
	}
}

/* False when it is not one of ours. */
static bool read_long(struct reading *r, const char *name)
{
	static const struct {
		const char *name;
		char flag;
	} flags[] = { { "check", 'n' }, { "help", 'h' }, { "version", 'V' }, { "verbose", 'v' } };
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (strcmp(name, flags[i].name) == 0) {
			read_flag(r, flags[i].flag);
			return true;
		}
	if (r->options->low_latency && strcmp(name, "low-latency") == 0) {
		r->out->low_latency = true;
		return true;
	}
	if (strcmp(name, "config") == 0) {
		read_config(r, NULL, "--config");
		return true;
	}
	if (strncmp(name, "config=", 7) == 0) {
		read_config(r, name + 7, "--config");
		return true;
	}
	return false;
}

void torap_app_arguments(
	struct torap_app_arguments *out, int argc, char **argv, const struct torap_app_options *options)
{
	struct torap_error err;
	if (torap_app_hold_descriptors(&err)) {
		fprintf(stderr, "%s: %s\n", options->program, err.text);
		exit(EXIT_FAILURE);
	}
	char **first = argc > 0 ? argv + 1 : argv;
	*out = (struct torap_app_arguments){ .rest = first };
	struct reading r = { .out = out, .options = options, .next = first, .end = argv + argc };
	bool options_ended = false;
	while (r.next < r.end) {
		char *word = *r.next++;
		if (options_ended || word[0] != '-' || word[1] == '\0')
			out->rest[out->rest_count++] = word;
		else if (strcmp(word, "--") == 0)
			options_ended = true;
		else if (word[1] != '-')
			read_short(&r, word + 1);
		else if (!read_long(&r, word + 2))
			out->rest[out->rest_count++] = word;
	}
	if (r.verbose > 0)
		torap_log_level(r.verbose > 1 ? TORAP_LOG_DEBUG : TORAP_LOG_INFO);
}
