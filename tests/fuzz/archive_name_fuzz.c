/* What files in a recorder's folder are called, beside the pattern that an operator wrote: a pattern, then names, a line each.  A moment that
 * is taken has a text. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agents/archive/pattern.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_name(const char *pattern, const char *name)
{
	static const int32_t offsets_s[] = { 0, 18000, -86399 };
	for (size_t i = 0; i < sizeof offsets_s / sizeof *offsets_s; i++) {
		struct torap_wall at;
		if (!archive_pattern_read(&at, pattern, offsets_s[i], name))
			continue;
		char text[TORAP_WALL_TEXT_SIZE];
		/* Of more than a file's longest length after it, too. */
		const struct torap_wall until = { at.us + 4 * (int64_t)UINT32_MAX * TORAP_US_PER_S };
		assert(until.us > at.us && *torap_wall_format(at, text));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct torap_error err = { "" };
	char *lines = strndup((const char *)data, size), *rest = lines;
	assert(lines);
	const char *pattern = strsep(&rest, "\n");
	if (archive_pattern_check(pattern, &err))
		assert(*err.text);
	else
		while (rest)
			read_name(pattern, strsep(&rest, "\n"));
	free(lines);
	return 0;
}
