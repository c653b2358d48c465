#include "agents/dc09/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agents/dc09/crc.h"
#include "agents/dc09/moment.h"

enum { BODY_SIZE_MAX = DC09_REPLY_SIZE_MAX - 10 };

struct body {
	size_t size;
	uint8_t bytes[BODY_SIZE_MAX];
};

static void put(struct body *b, struct torap_bytes bytes)
{
	assert(b->size + bytes.size <= sizeof b->bytes); /* DC09_ECHO_MAX bounds the only part that varies. */
	memcpy(b->bytes + b->size, bytes.data, bytes.size);
	b->size += bytes.size;
}

static void put_text(struct body *b, const char *text)
{
	put(b, torap_bytes(text, strlen(text)));
}

static void wrap(struct dc09_reply *out, const struct body *b, bool binary)
{
	uint16_t crc = dc09_crc(torap_bytes(b->bytes, b->size));
	char header[16];
	size_t size;
	if (binary) {
		header[0] = '\n';
		header[1] = (char)(crc >> 8);
		header[2] = (char)(crc & 0xff);
		size = 3 + (size_t)snprintf(header + 3, sizeof header - 3, "%04X", (unsigned)b->size);
	} else {
		size = (size_t)snprintf(
			header, sizeof header, "\n%04X%04X", (unsigned)crc, (unsigned)b->size);
	}
	memcpy(out->bytes, header, size);
	memcpy(out->bytes + size, b->bytes, b->size);
	out->size = size + b->size;
	out->bytes[out->size++] = '\r';
}

/* Any byte but the three that structure a message. */
static uint8_t pad_byte(uint64_t *random)
{
	for (;;) {
		*random = *random * 6364136223846793005u + 1442695040888963407u;
		uint8_t c = (uint8_t)(*random >> 56);
		if (c != '|' && c != '[' && c != ']')
			return c;
	}
}

static bool put_encrypted(struct body *b, const struct dc09_key *key, struct torap_wall now, uint64_t random)
{
	char moment[DC09_MOMENT_TEXT_SIZE], tail[DC09_MOMENT_TEXT_SIZE + 4];
	int tail_size = snprintf(tail, sizeof tail, "|]_%s", dc09_moment_format(now, moment));
	uint8_t clear[3 * DC09_BLOCK_SIZE];
	/* At least one byte of pad. */
	size_t size = ((size_t)tail_size / DC09_BLOCK_SIZE + 1) * DC09_BLOCK_SIZE;
	assert(size <= sizeof clear);
	size_t pad = size - (size_t)tail_size;
	for (size_t i = 0; i < pad; i++)
		clear[i] = pad_byte(&random);
	memcpy(clear + pad, tail, (size_t)tail_size);
	if (!dc09_encrypt(key, torap_bytes(clear, size), clear))
		return false;
	for (size_t i = 0; i < size; i++) {
		char pair[3];
		snprintf(pair, sizeof pair, "%02X", clear[i]);
		put_text(b, pair);
	}
	return true;
}

bool dc09_reply_ack(struct dc09_reply *out, struct torap_bytes echo, bool binary, const struct dc09_key *key,
	struct torap_wall now, uint64_t random)
{
	struct body b = { 0 };
	put_text(&b, key->size ? "\"*ACK\"" : "\"ACK\"");
	put(&b, echo);
	put_text(&b, "[");
	if (!key->size)
		put_text(&b, "]");
	else if (!put_encrypted(&b, key, now, random))
		return false;
	wrap(out, &b, binary);
	return true;
}

void dc09_reply_nak(struct dc09_reply *out, bool binary, struct torap_wall now)
{
	char moment[DC09_MOMENT_TEXT_SIZE];
	struct body b = { 0 };
	put_text(&b, "\"NAK\"0000R0L0A0[]_");
	put_text(&b, dc09_moment_format(now, moment));
	wrap(out, &b, binary);
}

void dc09_reply_duh(struct dc09_reply *out, struct torap_bytes echo, bool binary)
{
	struct body b = { 0 };
	put_text(&b, "\"DUH\"");
	put(&b, echo);
	put_text(&b, "[]");
	wrap(out, &b, binary);
}
