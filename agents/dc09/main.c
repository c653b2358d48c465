/* torap-dc09: receives alarm panels that speak SIA DC-09, and answers them when their node has what they told. */
#include "agents/dc09/agent.h"

int main(int argc, char **argv)
{
	static struct dc09_agent agent; /* static: it holds the buffer of a whole observation */
	struct torap_app_arguments arguments;
	torap_app_arguments(&arguments, argc, argv, &dc09_kit_agent.app);
	return kit_process_main(&dc09_kit_agent, &agent, &arguments);
}
