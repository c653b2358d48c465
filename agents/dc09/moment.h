/* moment.h: the times of DC-09, "HH:MM:SS,MM-DD-YYYY" in GMT. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/time.h"

enum { DC09_MOMENT_SIZE = 19, DC09_MOMENT_TEXT_SIZE = DC09_MOMENT_SIZE + 1 };

/* Exactly 19 characters that name a moment of the calendar, years 1970 to 9999; false for anything else. */
bool dc09_moment_parse(struct torap_wall *out, struct torap_bytes text);
char *dc09_moment_format(struct torap_wall t, char text[static DC09_MOMENT_TEXT_SIZE]);
