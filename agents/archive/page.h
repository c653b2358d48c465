/* page.h: the metrics of torap-archive. */
#pragma once

#include "loop/http.h"

extern const struct torap_http_route archive_page_routes[]; /* hint: struct archive_agent */
