#include <criterion/criterion.h>
#include <string.h>

#include "base/bytes.h"

Test(bytes, knows_hexadecimal_digits_of_either_case)
{
	static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	int known = 0;
	for (int i = 0; i < 16; i++) {
		cr_expect_eq(torap_hex_value((uint8_t)digits[i]), i);
		cr_expect_eq(torap_hex_value((uint8_t)upper[i]), i);
	}
	for (unsigned c = 0; c < 256; c++)
		known += torap_hex_value((uint8_t)c) >= 0;
	cr_expect_eq(known, 22);
}

Test(bytes, reads_back_the_hexadecimal_that_it_writes)
{
	static const uint8_t bytes[] = { 0x00, 0x7f, 0x80, 0xff };
	char text[2 * sizeof bytes + 1];
	uint8_t back[sizeof bytes];
	cr_expect_str_eq(torap_hex(text, torap_bytes(bytes, sizeof bytes)), "007f80ff");
	cr_expect(torap_unhex(back, sizeof back, text));
	cr_expect_arr_eq(back, bytes, sizeof bytes);
	cr_expect(torap_unhex(back, sizeof back, "007F80FF"));
	cr_expect_arr_eq(back, bytes, sizeof bytes);
}

Test(bytes, refuses_hexadecimal_of_another_length_or_with_anything_else_in_it)
{
	uint8_t back[2];
	static const char *const bad[] = { "", "0", "000", "0000 ", "00000", "00 0", "g000", "000x", "-100" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect(!torap_unhex(back, sizeof back, bad[i]), "%s", bad[i]);
	cr_expect(torap_unhex(back, 0, ""));
}

Test(bytes, stays_failed_once_a_read_went_past_the_end)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct torap_reader r = torap_reader(torap_bytes(bytes, sizeof bytes));
	cr_expect_eq(torap_read_u32(&r), 0);
	cr_expect_eq(torap_read_u8(&r), 0);
	cr_expect(r.failed);
}
