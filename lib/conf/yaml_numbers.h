/* yaml_numbers.h: integers of a file, judged more strictly than by libcyaml, which reads them as C does: to it 10k is 10, 0100 is 64 and -1 is
 * 2^64 - 1.  Private to lib/conf. */
#pragma once

#include <cyaml/cyaml.h>

#include "base/bytes.h"

struct torap_error;

/* `text` is one that libcyaml has taken by this schema.  Refuses the first integer that is not written in decimal digits, without zeros before
 * them: 0, or -EINVAL with file, line and reason. */
int torap_yaml_judge_numbers(const char *name, struct torap_bytes text, const cyaml_schema_value_t *schema,
	struct torap_error *err);
