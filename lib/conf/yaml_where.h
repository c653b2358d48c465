/* yaml_where.h: at which line does a value stand?  For complaints; private to lib/conf. */
#pragma once

#include <stddef.h>

#include "base/bytes.h"

/* `where` leads to a mapping, list or value ("feeds[3].parts", entries counted from 0), `key` (or NULL) to a key in it, the last
 * of that name.  When a step is not there, the line is that of the step before; the first line is 1. */
size_t torap_yaml_line(struct torap_bytes text, const char *where, const char *key);
