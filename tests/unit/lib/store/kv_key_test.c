#include <criterion/criterion.h>
#include <string.h>

#include "store/kv_key.h"

Test(kv_key, is_read_back_by_a_reader)
{
	struct torap_kv_key key = { 0 };
	torap_kv_key_u8(&key, 0xfe);
	torap_kv_key_u16(&key, 0x0102);
	torap_kv_key_u32(&key, 0xfffefdfc);
	torap_kv_key_u64(&key, UINT64_MAX - 1);
	torap_kv_key_text(&key, "lane");
	cr_assert_eq(key.size, 1 + 2 + 4 + 8 + 4);
	struct torap_reader r = torap_reader(torap_kv_key_bytes(&key));
	cr_expect_eq(torap_read_u8(&r), 0xfe);
	cr_expect_eq(torap_read_u8(&r), 1);
	cr_expect_eq(torap_read_u8(&r), 2);
	cr_expect_eq(torap_read_u32(&r), 0xfffefdfc);
	cr_expect_eq(torap_read_u64(&r), UINT64_MAX - 1);
	cr_expect(torap_bytes_equal(torap_read_bytes(&r, 4), torap_bytes("lane", 4)));
	cr_expect(torap_read_end(&r));
}

Test(kv_key, sorts_by_number)
{
	static const uint64_t numbers[] = { 0, 1, 255, 256, 65535, 65536, UINT32_MAX, 1ULL << 40,
		UINT64_MAX };
	for (size_t i = 1; i < sizeof numbers / sizeof *numbers; i++) {
		struct torap_kv_key before = { 0 }, after = { 0 };
		torap_kv_key_u64(&before, numbers[i - 1]);
		torap_kv_key_u64(&after, numbers[i]);
		cr_expect_lt(memcmp(before.data, after.data, 8), 0, "%zu", i);
	}
}
