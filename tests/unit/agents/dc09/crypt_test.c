/* The encryption against the one public message whose key is known, and against itself. */
#include "tests/unit/agents/dc09/desk.h"

#include "agents/dc09/reply.h"

enum { KNOWN_MAX = 1 << 16 };
static char known_frame[KNOWN_MAX + 1];

/* The frame stands in the corpus.  False: no corpus. */
static bool read_known_frame(void)
{
	const char *corpus = desk_corpus();
	size_t size;
	char *bytes = corpus ? (char *)desk_read(corpus, "frames/enc-aes128-known-key.bin", &size) : NULL;
	if (!bytes)
		return false;
	memcpy(known_frame, bytes, size);
	known_frame[size] = 0;
	free(bytes);
	return true;
}

static struct desk *desk_with_key(const char *hex)
{
	struct desk *d = desk_open();
	cr_assert(dc09_key_parse(&d->account.key, hex));
	return d;
}

/* Says `clear` (from the bar on) encrypted with the desk's key, in the way of a panel. */
static void say_encrypted(struct desk *d, const char *id, const char *header, const char *clear)
{
	uint8_t text[1024];
	size_t size = strlen(clear), pad = DC09_BLOCK_SIZE - size % DC09_BLOCK_SIZE;
	memset(text, 'p', pad);
	memcpy(text + pad, clear, size);
	cr_assert(dc09_encrypt(&d->account.key, torap_bytes(text, pad + size), text));
	char hex[2049], body[3000];
	snprintf(
		body, sizeof body, "\"*%s\"%s[%s", id, header, torap_hex(hex, torap_bytes(text, pad + size)));
	desk_say(d, body);
}

Test(crypt, reads_the_known_frame_and_answers_so_that_its_panel_can_read_it)
{
	if (!read_known_frame())
		return;
	struct desk *d = desk_with_key("ABCDABCDABCDABCDABCDABCDABCDABCD");
	desk_clock(d, "2015-06-22T15:12:45Z");
	desk_text(d, known_frame);
	cr_assert_eq(d->seen_count, 1);
	cr_expect_str_eq(d->seen[0].code, "HB");
	cr_expect_str_eq(d->seen[0].zone, "0003");
	cr_expect_str_eq(d->seen[0].address, "080027E62A64");
	cr_expect(strstr(d->seen[0].fields, "encrypted=yes;"));

	const char *sent = (const char *)d->sent, *open = memchr(sent, '[', d->sent_size);
	cr_assert(open && d->sent[d->sent_size - 1] == '\r');
	cr_expect(!memcmp(sent + 9, "\"*ACK\"0000RC0FFDL1234#080027E62A64[", 35));
	size_t digits = d->sent_size - 1 - (size_t)(open + 1 - sent);
	char hex[200];
	uint8_t clear[100];
	cr_assert(digits % 32 == 0 && digits < sizeof hex);
	memcpy(hex, open + 1, digits);
	hex[digits] = 0;
	cr_assert(torap_unhex(clear, digits / 2, hex));
	cr_assert(dc09_decrypt(&d->account.key, torap_bytes(clear, digits / 2), clear));
	const uint8_t *bar = memchr(clear, '|', digits / 2);
	cr_assert(bar && bar > clear);
	size_t rest = digits / 2 - (size_t)(bar + 1 - clear);
	cr_expect_eq(rest, 21);
	cr_expect(!memcmp(bar + 1, "]_15:12:45,06-22-2015", 21));
	desk_close(d);
}

/* The window is 40 s back and 20 s ahead; outside the panel is told our time, in the clear, and nothing is offered. */
Test(crypt, naks_what_is_outside_the_window)
{
	static const struct {
		const char *clock;
		bool taken;
	} cases[] = { { "2026-11-22T11:59:40Z", true }, { "2026-11-22T11:59:39Z", false },
		{ "2026-11-22T12:00:40Z", true }, { "2026-11-22T12:00:41Z", false },
		{ "2036-11-22T12:00:00Z", false } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct desk *d = desk_with_key("00112233445566778899AABBCCDDEEFF");
		desk_clock(d, cases[i].clock);
		say_encrypted(d, "SIA-DCS", "0001L0#4001", "|#4001|NPA1]_12:00:00,11-22-2026");
		cr_expect_eq(d->counters.acked, cases[i].taken, "%s", cases[i].clock);
		cr_expect_eq(d->counters.naked, !cases[i].taken, "%s", cases[i].clock);
		cr_expect_eq(d->seen_count, cases[i].taken, "%s", cases[i].clock);
		desk_close(d);
	}
	struct desk *d = desk_with_key("00112233445566778899AABBCCDDEEFF");
	say_encrypted(d, "SIA-DCS", "0001L0#4001", "|#4001|NPA1]"); /* no time at all */
	cr_expect_eq(d->counters.naked, 1);
	cr_expect_eq(d->seen_count, 0);
	desk_close(d);
}

Test(crypt, does_not_mind_the_clock_of_a_plain_message)
{
	struct desk *d = desk_open();
	desk_say(d, "\"SIA-DCS\"0001L0#1234[#1234|NPA1]_00:00:07,01-01-1970");
	cr_expect_eq(d->counters.acked, 1);
	cr_expect_eq(d->seen[0].device_time_us, 0);
	cr_expect_not(d->seen[0].dated);
	cr_expect(strstr(d->seen[0].fields, "device_time=00:00:07,01-01-1970;"));
	desk_close(d);
}

Test(crypt, speaks_all_three_key_lengths)
{
	static const char *const keys[] = { "00112233445566778899AABBCCDDEEFF",
		"00112233445566778899AABBCCDDEEFF0011223344556677",
		"00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF" };
	for (int i = 0; i < 3; i++) {
		struct desk *d = desk_with_key(keys[i]);
		say_encrypted(d, "ADM-CID", "0001R1L1#1234", "|#1234|1120 01 003]_12:00:00,11-22-2026");
		say_encrypted(d, "NULL", "0002R1L1#1234", "|]_12:00:00,11-22-2026");
		cr_expect_eq(d->counters.acked, 2, "key %d", i);
		cr_expect_str_eq(d->seen[0].code, "120 q1");
		cr_expect(d->seen[1].alive);
		desk_close(d);
	}
	struct dc09_key key;
	cr_expect_not(dc09_key_parse(&key, "0011"));
	cr_expect_not(dc09_key_parse(&key, "0011223344556677X899AABBCCDDEEFF"));
}

Test(crypt, is_silent_to_strangers)
{
	struct desk *d = desk_with_key("00112233445566778899AABBCCDDEEFF");
	say_encrypted(d, "SIA-DCS", "0001L0#1234", "|#9999|NPA1]_12:00:00,11-22-2026");
	cr_expect_eq(d->counters.silent[DC09_SILENT_FOREIGN], 1);
	struct desk *other = desk_with_key("FF112233445566778899AABBCCDDEEFF");
	for (int i = 0; i < 500; i++) { /* Noise holds a bar now and then, never a whole message. */
		char clear[64], body[300], hex[200];
		uint8_t text[64];
		memset(text, 'p', sizeof text);
		snprintf(clear, sizeof clear, "|#1234|Nri%03d/PA1]_12:00:00,11-22-2026", i);
		memcpy(text + sizeof text - strlen(clear), clear, strlen(clear));
		cr_assert(dc09_encrypt(&d->account.key, torap_bytes(text, sizeof text), text));
		snprintf(body, sizeof body, "\"*SIA-DCS\"0001L0#1234[%s",
			torap_hex(hex, torap_bytes(text, sizeof text)));
		desk_say(other, body);
	}
	cr_expect_eq(other->counters.silent[DC09_SILENT_NOISE], 500);
	other->account.key = (struct dc09_key){ 0 };
	desk_say(other, "\"*SIA-DCS\"0001L0#1234[00112233445566778899AABBCCDDEEFF");
	cr_expect_eq(other->counters.silent[DC09_SILENT_NO_KEY], 1);
	cr_expect_eq(other->sent_size, 0);
	cr_expect_eq(d->sent_size, 0);
	desk_close(other);
	desk_close(d);
}

/* The same alarm told again is encrypted anew, by another path, in the clear, after a reconnect: one thing all the same. */
Test(crypt, gives_a_repeat_the_same_key_however_it_comes)
{
	struct desk *d = desk_with_key("00112233445566778899AABBCCDDEEFF");
	say_encrypted(d, "SIA-DCS", "0001L0#1234", "|#1234|NPA1]_12:00:00,11-22-2026");
	say_encrypted(d, "SIA-DCS", "0001L0#1234", "|another pad|#1234|NPA1]_12:00:00,11-22-2026");
	say_encrypted(d, "SIA-DCS", "0077L0#1234", "|#1234|NPA1]_12:00:00,11-22-2026");
	desk_say(d, "\"SIA-DCS\"0078L0#1234[#1234|NPA1]_12:00:00,11-22-2026");
	cr_assert_eq(d->counters.plain_with_key, 1);
	for (unsigned i = 0; i < d->seen_count; i++) {
		cr_expect(d->seen[i].dated);
		bool same = !memcmp(d->seen[i].repeat_key, d->seen[0].repeat_key, DC09_REPEAT_KEY_SIZE);
		cr_expect(same, "telling %u", i);
	}
	desk_close(d);
}
