/* utf8.h: characters of UTF-8, as readers in other languages take them: well-formed, or none at all. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TORAP_UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD: stands for what is no character */

/* Bytes of the character at `at`, which is before `end`; 0 when there is none: cut, overlong, a surrogate, beyond the last. */
size_t torap_utf8_length(const uint8_t *at, const uint8_t *end);
