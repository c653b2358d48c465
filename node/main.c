/* torap-node: turns what devices say into sealed batches and carries them to brokers.  README.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "conf/examine.h"
#include "loop/app.h"
#include "node/make_room.h"
#include "node/node.h"
#include "node/owner.h"
#include "node/registry.h"
#include "node/reload.h"

static const struct torap_app_options options = {
	.program = "torap-node",
	.purpose = "turns what devices say into sealed batches and carries them to brokers",
	.low_latency = true,
	.extra =
		"  --check-registry SITES DEVICES [REGION…]   check these two files alone, and exit 0 or 1\n"
		"  --check DIR [--trust FILE --root FILE]\n"
		"      examine a journal, read-only; exit 0 sound, 1 findings, 2 it cannot be examined\n"
		"  -c FILE --make-room BEFORE [--force]       while the node is stopped: delete what came before a time (2026-11-01,\n"
		"                                             or 30d: so long ago) and every broker has; --force: whoever has it\n"
		"\n"
		"SIGHUP reloads trust file, sites, devices and mapping; a bad file is refused and the old ones stay.",
};

enum { REGIONS_MAX = 64 };

/* `words` are SITES, DEVICES, and the regions beyond which a site is refused. */
static int check_registry(char **words, int count)
{
	uint32_t regions[REGIONS_MAX];
	struct node_registry_rules rules = { .regions = count > 2 ? regions : NULL };
	struct torap_error err;
	for (int i = 2; i < count; i++) {
		if (i - 2 == REGIONS_MAX || !torap_region_parse(&regions[i - 2], words[i])) {
			fprintf(stderr, "\"%s\" is no region, or one too many; a KATO code has 9 digits\n",
				words[i]);
			return 2;
		}
		rules.regions_count++;
	}
	struct node_registry *registry = NULL;
	if (node_registry_load(&registry, words[0], words[1], &rules, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	printf("%s, %s: good; %zu sites, %zu devices\n", words[0], words[1], node_registry_sites(registry),
		node_registry_devices(registry));
	node_registry_unref(registry);
	return EXIT_SUCCESS;
}

static int check(struct node_config *config)
{
	struct torap_error err;
	struct node files = { 0 };
	int r = node_load_files(&files, config, &err);
	if (r == 0) {
		node_unload_files(&files);
		r = node_owner_check_dir(config->journal, config->name, &err);
	}
	if (r) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	printf("%s: good\n", config->path);
	return EXIT_SUCCESS;
}

/* "2026-11-01", "2026-11-01T06:00:00Z", or "30d": so long ago. */
static int read_time(struct torap_wall *out, const char *text, struct torap_wall now, struct torap_error *err)
{
	int64_t ago_us;
	struct torap_error ignored;
	if (torap_wall_parse(out, text, &ignored) == 0)
		return 0;
	int r = torap_duration_parse(&ago_us, text, &ignored);
	if (r)
		return torap_errorf(err, r,
			"\"%s\" is neither a time such as 2026-11-01 nor a duration such as 30d", text);
	out->us = now.us - ago_us;
	return 0;
}

/* `words` are BEFORE and perhaps --force. */
static int make_room(struct node_config *config, char **words, int count)
{
	struct torap_error err;
	struct node files = { 0 };
	struct torap_wall now = torap_app_wall(), before;
	int r = read_time(&before, words[0], now, &err);
	if (r == 0 && before.us > now.us)
		r = torap_errorf(&err, -EINVAL, "%s is yet to come", words[0]);
	if (r == 0)
		r = node_load_files(&files, config, &err);
	if (r == 0) {
		r = node_make_room(config, files.rules.trust, now, before, count == 2, &err);
		node_unload_files(&files);
	}
	if (r)
		fprintf(stderr, "%s\n", err.text);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Whether the words after the options ask for it, in full. */
static bool asks_for_room(const struct torap_app_arguments *a)
{
	return a->rest_count >= 2 && strcmp(a->rest[0], "--make-room") == 0 &&
	       (a->rest_count == 2 || (a->rest_count == 3 && strcmp(a->rest[2], "--force") == 0));
}

static void on_reload(void *hint)
{
	struct node *n = *(struct node **)hint;
	if (n)
		node_reload(n);
}

static void on_stop(void *hint)
{
	struct node *n = *(struct node **)hint;
	if (n)
		node_stop(n);
}

static int run(struct node_config *config, bool low_latency)
{
	struct torap_error err;
	struct node *n = NULL;
	struct torap_app app = {
		.hint = &n, .on_reload = on_reload, .on_stop = on_stop, .low_latency = low_latency
	};
	int status = EXIT_FAILURE;
	if (torap_app_init(&app, &err)) {
		torap_fail("START-FAILED", "%s", err.text);
		return EXIT_FAILURE;
	}
	if (node_create(&n, &app, config, &err)) {
		torap_fail("START-FAILED", "%s", err.text);
		torap_app_fail(&app); /* Closes what was opened; the loop then runs out. */
	} else {
		torap_app_ready();
	}
	status = torap_app_run(&app);
	node_destroy(n);
	torap_app_finish(&app);
	return status;
}

int main(int argc, char **argv)
{
	struct torap_app_arguments arguments;
	struct torap_error err;
	struct node_config config;
	torap_app_arguments(&arguments, argc, argv, &options);
	if (arguments.rest_count >= 3 && strcmp(arguments.rest[0], "--check-registry") == 0)
		return check_registry(arguments.rest + 1, arguments.rest_count - 1);
	if (arguments.check_only && arguments.rest_count && strcmp(arguments.rest[0], "--make-room") == 0) {
		fprintf(stderr,
			"torap-node: -n changes nothing and --make-room deletes: one of them; see --help\n");
		return 2;
	}
	if (torap_examine_is_asked(arguments.check_only, arguments.config, arguments.rest_count))
		return torap_examine(options.program, arguments.rest_count, arguments.rest);
	bool room = asks_for_room(&arguments);
	if (arguments.rest_count && !room) {
		if (strcmp(arguments.rest[0], "--check-registry") == 0)
			fprintf(stderr, "torap-node: --check-registry needs SITES and DEVICES; see --help\n");
		else if (strcmp(arguments.rest[0], "--make-room") == 0)
			fprintf(stderr,
				"torap-node: --make-room needs BEFORE, and takes --force after it; see --help\n");
		else
			fprintf(stderr, "torap-node: no such option or argument: %s; see --help\n",
				arguments.rest[0]);
		return 2;
	}
	if (!arguments.config) {
		fprintf(stderr, "torap-node: -c FILE is needed; see --help\n");
		return 2;
	}
	if (node_config_load(&config, arguments.config, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	int status = EXIT_FAILURE;
	if (room)
		status = make_room(&config, arguments.rest + 1, arguments.rest_count - 1);
	else
		status = arguments.check_only ? check(&config) : run(&config, arguments.low_latency);
	node_config_finish(&config);
	return status;
}
