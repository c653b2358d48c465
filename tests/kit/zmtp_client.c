#include "kit/zmtp_client.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { MAC = crypto_box_MACBYTES, NONCE = crypto_box_NONCEBYTES };

void zmtp_keys(uint8_t seed, uint8_t *public, uint8_t *secret)
{
	uint8_t bytes[crypto_box_SEEDBYTES];
	memset(bytes, seed, sizeof bytes);
	crypto_box_seed_keypair(public, secret, bytes);
}

void zmtp_client_init(struct zmtp_client *c, uint8_t seed, const uint8_t *server)
{
	*c = (struct zmtp_client){ .socket_type = "DEALER" };
	zmtp_keys(seed, c->public, c->secret);
	zmtp_keys(seed ^ 0x80, c->short_public, c->short_secret);
	memcpy(c->server, server, sizeof c->server);
	memcpy(c->vouched, server, sizeof c->vouched);
}

void zmtp_client_greeting(uint8_t out[ZMTP_GREETING_SIZE])
{
	memset(out, 0, ZMTP_GREETING_SIZE);
	out[0] = 0xff;
	out[8] = 1;
	out[9] = 0x7f;
	out[10] = 3;
	out[11] = 1;
	memcpy(out + 12, "CURVE", 5);
}

static void short_nonce(uint8_t nonce[static NONCE], const char *prefix, uint64_t number)
{
	memcpy(nonce, prefix, NONCE - 8);
	for (int i = NONCE - 1; i >= NONCE - 8; i--, number >>= 8)
		nonce[i] = (uint8_t)number;
}

static void long_nonce(uint8_t nonce[static NONCE], const char *prefix, const uint8_t *tail)
{
	memcpy(nonce, prefix, NONCE - 16);
	memcpy(nonce + NONCE - 16, tail, 16);
}

static void seal(struct torap_writer *out, struct torap_bytes plain, const uint8_t *nonce, const uint8_t *to,
	const uint8_t *by)
{
	uint8_t *box = torap_write_room(out, plain.size + MAC);
	assert(box);
	int r = crypto_box_easy(box, plain.data, plain.size, nonce, to, by);
	assert(r == 0);
	(void)r;
}

void zmtp_client_frame(struct torap_writer *out, uint8_t flags, struct torap_bytes body)
{
	torap_write_u8(out, body.size > 255 ? flags | 2 : flags);
	if (body.size > 255)
		torap_write_u64(out, body.size);
	else
		torap_write_u8(out, (uint8_t)body.size);
	torap_write_bytes(out, body);
	assert(!out->failed);
}

static void finish_frame(struct torap_writer *out, uint8_t flags, struct torap_writer *body)
{
	assert(!body->failed);
	zmtp_client_frame(out, flags, torap_bytes(body->data, body->size));
	torap_writer_finish(body);
}

void zmtp_client_hello(struct zmtp_client *c, struct torap_writer *out)
{
	static const uint8_t zeros[72];
	struct torap_writer w = { 0 };
	uint8_t nonce[NONCE];
	short_nonce(nonce, "CurveZMQHELLO---", ++c->sent);
	torap_write_bytes(&w, torap_bytes("\5HELLO\1\0", 8));
	torap_write_bytes(&w, torap_bytes(zeros, 72));
	torap_write_bytes(&w, torap_bytes(c->short_public, ZMTP_KEY_SIZE));
	torap_write_u64(&w, c->sent);
	seal(&w, torap_bytes(zeros, 64), nonce, c->server, c->short_secret);
	finish_frame(out, ZMTP_COMMAND, &w);
}

static void write_vouch(struct zmtp_client *c, struct torap_writer *w)
{
	uint8_t nonce[NONCE], plain[2 * ZMTP_KEY_SIZE], tail[16];
	memset(tail, 'v', sizeof tail);
	long_nonce(nonce, "VOUCH---", tail);
	memcpy(plain, c->short_public, ZMTP_KEY_SIZE);
	memcpy(plain + ZMTP_KEY_SIZE, c->vouched, ZMTP_KEY_SIZE);
	torap_write_bytes(w, torap_bytes(tail, sizeof tail));
	seal(w, torap_bytes(plain, sizeof plain), nonce, c->server_short, c->secret);
}

static void write_property(struct torap_writer *w, const char *name, const char *value)
{
	torap_write_u8(w, (uint8_t)strlen(name));
	torap_write_bytes(w, torap_bytes(name, strlen(name)));
	torap_write_u32(w, (uint32_t)strlen(value));
	torap_write_bytes(w, torap_bytes(value, strlen(value)));
}

void zmtp_client_initiate(struct zmtp_client *c, struct torap_writer *out)
{
	struct torap_writer w = { 0 }, plain = { 0 };
	uint8_t nonce[NONCE];
	short_nonce(nonce, "CurveZMQINITIATE", ++c->sent);
	torap_write_bytes(&plain, torap_bytes(c->public, ZMTP_KEY_SIZE));
	write_vouch(c, &plain);
	write_property(&plain, "Socket-Type", c->socket_type);
	write_property(&plain, "Identity", "");
	torap_write_bytes(&w, torap_bytes("\10INITIATE", 9));
	torap_write_bytes(&w, torap_bytes(c->cookie, sizeof c->cookie));
	torap_write_u64(&w, c->sent);
	seal(&w, torap_bytes(plain.data, plain.size), nonce, c->server_short, c->short_secret);
	torap_writer_finish(&plain);
	finish_frame(out, ZMTP_COMMAND, &w);
}

void zmtp_client_message(
	struct zmtp_client *c, struct torap_writer *out, uint8_t flags, struct torap_bytes payload)
{
	struct torap_writer w = { 0 }, plain = { 0 };
	uint8_t nonce[NONCE];
	short_nonce(nonce, "CurveZMQMESSAGEC", ++c->sent);
	torap_write_u8(&plain, flags);
	torap_write_bytes(&plain, payload);
	torap_write_bytes(&w, torap_bytes("\7MESSAGE", 8));
	torap_write_u64(&w, c->sent);
	seal(&w, torap_bytes(plain.data, plain.size), nonce, c->server_short, c->short_secret);
	torap_writer_finish(&plain);
	finish_frame(out, 0, &w);
}

bool zmtp_client_next(struct torap_bytes *in, uint8_t *out_flags, struct torap_bytes *out_body)
{
	struct torap_reader r = torap_reader(*in);
	uint8_t flags = torap_read_u8(&r);
	uint64_t size = flags & 2 ? torap_read_u64(&r) : torap_read_u8(&r);
	struct torap_bytes body = torap_read_bytes(&r, size);
	if (r.failed)
		return false;
	*out_flags = flags;
	*out_body = body;
	*in = torap_bytes(r.at, (size_t)(r.end - r.at));
	return true;
}

bool zmtp_client_welcome(struct zmtp_client *c, struct torap_bytes body)
{
	uint8_t nonce[NONCE], plain[ZMTP_KEY_SIZE + 96];
	if (body.size != 8 + 16 + sizeof plain + MAC || memcmp(body.data, "\7WELCOME", 8) != 0)
		return false;
	long_nonce(nonce, "WELCOME-", body.data + 8);
	if (crypto_box_open_easy(plain, body.data + 24, body.size - 24, nonce, c->server, c->short_secret) !=
		0)
		return false;
	memcpy(c->server_short, plain, ZMTP_KEY_SIZE);
	memcpy(c->cookie, plain + ZMTP_KEY_SIZE, sizeof c->cookie);
	return crypto_box_beforenm(c->shared, c->server_short, c->short_secret) == 0;
}

/* The rest of a command whose short nonce stands at `at`. */
static bool open_rest(struct zmtp_client *c, struct torap_bytes body, size_t at, const char *prefix,
	struct torap_writer *out)
{
	uint8_t nonce[NONCE];
	if (body.size < at + 8 + MAC)
		return false;
	struct torap_reader r = torap_reader(torap_bytes(body.data + at, 8));
	uint64_t number = torap_read_u64(&r);
	short_nonce(nonce, prefix, number);
	size_t size = body.size - at - 8;
	uint8_t *plain = torap_write_room(out, size - MAC);
	assert(plain || size == MAC);
	if (number <= c->heard ||
		crypto_box_open_easy_afternm(plain, body.data + at + 8, size, nonce, c->shared) != 0)
		return false;
	c->heard = number;
	return true;
}

bool zmtp_client_ready(struct zmtp_client *c, struct torap_bytes body, struct torap_writer *out_metadata)
{
	return body.size > 6 && memcmp(body.data, "\5READY", 6) == 0 &&
	       open_rest(c, body, 6, "CurveZMQREADY---", out_metadata);
}

bool zmtp_client_open(
	struct zmtp_client *c, struct torap_bytes body, uint8_t *out_flags, struct torap_writer *out_payload)
{
	struct torap_writer w = { 0 };
	bool good = body.size > 8 && memcmp(body.data, "\7MESSAGE", 8) == 0 &&
		    open_rest(c, body, 8, "CurveZMQMESSAGES", &w) && w.size > 0;
	if (good) {
		*out_flags = w.data[0];
		torap_write_bytes(out_payload, torap_bytes(w.data + 1, w.size - 1));
	}
	torap_writer_finish(&w);
	return good;
}
