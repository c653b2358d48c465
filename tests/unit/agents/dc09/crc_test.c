#include <criterion/criterion.h>

#include "agents/dc09/crc.h"

Test(crc, is_crc_16_arc)
{
	cr_expect_eq(dc09_crc(torap_bytes("123456789", 9)), 0xbb3d);
	cr_expect_eq(dc09_crc(torap_bytes("", 0)), 0);
}

/* Every byte behind every state of a byte, against the definition: polynomial 0x8005 reflected, bit by bit. */
Test(crc, agrees_with_its_definition)
{
	for (unsigned pair = 0; pair < 65536; pair++) {
		uint8_t bytes[] = { (uint8_t)(pair >> 8), (uint8_t)pair };
		unsigned crc = 0;
		for (int i = 0; i < 2; i++) {
			crc ^= bytes[i];
			for (int bit = 0; bit < 8; bit++)
				crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
		}
		cr_assert_eq(dc09_crc(torap_bytes(bytes, 2)), crc, "%04x", pair);
	}
}
