/* page.h: what HTTP tells of torap-rtsp: /metrics, and /cameras, each camera as JSON, without its URL. */
#pragma once

#include "loop/http.h"

extern const struct torap_http_route rtsp_page_routes[];
