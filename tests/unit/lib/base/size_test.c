#include <criterion/criterion.h>

#include "base/size.h"

Test(size, is_read_in_units_of_1024)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = { { "0", 0 }, { "512", 512 }, { "64KiB", 65536 }, { "3TiB", 3ULL << 40 } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t n = 1;
		cr_assert_eq(torap_size_parse(&n, cases[i].text, NULL), 0, "%s", cases[i].text);
		cr_assert_eq(n, cases[i].bytes);
	}
}

Test(size, refuses_what_is_none)
{
	static const char *const cases[] = { "", "-1", " 1", "+1", "KiB", "1kb", "1 MiB", "99999999999TiB",
		"99999999999999999999999" };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t n = 7;
		cr_assert_lt(torap_size_parse(&n, cases[i], NULL), 0, "%s", cases[i]);
		cr_assert_eq(n, 7);
	}
}
