/* torap-node: turns what devices say into sealed batches and carries them to brokers.  README.md. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"
#include "node/node.h"

static const struct torap_app_options options = {
	.program = "torap-node",
	.purpose = "turns what devices say into sealed batches and carries them to brokers",
	.extra =
		"SIGHUP reloads trust file, sites, devices and mapping; a bad file is refused and the old ones stay.",
};

static int check(const struct node_config *config)
{
	struct torap_error err;
	struct node files = { 0 };
	if (node_load_files(&files, config, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	node_unload_files(&files);
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
	if (arguments.rest_count || !arguments.config) {
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
