/* outage_page.h: outages of many, as HTTP shows them. */
#pragma once

#include "agents/rtsp/agent.h"

/* Prometheus lines. */
void rtsp_outage_page_metrics(const struct rtsp_agent *a, struct torap_writer *body);
/* A line of JSON for each share of an outage that is open, or of which the end is not durable yet; hint: the agent.  Its members are "dark",
 * "back", or "by_itself": dark, and not as one of it, so that is told by itself or will be. */
void rtsp_outage_page_list(void *hint, struct torap_writer *body);
