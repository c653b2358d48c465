#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line, whatever a name in it contains. */
static void flatten(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

int torap_errorf(struct torap_error *err, int code, const char *format, ...)
{
	if (err) {
		va_list args;
		va_start(args, format);
		vsnprintf(err->text, sizeof err->text, format, args);
		va_end(args);
		flatten(err->text);
	}
	return code;
}

bool torap_error_is_room(int code)
{
	return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

void torap_error_prefix(struct torap_error *err, const char *format, ...)
{
	if (!err)
		return;
	char old[TORAP_ERROR_TEXT_MAX];
	memcpy(old, err->text, sizeof old);

	va_list args;
	va_start(args, format);
	int n = vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	flatten(err->text);
	if (n < 0 || (size_t)n >= sizeof err->text)
		return;
	snprintf(err->text + n, sizeof err->text - (size_t)n, "%s", old);
}
