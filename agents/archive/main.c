/* torap-archive: asks recorders what they keep of each camera, once a day. */
#include <curl/curl.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>

#include "agents/archive/agent.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

static void on_stop(void *hint)
{
	torap_notice(
		"ARCHIVE-STOP", "stopping; what is under way is given up, and asked again at the next start");
	archive_agent_close(hint);
}

static void on_reload(void *hint)
{
	archive_agent_reload(hint);
}

static int load(struct archive_config *config, struct torap_secrets *secrets, const char *path,
	struct torap_error *err)
{
	int r = archive_config_load(config, path, err);
	if (!r && config->keys)
		r = torap_secrets_load(secrets, config->keys, err);
	return r;
}

static int run(struct archive_config *config, struct torap_secrets *secrets)
{
	static struct archive_agent agent; /* static: it holds a whole observation */
	struct torap_app app = { .hint = &agent, .on_reload = on_reload, .on_stop = on_stop };
	struct torap_error err;
	if (torap_app_init(&app, &err)) {
		torap_fail("ARCHIVE-START", "%s", err.text);
		return EXIT_FAILURE;
	}
	int status = EXIT_FAILURE;
	if (archive_agent_open(&agent, &app.loop, config, secrets, &err)) {
		torap_fail("ARCHIVE-START", "%s", err.text);
	} else {
		torap_notice("ARCHIVE-START", "%zu recorders", agent.config.recorders_count);
		torap_app_ready();
		status = torap_app_run(&app);
	}
	torap_app_finish(&app);
	archive_agent_finish(&agent);
	return status;
}

/* Both libraries want to be started before there are threads. */
static bool start_libraries(void)
{
	xmlInitParser();
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

int main(int argc, char **argv)
{
	static const struct torap_app_options options = {
		.program = "torap-archive",
		.purpose = "asks recorders once a day what they keep of each camera, for a node on this host",
		.extra = "SIGHUP reads the configuration and the key file again.",
	};
	struct torap_app_arguments arguments;
	torap_app_arguments(&arguments, argc, argv, &options);
	if (arguments.rest_count) {
		fprintf(stderr, "torap-archive: no such option or argument: %s; see --help\n",
			arguments.rest[0]);
		return 2;
	}
	if (!arguments.config) {
		fprintf(stderr, "torap-archive: -c FILE is needed; see --help\n");
		return 2;
	}
	struct archive_config config = { 0 };
	struct torap_secrets secrets = { 0 };
	struct torap_error err;
	int status = EXIT_SUCCESS;
	if (!start_libraries()) {
		fprintf(stderr, "torap-archive: libcurl does not start\n");
		status = EXIT_FAILURE;
	} else if (load(&config, &secrets, arguments.config, &err)) {
		fprintf(stderr, "torap-archive: %s\n", err.text);
		status = EXIT_FAILURE;
	} else if (arguments.check_only) {
		printf("%s: good\n", arguments.config);
	} else {
		status = run(&config, &secrets);
	}
	torap_secrets_finish(&secrets);
	archive_config_finish(&config);
	curl_global_cleanup();
	xmlCleanupParser();
	return status;
}
