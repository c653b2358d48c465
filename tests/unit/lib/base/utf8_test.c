#include <criterion/criterion.h>
#include <string.h>

#include "base/utf8.h"

static size_t length_of(const char *text, size_t size)
{
	return torap_utf8_length((const uint8_t *)text, (const uint8_t *)text + size);
}

Test(utf8, knows_the_length_of_a_character)
{
	static const char *const characters[] = { "a", "\x7f", "\xc2\x80", "\xd2\x93", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xef\xbf\xbd", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
		size_t size = strlen(characters[i]);
		cr_expect_eq(length_of(characters[i], size), size, "character %zu", i);
		cr_expect_eq(length_of(characters[i], size + 1), size, "character %zu, a NUL behind it", i);
		for (size_t cut = 1; cut < size; cut++)
			cr_expect_eq(length_of(characters[i], cut), 0, "character %zu, cut to %zu", i, cut);
	}
	cr_expect_eq(length_of("", 1), 1, "NUL is a character");
}

/* Overlong forms, halves of surrogates, bytes beyond the last character, and what only continues one. */
Test(utf8, takes_nothing_else_for_a_character)
{
	static const char *const others[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
		"\xc2"
		"a",
		"\xe2\x82"
		"a",
		"\xf0\x9f\x98"
		"a" };
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		cr_expect_eq(length_of(others[i], strlen(others[i])), 0, "%zu", i);
}
