/* torap-broker: takes batches from writers, keeps them, and gives each feed what it is entitled to.  README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/policy.h"
#include "broker/reload.h"
#include "conf/examine.h"
#include "loop/app.h"

static const struct torap_app_options options = {
	.program = "torap-broker",
	.purpose = "takes batches from writers, stores them, and routes them to feeds",
	.low_latency = true,
	.extra =
		"  --check-policy FILE   check a policy file alone, and exit 0 or 1\n"
		"  --check DIR [--trust FILE --root FILE]\n"
		"                        examine a store, read-only; exit 0 sound, 1 findings, 2 it cannot be examined\n"
		"SIGHUP reads policy, trust file and keys again, all or none.",
};

static int check_policy(const char *path)
{
	struct torap_error err;
	struct broker_policy *policy = NULL;
	if (broker_policy_load(&policy, path, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	printf("%s: good; %zu feeds, %zu writers; digest %s\n", path, policy->feeds_count,
		policy->writers_count, policy->digest);
	broker_policy_unref(policy);
	return EXIT_SUCCESS;
}

static int check_all(const struct broker_config *config, const char *path)
{
	struct torap_error err;
	if (broker_check(config, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	printf("%s: good\n", path);
	return EXIT_SUCCESS;
}

static void on_reload(void *hint)
{
	struct broker *b = *(struct broker **)hint;
	if (b)
		broker_reload(b);
}

static void on_stop(void *hint)
{
	struct broker *b = *(struct broker **)hint;
	if (b)
		broker_stop(b);
}

static int run(struct broker_config *config, bool low_latency)
{
	struct torap_error err;
	struct broker *b = NULL;
	struct torap_app app = {
		.hint = &b, .on_reload = on_reload, .on_stop = on_stop, .low_latency = low_latency
	};
	if (torap_app_init(&app, &err)) {
		torap_fail("START-FAILED", "%s", err.text);
		return EXIT_FAILURE;
	}
	int status = EXIT_FAILURE;
	if (broker_create(&b, &app, config, &err)) {
		torap_fail("START-FAILED", "%s", err.text);
	} else {
		torap_app_ready();
		status = torap_app_run(&app);
		b = broker_destroy(b);
	}
	torap_app_finish(&app);
	return status;
}

int main(int argc, char **argv)
{
	struct torap_app_arguments arguments;
	struct torap_error err;
	struct broker_config config;
	torap_app_arguments(&arguments, argc, argv, &options);
	if (arguments.rest_count == 2 && strcmp(arguments.rest[0], "--check-policy") == 0)
		return check_policy(arguments.rest[1]);
	if (torap_examine_is_asked(arguments.check_only, arguments.config, arguments.rest_count))
		return torap_examine(options.program, arguments.rest_count, arguments.rest);
	if (arguments.rest_count) {
		if (strcmp(arguments.rest[0], "--check-policy") == 0)
			fprintf(stderr, "torap-broker: --check-policy needs one FILE; see --help\n");
		else
			fprintf(stderr, "torap-broker: no such option or argument: %s; see --help\n",
				arguments.rest[0]);
		return 2;
	}
	if (!arguments.config) {
		fprintf(stderr, "torap-broker: -c FILE is needed; see --help\n");
		return 2;
	}
	if (broker_config_load(&config, arguments.config, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	int status = arguments.check_only ? check_all(&config, arguments.config)
					  : run(&config, arguments.low_latency);
	broker_config_finish(&config);
	return status;
}
