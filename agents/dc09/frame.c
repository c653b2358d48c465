#include "agents/dc09/frame.h"

#include <string.h>

#include "agents/dc09/crc.h"

const char *dc09_crc_form_name(enum dc09_crc_form form)
{
	static const char *const names[] = {
		[DC09_CRC_GOOD] = "good",
		[DC09_CRC_LOWER] = "lower",
		[DC09_CRC_BINARY] = "binary",
		[DC09_CRC_ELDES] = "eldes",
		[DC09_CRC_LENGTH] = "crc-only",
	};
	return form < DC09_CRC_FORMS ? names[form] : NULL;
}

bool dc09_bytes_are(struct torap_bytes bytes, const char *text)
{
	return bytes.size == strlen(text) && !memcmp(bytes.data, text, bytes.size);
}

/* The splitter has made sure that these are hexadecimal digits. */
static uint16_t crc_value(const struct dc09_cut *cut)
{
	if (cut->crc.size == 2)
		return (uint16_t)(cut->crc.data[0] << 8 | cut->crc.data[1]);
	uint16_t value = 0;
	for (size_t i = 0; i < cut->crc.size; i++)
		value = (uint16_t)(value << 4 | torap_hex_value(cut->crc.data[i]));
	return value;
}

static enum dc09_crc_form form_of(const struct dc09_cut *cut, size_t counted)
{
	if (cut->length != counted)
		return DC09_CRC_LENGTH;
	if (cut->crc.size == 2)
		return DC09_CRC_BINARY;
	return cut->lower ? DC09_CRC_LOWER : DC09_CRC_GOOD;
}

enum { BLANKS_MAX = 8 }; /* at the end: a slip of some panels, and no message */

bool dc09_frame_check(struct dc09_cut *cut, enum dc09_crc_form *form)
{
	struct torap_bytes body = cut->body;
	size_t blanks = 0;
	while (blanks < BLANKS_MAX && body.size > blanks + 1 &&
		(body.data[body.size - blanks - 1] == ' ' || body.data[body.size - blanks - 1] == 0))
		blanks++;
	uint16_t want = crc_value(cut), crc[BLANKS_MAX + 1]; /* without so many of the blanks */
	crc[blanks] = dc09_crc(torap_bytes(body.data, body.size - blanks));
	for (size_t n = blanks; n-- > 0;)
		crc[n] = dc09_crc_more(crc[n + 1], torap_bytes(body.data + body.size - n - 1, 1));
	if (crc[0] != want && dc09_crc_more(crc[0], torap_bytes("\r", 1)) == want) {
		*form = DC09_CRC_ELDES;
		return true;
	}
	for (size_t n = 0; n <= blanks; n++) {
		if (crc[n] != want)
			continue;
		cut->body.size = body.size - n;
		*form = form_of(cut, cut->body.size);
		return true;
	}
	return false;
}

static struct torap_bytes take_digits(const uint8_t **at, const uint8_t *end, int base)
{
	const uint8_t *from = *at;
	for (; *at < end; ++*at) {
		int value = torap_hex_value(**at);
		if (value < 0 || value >= base)
			break;
	}
	return torap_bytes(from, (size_t)(*at - from));
}

static bool printable(struct torap_bytes bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		if (bytes.data[i] <= ' ' || bytes.data[i] >= 0x7f)
			return false;
	return true;
}

/* SEQ, then R and L with or without digits, then the account: hexadecimal by the standard, anything printable in the field. */
static int decode_echo(struct dc09_frame *out)
{
	const uint8_t *at = out->echo.data, *end = at + out->echo.size;
	out->sequence = take_digits(&at, end, 10);
	if (at < end && *at == 'R') {
		at++;
		out->receiver = take_digits(&at, end, 16);
	}
	if (at < end && *at == 'L') {
		at++;
		out->line = take_digits(&at, end, 16);
	}
	const uint8_t *sharp = at < end ? memchr(at, '#', (size_t)(end - at)) : NULL;
	if (sharp)
		out->account = torap_bytes(sharp + 1, (size_t)(end - sharp - 1));
	if (out->account.size > DC09_ACCOUNT_MAX || !printable(out->account))
		return DC09_FRAME_UNREADABLE;
	return 0;
}

int dc09_frame_decode(struct dc09_frame *out, const struct dc09_cut *cut, enum dc09_crc_form form)
{
	*out = (struct dc09_frame){ .form = form, .raw = cut->raw, .binary = cut->crc.size == 2 };
	const uint8_t *at = cut->body.data + 1, *end = cut->body.data + cut->body.size;
	const uint8_t *quote = memchr(at, '"', (size_t)(end - at));
	if (!quote)
		return DC09_FRAME_UNREADABLE;
	if (at < quote && *at == '*') {
		out->encrypted = true;
		at++;
	}
	out->token = torap_bytes(at, (size_t)(quote - at));
	if (!out->token.size || out->token.size > 16 || !printable(out->token))
		return DC09_FRAME_UNREADABLE;

	at = quote + 1;
	const uint8_t *bracket = memchr(at, '[', (size_t)(end - at));
	out->echo = torap_bytes(at, (size_t)((bracket ? bracket : end) - at));
	if (out->echo.size > DC09_ECHO_MAX)
		return DC09_FRAME_UNREADABLE;
	if (bracket)
		out->rest = torap_bytes(bracket + 1, (size_t)(end - bracket - 1));
	return decode_echo(out);
}

bool dc09_frame_is_reply(const struct dc09_frame *frame)
{
	static const char *const replies[] = { "ACK", "NAK", "DUH", "RSP" };
	for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
		if (dc09_bytes_are(frame->token, replies[i]))
			return true;
	return false;
}
