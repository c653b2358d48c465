#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int torap_size_parse(uint64_t *out_bytes, const char *text, struct torap_error *err)
{
	static const struct {
		const char *unit;
		unsigned shift;
	} units[] = { { "", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "TiB", 40 } };

	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (isdigit((unsigned char)*text) && errno == 0)
		for (size_t i = 0; i < sizeof units / sizeof *units; i++)
			if (strcmp(end, units[i].unit) == 0 && n <= UINT64_MAX >> units[i].shift) {
				*out_bytes = (uint64_t)n << units[i].shift;
				return 0;
			}
	return torap_errorf(err, -EINVAL, "\"%s\" is not a size such as 64KiB, 512MiB or 8GiB", text);
}
