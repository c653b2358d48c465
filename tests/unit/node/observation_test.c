#include "node/observation.h"

#include <criterion/criterion.h>
#include <string.h>

enum { LENGTH_MAX = 40 };

/* Puts `inserted` at every place of texts of every length: words of eight bytes, and what is left of one, are looked at apart. */
static void check_everywhere(const char *inserted, bool good)
{
	char text[LENGTH_MAX + 8];
	for (size_t length = 0; length <= LENGTH_MAX; length++)
		for (size_t at = 0; at <= length; at++) {
			memset(text, 'a', sizeof text);
			memcpy(text + at, inserted, strlen(inserted));
			text[length + strlen(inserted)] = '\0';
			cr_assert_eq(node_text_is_utf8(text), good, "at %zu of %zu", at, length);
		}
}

Test(observation, takes_text_in_any_script_at_any_place)
{
	check_everywhere("", true);
	check_everywhere("\x7f", true);
	check_everywhere("\xd1\x82", true);         /* т */
	check_everywhere("\xe2\x82\xb8", true);     /* ₸ */
	check_everywhere("\xf0\x9f\x94\xa5", true); /* fire */
}

Test(observation, refuses_a_byte_that_is_no_utf8_at_any_place)
{
	check_everywhere("\xe9", false);         /* cp1252 */
	check_everywhere("\x80", false);         /* a tail without its head */
	check_everywhere("\xc0\xaf", false);     /* longer than needed */
	check_everywhere("\xed\xa0\x80", false); /* half a surrogate */
}
