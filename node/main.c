/* torap-node: turns what devices say into sealed batches and carries them to brokers.  README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "conf/examine.h"
#include "loop/app.h"
#include "node/node.h"
#include "node/owner.h"
#include "node/registry.h"

static const struct torap_app_options options = {
	.program = "torap-node",
	.purpose = "turns what devices say into sealed batches and carries them to brokers",
	.extra =
		"  --check-registry SITES DEVICES [REGION…]   check these two files alone, and exit 0 or 1\n"
		"  --check DIR [--trust FILE --root FILE]\n"
		"      examine a journal, read-only; exit 0 sound, 1 findings, 2 it cannot be examined\n"
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

static int check(const struct node_config *config)
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

static int run(const struct node_config *config)
{
	struct torap_error err;
	struct node *n = NULL;
	struct torap_app app = { .hint = &n, .on_reload = on_reload, .on_stop = on_stop };
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
	if (torap_examine_is_asked(arguments.check_only, arguments.config, arguments.rest_count))
		return torap_examine(options.program, arguments.rest_count, arguments.rest);
	if (arguments.rest_count) {
		if (strcmp(arguments.rest[0], "--check-registry") == 0)
			fprintf(stderr, "torap-node: --check-registry needs SITES and DEVICES; see --help\n");
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
	int status = arguments.check_only ? check(&config) : run(&config);
	node_config_finish(&config);
	return status;
}
