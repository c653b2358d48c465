/* torap registry check, torap policy check: asks the program that will load the file. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/ctl/command.h"

enum { ARGUMENTS_MAX = 72 };

/* Becomes the program: its words and its status are ours.  It stands beside us, or in PATH. */
static int become(const char *program, const char *const *arguments)
{
	char path[PATH_MAX];
	char *const *argv = (char *const *)arguments; /* exec changes nothing; its type is older than const */
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	if (n > 0) {
		path[n] = '\0';
		char *slash = strrchr(path, '/');
		size_t room = slash ? (size_t)(path + sizeof path - (slash + 1)) : 0;
		if (strlen(program) < room) {
			memcpy(slash + 1, program, strlen(program) + 1);
			execv(path, argv);
			if (errno != ENOENT)
				return ctl_fail("%s: %s", path, strerror(errno));
		}
	}
	execvp(program, argv);
	return ctl_fail("%s: %s", program, strerror(errno));
}

static const char registry_help[] =
	"usage: torap registry check SITES.csv DEVICES.csv [--region KATO[,KATO…]]\n"
	"       torap registry check NODE.yaml\n"
	"\n"
	"Checks a node's registry as torap-node would load it: every row, and what the rows say of each "
	"other.  Says file,\n"
	"line, column and reason of what is wrong.  The second form checks the registry that a node's "
	"configuration names.\n"
	"\n"
	"    --region KATO    refuses sites beyond these regions\n";

static int registry_check(int argc, char **argv)
{
	const char *region = NULL;
	const struct ctl_option options[] = { { "--region=", &region }, { NULL, NULL } };
	int words = ctl_options("registry check", options, registry_help, 2, argc, argv);
	if (words < 0)
		return 2;
	if (words == 0)
		return ctl_misuse("registry check", "FILE is missing");
	if (words == 1 && region)
		return ctl_misuse("registry check", "a node's configuration says its region itself");

	if (words == 1) {
		const char *const whole[] = { "torap-node", "-n", "-c", argv[1], NULL };
		return become("torap-node", whole);
	}

	const char *passed[ARGUMENTS_MAX] = { "torap-node", "--check-registry", argv[1], argv[2] };
	size_t count = 4;
	char *list = strdup(region ? region : "");
	if (!list)
		return ctl_fail("out of memory");
	for (char *save, *one = strtok_r(list, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		if (count == ARGUMENTS_MAX - 1)
			return ctl_fail("more than %d regions", ARGUMENTS_MAX - 5);
		passed[count++] = one;
	}
	int r = become("torap-node", passed);
	free(list);
	return r;
}

static const char policy_help[] = "usage: torap policy check FILE\n"
				  "\n"
				  "Checks a broker's policy file as torap-broker would load it.  Says file, "
				  "line and reason of what is wrong.\n";

static int policy_check(int argc, char **argv)
{
	const struct ctl_option options[] = { { NULL, NULL } };
	int words = ctl_options("policy check", options, policy_help, 1, argc, argv);
	if (words < 0)
		return 2;
	if (words == 0)
		return ctl_misuse("policy check", "FILE is missing");
	const char *const passed[] = { "torap-broker", "--check-policy", argv[1], NULL };
	return become("torap-broker", passed);
}

int ctl_registry(int argc, char **argv)
{
	static const struct ctl_command table[] = {
		{ "check", "checks a node's sites and devices", registry_check },
		{ NULL, NULL, NULL },
	};
	return ctl_dispatch(table, "registry", argc, argv);
}

int ctl_policy(int argc, char **argv)
{
	static const struct ctl_command table[] = {
		{ "check", "checks a broker's policy file", policy_check },
		{ NULL, NULL, NULL },
	};
	return ctl_dispatch(table, "policy", argc, argv);
}
