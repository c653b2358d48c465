/* torap-rtsp: watches cameras that speak RTSP, and tells its node which of them are alive and see. */
#include <string.h>

#include "agents/rtsp/agent.h"
#include "agents/rtsp/evidence/store.h"

int main(int argc, char **argv)
{
	static struct rtsp_agent agent; /* static: it holds buffers */
	struct torap_app_arguments arguments;
	torap_app_arguments(&arguments, argc, argv, &rtsp_kit_agent.app);
	if (arguments.rest_count == 2 && strcmp(arguments.rest[0], "--check-evidence") == 0)
		return rtsp_store_check(arguments.rest[1]);
	return kit_process_main(&rtsp_kit_agent, &agent, &arguments);
}
