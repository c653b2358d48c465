/* text.h: texts of panels, in the code page that the registry names, as UTF-8.
 *
 * DC-09 says Windows-1252; Cyrillic panels send 1251, some new ones UTF-8.  The C library is asked once, at the start, what each byte of
 * a code page means; the decoder itself loads nothing.  Control characters become blanks, so that a text is a line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum dc09_code_page {
	DC09_CODE_PAGE_GUESS, /* the registry names none: UTF-8 when it is well-formed, else 1252 */
	DC09_UTF_8,
	DC09_CP1251,
	DC09_CP1252,
	DC09_KZ1048, /* 1251 with the Kazakh letters: STRK1048, RK 1048 */
};

struct torap_error;

/* Once, before the first text.  0 or a negative error: the C library lacks a code page. */
int dc09_text_load(struct torap_error *err);

/* "cp1251", "cp1252", "kz1048", "utf-8" or ""; false for any other name. */
bool dc09_code_page_find(enum dc09_code_page *out, const char *name);

/* Writes at most 3 * in.size + 1 bytes, the last a NUL.  Returns the length without it.  What is not valid becomes U+FFFD. */
size_t dc09_text_convert(char *out, struct torap_bytes in, enum dc09_code_page page);
