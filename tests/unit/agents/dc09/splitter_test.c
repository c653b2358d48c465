#include "tests/unit/agents/dc09/desk.h"

/* A frame with a raw CRC, which `change` may make anything by trying bodies until it fits. */
static size_t raw_frame(uint8_t *out, const char *body)
{
	size_t size = strlen(body);
	uint16_t crc = dc09_crc(torap_bytes(body, size));
	out[0] = '\n';
	out[1] = (uint8_t)(crc >> 8);
	out[2] = (uint8_t)crc;
	int n = sprintf((char *)out + 3, "%04X%s\r", (unsigned)size, body);
	return 3 + (size_t)n;
}

/* A body whose raw CRC has `high` or `low` as its byte. */
static void find_body(char *body, size_t room, int high, int low)
{
	for (unsigned i = 0; i < 10000000; i++) {
		snprintf(
			body, room, "\"NULL\"%04uR%XL0#%u[]", i % 10000, i / 10000 % 0xffff, 1000 + i % 9000);
		uint16_t crc = dc09_crc(torap_bytes(body, strlen(body)));
		if ((high < 0 || crc >> 8 == high) && (low < 0 || (crc & 0xff) == low))
			return;
	}
	cr_assert_fail("no such body");
}

/* Raw CRC bytes that look like LF, CR, a quote or NUL, alone, after another frame, after noise, and cut at every place. */
Test(splitter, takes_raw_crc_bytes_for_what_they_are)
{
	static const int traps[] = { '\n', '\r', '"', 0, '[' };
	for (size_t a = 0; a < 5; a++) {
		for (int place = 0; place < 3; place++) {
			char body[64];
			uint8_t one[128], bytes[300];
			find_body(body, sizeof body, place != 1 ? traps[a] : -1,
				place != 0 ? traps[(a + place) % 5] : -1);
			size_t size = raw_frame(one, body);
			memcpy(bytes, "noise", 5);
			memcpy(bytes + 5, one, size);
			memcpy(bytes + 5 + size, one, size);
			for (size_t cut = 0; cut <= 5 + 2 * size; cut++) {
				struct desk *d = desk_open();
				desk_feed(d, bytes, cut);
				desk_feed(d, bytes + cut, 5 + 2 * size - cut);
				cr_assert_eq(d->counters.frames[DC09_CRC_BINARY], 2,
					"trap %zu place %d cut %zu", a, place, cut);
				cr_assert_eq(d->counters.acked, 2);
				cr_assert_eq(d->counters.silent[DC09_SILENT_BAD_CRC], 0);
				desk_close(d);
			}
		}
	}
}

/* A frame cut short costs itself and nothing else, even when a raw CRC byte of the next one is a CR. */
Test(splitter, loses_one_frame_to_a_cut_and_not_the_next)
{
	char body[64];
	uint8_t bytes[300];
	find_body(body, sizeof body, '\r', -1);
	const char cut[] = "\n12340056\"SIA-DCS\"0002R1L2#4001[#4001|Nri1/PA0";
	memcpy(bytes, cut, sizeof cut - 1);
	size_t size = sizeof cut - 1 + raw_frame(bytes + sizeof cut - 1, body);
	struct desk *d = desk_open();
	desk_feed(d, bytes, size);
	cr_expect_eq(d->counters.acked, 1);
	cr_expect_eq(d->counters.silent[DC09_SILENT_BAD_CRC], 1);
	desk_close(d);
	d = desk_open();
	desk_feed(d, bytes, sizeof cut - 1);
	desk_say(d, "\"NULL\"0001L0#AAA[]");
	cr_expect_eq(d->counters.acked, 1);
	desk_close(d);
}

Test(splitter, forgives_blanks_that_the_sender_did_not_count)
{
	static const char padded[] = "\n142A0013\"NULL\"0007L0#4001[]\0\r";
	struct desk *d = desk_open();
	desk_text(d, "\nD4480012\"ACK\"0007L0#4001[]\r"); /* an answer: no reply */
	desk_text(d, "\n142A0013\"NULL\"0007L0#4001[] \r");
	desk_feed(d, padded, sizeof padded - 1);
	cr_expect_eq(d->counters.acked, 2);
	desk_close(d);
}

Test(splitter, reads_lower_case_and_decimal_lengths)
{
	struct desk *d = desk_open();
	desk_text(d, "\n142A0019\"NULL\"0007L0#4001[]\r"); /* 19 is decimal */
	cr_expect_eq(d->counters.frames[DC09_CRC_LENGTH], 1);
	desk_text(d, "\nd37d0024\"SIA-DCS\"0008L0#4001[#4001|Nri1/PA3]\r");
	cr_expect_eq(d->counters.frames[DC09_CRC_LOWER], 1);
	cr_expect_eq(d->counters.acked, 2);
	desk_close(d);
}
