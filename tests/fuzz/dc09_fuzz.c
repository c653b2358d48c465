/* dc09_fuzz.c: hostile bytes at a DC-09 receiver: splitter, decoder, deciphering, observations, answers, all through a session.
 *
 * The first byte chooses the account's code page and key, the second how the rest is cut into segments; the CRC of whatever looks
 * like a frame is put right half the time, so that the decoders behind it are reached.  Two sessions are fed the same bytes, one
 * whole and one in pieces: they must agree. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/dc09/crc.h"
#include "agents/dc09/observe.h"
#include "agents/dc09/session.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	int r = dc09_text_load(NULL);
	assert(r == 0);
	return r;
}

struct bench {
	struct dc09_session session;
	struct dc09_counters counters;
	struct dc09_account account;
	uint64_t tickets[DC09_PENDING_MAX * DC09_EVENTS_MAX];
	unsigned count;
	size_t sent;
};

static void on_account(void *hint, const char *account, struct dc09_account *out)
{
	assert(strlen(account) <= DC09_ACCOUNT_MAX);
	*out = ((struct bench *)hint)->account;
}

static unsigned on_offer(void *hint, struct dc09_session *s, uint64_t ticket, const struct dc09_message *m,
	const struct dc09_account *account, struct dc09_now now)
{
	struct bench *b = hint;
	static struct dc09_observation o;
	static uint8_t packed[64 << 10];
	(void)s;
	unsigned count = dc09_observations(m);
	for (unsigned i = 0; i < count; i++) {
		dc09_observe(&o, m, i, account->code_page, now.wall);
		assert(torap__observation__get_packed_size(&o.o) <= sizeof packed);
		torap__observation__pack(&o.o, packed);
		assert(b->count < sizeof b->tickets / sizeof *b->tickets);
		b->tickets[b->count++] = ticket;
	}
	return count;
}

static void on_send(void *hint, struct dc09_session *s, struct torap_bytes reply)
{
	(void)s;
	((struct bench *)hint)->sent += reply.size;
}

static void judge(struct bench *b, struct dc09_now now)
{
	while (b->count) {
		uint64_t tickets[sizeof b->tickets / sizeof *b->tickets];
		unsigned count = b->count;
		memcpy(tickets, b->tickets, sizeof tickets);
		b->count = 0;
		for (unsigned i = 0; i < count; i++)
			dc09_session_verdict(&b->session, tickets[i], tickets[i] % 5 != 0, now);
	}
}

/* Puts the CRC right of each thing between LF and CR that is long enough. */
static void mend(uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 10 < size; i++) {
		uint8_t *cr = data[i] == '\n' ? memchr(data + i + 9, '\r', size - i - 9) : NULL;
		if (!cr || data[i + 9] != '"')
			continue;
		size_t body = (size_t)(cr - data) - i - 9;
		char header[16];
		snprintf(header, sizeof header, "%04X%04X",
			(unsigned)dc09_crc(torap_bytes(data + i + 9, body)), (unsigned)(body & 0xffff));
		memcpy(data + i + 1, header, 8);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct bench whole = { .account.code_page = data[0] % 5 };
	if (data[0] & 0x40)
		dc09_key_parse(&whole.account.key, "ABCDABCDABCDABCDABCDABCDABCDABCD");
	size_t step = 1 + data[1] % 64;
	size_t rest = size - 2;
	uint8_t *bytes = malloc(rest + 1);
	memcpy(bytes, data + 2, rest);
	if (data[0] & 0x80)
		mend(bytes, rest);

	struct bench pieces = whole;
	struct dc09_port whole_port = { &whole, on_account, on_offer, on_send };
	struct dc09_port pieces_port = { &pieces, on_account, on_offer, on_send };
	struct dc09_limits limits = dc09_limits_default;
	limits.noise_bytes =
		UINT64_MAX; /* Where in the noise a session ends depends on the pieces; the rest must not. */
	struct dc09_now now = { { 1000000 }, { 1434985965 * (int64_t)TORAP_US_PER_S } };
	dc09_session_init(&whole.session, &whole_port, &limits, &whole.counters, 7, now.mono);
	dc09_session_init(&pieces.session, &pieces_port, &limits, &pieces.counters, 7, now.mono);

	dc09_session_bytes(&whole.session, torap_bytes(bytes, rest), now);
	judge(&whole, now);
	for (size_t at = 0; at < rest; at += step) {
		dc09_session_bytes(
			&pieces.session, torap_bytes(bytes + at, rest - at < step ? rest - at : step), now);
		judge(&pieces, now);
	}
	assert(pieces.session.splitter.size <= 2 * DC09_FRAME_SIZE_MAX);
	assert(whole.sent == pieces.sent);
	assert(!memcmp(&whole.counters.silent, &pieces.counters.silent, sizeof whole.counters.silent));

	dc09_session_hang_up(&whole.session, now);
	judge(&whole, now);
	now.mono.us += 3600 * (int64_t)TORAP_US_PER_S;
	dc09_session_tick(&whole.session, now);
	dc09_session_tick(&pieces.session, now);
	assert(dc09_session_end(&whole.session));
	dc09_session_finish(&whole.session);
	dc09_session_finish(&pieces.session);
	free(bytes);
	return 0;
}
