/* torap-dc09: receives alarm panels that speak SIA DC-09, and answers them when their node has what they told. */
#include <stdio.h>
#include <stdlib.h>

#include "agents/dc09/agent.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

static void on_stop(void *hint)
{
	torap_notice("DC09-STOP", "stopping; panels that have no answer yet will repeat");
	dc09_agent_close(hint);
}

static void on_reload(void *hint)
{
	dc09_agent_reload(hint);
}

static int load(struct dc09_config *config, struct dc09_keys *keys, const char *path, struct torap_error *err)
{
	int r = dc09_config_load(config, path, err);
	if (!r && config->keys)
		r = dc09_keys_load(keys, config->keys, err);
	return r;
}

static int run(struct dc09_config *config, struct dc09_keys *keys)
{
	static struct dc09_agent agent; /* static: it holds the buffer of a whole observation */
	struct torap_app app = { .hint = &agent, .on_reload = on_reload, .on_stop = on_stop };
	struct torap_error err;
	if (torap_app_init(&app, &err)) {
		torap_fail("DC09-START", "%s", err.text);
		return EXIT_FAILURE;
	}
	int status = EXIT_FAILURE;
	if (dc09_agent_open(&agent, &app.loop, config, keys, &err)) {
		torap_fail("DC09-START", "%s", err.text);
	} else {
		torap_notice("DC09-START", "listening on TCP %s, UDP %s",
			agent.config.listen_tcp ? agent.config.listen_tcp : "none",
			agent.config.listen_udp ? agent.config.listen_udp : "none");
		torap_app_ready();
		status = torap_app_run(&app);
	}
	torap_app_finish(&app);
	dc09_agent_finish(&agent);
	return status;
}

int main(int argc, char **argv)
{
	static const struct torap_app_options options = {
		.program = "torap-dc09",
		.purpose = "receives alarm panels that speak SIA DC-09, for a node on this host",
		.extra = "SIGHUP reads the configuration's limits and the key file again.",
	};
	struct torap_app_arguments arguments;
	torap_app_arguments(&arguments, argc, argv, &options);
	if (arguments.rest_count) {
		fprintf(stderr, "torap-dc09: no such option or argument: %s; see --help\n",
			arguments.rest[0]);
		return 2;
	}
	if (!arguments.config) {
		fprintf(stderr, "torap-dc09: -c FILE is needed; see --help\n");
		return 2;
	}
	struct dc09_config config = { 0 };
	struct dc09_keys keys = { 0 };
	struct torap_error err;
	int status = EXIT_SUCCESS;
	if (load(&config, &keys, arguments.config, &err)) {
		fprintf(stderr, "torap-dc09: %s\n", err.text);
		status = EXIT_FAILURE;
	} else if (arguments.check_only) {
		printf("%s: good\n", arguments.config);
	} else {
		status = run(&config, &keys);
	}
	dc09_keys_finish(&keys);
	dc09_config_finish(&config);
	return status;
}
