/* torap-archive: asks recorders what they keep of each camera, once a day. */
#include <curl/curl.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>

#include "agents/archive/agent.h"

int main(int argc, char **argv)
{
	static struct archive_agent agent; /* static: it holds a whole observation */
	struct torap_app_arguments arguments;
	torap_app_arguments(&arguments, argc, argv, &archive_kit_agent.app);
	/* Both libraries want to be started before there are threads. */
	xmlInitParser();
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		fprintf(stderr, "torap-archive: libcurl does not start\n");
		return EXIT_FAILURE;
	}
	int status = kit_process_main(&archive_kit_agent, &agent, &arguments);
	curl_global_cleanup();
	xmlCleanupParser();
	return status;
}
