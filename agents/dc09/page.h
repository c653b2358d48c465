/* page.h: the metrics page of torap-dc09. */
#pragma once

#include "loop/http.h"

extern const struct torap_http_route dc09_page_routes[];
