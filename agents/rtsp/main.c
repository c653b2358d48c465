/* torap-rtsp: watches cameras that speak RTSP, and tells its node which of them are alive and see. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/agent.h"
#include "agents/rtsp/evidence/store.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

static void on_stop(void *hint)
{
	torap_notice("RTSP-STOP", "stopping; what was learned is saved");
	rtsp_agent_close(hint);
}

static void on_reload(void *hint)
{
	rtsp_agent_reload(hint);
}

static int run(struct rtsp_files *files)
{
	static struct rtsp_agent agent; /* static: it holds buffers */
	struct torap_app app = { .hint = &agent, .on_reload = on_reload, .on_stop = on_stop };
	struct torap_error err;
	if (torap_app_init(&app, &err)) {
		torap_fail("RTSP-START", "%s", err.text);
		return EXIT_FAILURE;
	}
	int status = EXIT_FAILURE;
	if (rtsp_agent_open(&agent, &app.loop, files, &err)) {
		torap_fail("RTSP-START", "%s", err.text);
	} else {
		torap_notice("RTSP-START", "watching for the node at %s", agent.config.node);
		torap_app_ready();
		status = torap_app_run(&app);
	}
	torap_app_finish(&app);
	rtsp_agent_finish(&agent);
	return status;
}

int main(int argc, char **argv)
{
	static const struct torap_app_options options = {
		.program = "torap-rtsp",
		.purpose = "watches cameras that speak RTSP, for a node on this host",
		.extra =
			"--check-evidence DIR computes the digests of an evidence folder anew (exit status 0: sound, 1: not, 2: it "
			"cannot be read).\n"
			"SIGHUP reads the configuration's limits, the profiles, the credentials and the holds again.",
	};
	struct torap_app_arguments arguments;
	torap_app_arguments(&arguments, argc, argv, &options);
	if (arguments.rest_count == 2 && strcmp(arguments.rest[0], "--check-evidence") == 0)
		return rtsp_store_check(arguments.rest[1]);
	if (arguments.rest_count) {
		fprintf(stderr, "torap-rtsp: no such option or argument: %s; see --help\n",
			arguments.rest[0]);
		return 2;
	}
	if (!arguments.config) {
		fprintf(stderr, "torap-rtsp: -c FILE is needed; see --help\n");
		return 2;
	}
	struct rtsp_files files = { 0 };
	struct torap_error err;
	int status = EXIT_SUCCESS;
	if (rtsp_files_load(&files, arguments.config, &err)) {
		fprintf(stderr, "torap-rtsp: %s\n", err.text);
		status = EXIT_FAILURE;
	} else if (arguments.check_only) {
		printf("%s: good\n", arguments.config);
	} else {
		status = run(&files);
	}
	rtsp_files_finish(&files);
	return status;
}
