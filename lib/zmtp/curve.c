#include "zmtp/curve.h"

#include <sodium.h>
#include <string.h>

enum {
	NONCE = crypto_box_NONCEBYTES,
	MAC = crypto_box_MACBYTES,
	LONG_NONCE = 16,
	SHORT_NONCE = 8,
	COOKIE = 96,
	VOUCH = 96,
	/* Of INITIATE: "\10INITIATE", cookie, nonce, a box of C (32), vouch, metadata. */
	COOKIE_AT = 9,
	INITIATE_NONCE_AT = COOKIE_AT + COOKIE,
	INITIATE_BOX_AT = INITIATE_NONCE_AT + SHORT_NONCE,
};

static const char hello_name[] = "\5HELLO";
static const char welcome_name[] = "\7WELCOME";
static const char initiate_name[] = "\10INITIATE";
static const char ready_name[] = "\5READY";
static const char message_name[] = "\7MESSAGE";
static const char from_listener[] = "CurveZMQMESSAGES";
static const char from_dialler[] = "CurveZMQMESSAGEC";

static bool is_named(const uint8_t *command, size_t size, const char *name)
{
	size_t length = strlen(name);
	return size >= length && memcmp(command, name, length) == 0;
}

/* A nonce is a prefix that says what for, and what makes it the only one. */
static void make_nonce(uint8_t nonce[static NONCE], const char *prefix, const uint8_t *tail)
{
	size_t length = strlen(prefix);
	memcpy(nonce, prefix, length);
	memcpy(nonce + length, tail, NONCE - length);
}

static void put_u64(uint8_t *at, uint64_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 8)
		at[i] = (uint8_t)value;
}

static uint64_t get_u64(const uint8_t *at)
{
	uint64_t value = 0;
	for (int i = 0; i < 8; i++)
		value = value << 8 | at[i];
	return value;
}

/* --- who listens --- */

/* "\5HELLO", version 1.0, 72 zeros, C' (32), nonce (8), a box of 64 zeros (80). */
static bool open_hello(
	struct torap_curve_opening *o, const struct torap_curve_keys *keys, struct torap_bytes hello)
{
	uint8_t nonce[NONCE], zeros[64];
	const uint8_t *at = hello.data;
	if (hello.size != TORAP_CURVE_HELLO_SIZE || !is_named(at, hello.size, hello_name) || at[6] != 1 ||
		at[7] != 0)
		return false;
	memcpy(o->client, at + 80, sizeof o->client);
	make_nonce(nonce, "CurveZMQHELLO---", at + 112);
	return crypto_box_open_easy(zeros, at + 120, sizeof zeros + MAC, nonce, o->client, keys->secret) == 0;
}

/* "\7WELCOME", nonce (16), a box of S' (32) and the cookie (96).  The cookie is there for servers that keep no state of who knocks; we keep
 * it, for some seconds, so that ours holds nothing and only has to come back. */
static bool write_welcome(
	const struct torap_curve_opening *o, uint8_t *out, const uint8_t *short_public, const uint8_t *secret)
{
	uint8_t nonce[NONCE], plain[TORAP_CURVE_KEY_SIZE + sizeof o->cookie];
	memcpy(plain, short_public, TORAP_CURVE_KEY_SIZE);
	memcpy(plain + TORAP_CURVE_KEY_SIZE, o->cookie, sizeof o->cookie);
	memcpy(out, welcome_name, 8);
	randombytes_buf(out + 8, LONG_NONCE);
	make_nonce(nonce, "WELCOME-", out + 8);
	return crypto_box_easy(out + 8 + LONG_NONCE, plain, sizeof plain, nonce, o->client, secret) == 0;
}

bool torap_curve_welcome(struct torap_curve_opening *o, uint8_t out[static TORAP_CURVE_WELCOME_SIZE],
	const struct torap_curve_keys *keys, struct torap_bytes hello)
{
	uint8_t short_public[TORAP_CURVE_KEY_SIZE];
	if (!open_hello(o, keys, hello))
		return false;
	crypto_box_keypair(short_public, o->secret);
	randombytes_buf(o->cookie, sizeof o->cookie);
	return write_welcome(o, out, short_public, keys->secret);
}

/* Nonce (16), a box of C' and S, by C for S': the client's long-term key vouches for the short-term one, towards us and nobody else. */
static bool is_vouched(const struct torap_curve_opening *o, const struct torap_curve_keys *keys,
	const uint8_t *client, const uint8_t *vouch)
{
	uint8_t nonce[NONCE], plain[2 * TORAP_CURVE_KEY_SIZE];
	make_nonce(nonce, "VOUCH---", vouch);
	return crypto_box_open_easy(
		       plain, vouch + LONG_NONCE, sizeof plain + MAC, nonce, client, o->secret) == 0 &&
	       sodium_memcmp(plain, o->client, sizeof o->client) == 0 &&
	       sodium_memcmp(plain + sizeof o->client, keys->public, sizeof keys->public) == 0;
}

bool torap_curve_initiate(struct torap_curve *c, const struct torap_curve_opening *o,
	uint8_t out_key[static TORAP_CURVE_KEY_SIZE], struct torap_bytes *out_metadata,
	const struct torap_curve_keys *keys, uint8_t *initiate, size_t size)
{
	uint8_t nonce[NONCE], *plain = initiate + INITIATE_BOX_AT + MAC;
	if (size < TORAP_CURVE_INITIATE_MIN || size > TORAP_CURVE_INITIATE_MAX ||
		!is_named(initiate, size, initiate_name) ||
		sodium_memcmp(initiate + COOKIE_AT, o->cookie, sizeof o->cookie) != 0)
		return false;
	make_nonce(nonce, "CurveZMQINITIATE", initiate + INITIATE_NONCE_AT);
	if (crypto_box_beforenm(c->shared, o->client, o->secret) != 0 ||
		crypto_box_open_detached_afternm(plain, plain, initiate + INITIATE_BOX_AT,
			size - INITIATE_BOX_AT - MAC, nonce, c->shared) != 0 ||
		!is_vouched(o, keys, plain, plain + TORAP_CURVE_KEY_SIZE))
		return false;
	c->heard = get_u64(initiate + INITIATE_NONCE_AT);
	memcpy(out_key, plain, TORAP_CURVE_KEY_SIZE);
	const uint8_t *metadata = plain + TORAP_CURVE_KEY_SIZE + VOUCH;
	*out_metadata = torap_bytes(metadata, (size_t)(initiate + size - metadata));
	return true;
}

void torap_curve_ready(struct torap_curve *c, uint8_t *out, struct torap_bytes metadata)
{
	uint8_t nonce[NONCE];
	memcpy(out, ready_name, 6);
	put_u64(out + 6, ++c->sent);
	make_nonce(nonce, "CurveZMQREADY---", out + 6);
	crypto_box_easy_afternm(out + 6 + SHORT_NONCE, metadata.data, metadata.size, nonce, c->shared);
}

/* --- who dials --- */

bool torap_curve_hello(struct torap_curve_opening *o, uint8_t out[static TORAP_CURVE_HELLO_SIZE],
	const uint8_t server[static TORAP_CURVE_KEY_SIZE])
{
	static const uint8_t zeros[64];
	uint8_t nonce[NONCE];
	crypto_box_keypair(o->client, o->secret);
	memset(out, 0, TORAP_CURVE_HELLO_SIZE);
	memcpy(out, hello_name, 6);
	out[6] = 1;
	memcpy(out + 80, o->client, sizeof o->client);
	put_u64(out + 112, 1);
	make_nonce(nonce, "CurveZMQHELLO---", out + 112);
	return crypto_box_easy(out + 120, zeros, sizeof zeros, nonce, server, o->secret) == 0;
}

static bool write_vouch(uint8_t *out, const struct torap_curve_opening *o,
	const struct torap_curve_keys *keys, const uint8_t *server, const uint8_t *server_short)
{
	uint8_t nonce[NONCE], plain[2 * TORAP_CURVE_KEY_SIZE];
	memcpy(plain, o->client, TORAP_CURVE_KEY_SIZE);
	memcpy(plain + TORAP_CURVE_KEY_SIZE, server, TORAP_CURVE_KEY_SIZE);
	randombytes_buf(out, LONG_NONCE);
	make_nonce(nonce, "VOUCH---", out);
	return crypto_box_easy(out + LONG_NONCE, plain, sizeof plain, nonce, server_short, keys->secret) == 0;
}

bool torap_curve_answer(struct torap_curve *c, const struct torap_curve_opening *o, uint8_t *out,
	const struct torap_curve_keys *keys, const uint8_t server[static TORAP_CURVE_KEY_SIZE],
	struct torap_bytes welcome, struct torap_bytes metadata)
{
	uint8_t nonce[NONCE], plain[TORAP_CURVE_KEY_SIZE + COOKIE];
	if (welcome.size != TORAP_CURVE_WELCOME_SIZE || !is_named(welcome.data, welcome.size, welcome_name))
		return false;
	make_nonce(nonce, "WELCOME-", welcome.data + 8);
	if (crypto_box_open_easy(plain, welcome.data + 8 + LONG_NONCE, sizeof plain + MAC, nonce, server,
		    o->secret) != 0 ||
		crypto_box_beforenm(c->shared, plain, o->secret) != 0)
		return false;
	c->dials = true;
	uint8_t *box = out + INITIATE_BOX_AT + MAC;
	memcpy(out, initiate_name, COOKIE_AT);
	memcpy(out + COOKIE_AT, plain + TORAP_CURVE_KEY_SIZE, COOKIE);
	put_u64(out + INITIATE_NONCE_AT, ++c->sent);
	memcpy(box, keys->public, TORAP_CURVE_KEY_SIZE);
	if (!write_vouch(box + TORAP_CURVE_KEY_SIZE, o, keys, server, plain))
		return false;
	if (metadata.size)
		memcpy(box + TORAP_CURVE_KEY_SIZE + VOUCH, metadata.data, metadata.size);
	make_nonce(nonce, "CurveZMQINITIATE", out + INITIATE_NONCE_AT);
	return crypto_box_detached_afternm(box, out + INITIATE_BOX_AT, box,
		       TORAP_CURVE_KEY_SIZE + VOUCH + metadata.size, nonce, c->shared) == 0;
}

bool torap_curve_admitted(
	struct torap_curve *c, struct torap_bytes *out_metadata, uint8_t *ready, size_t size)
{
	uint8_t nonce[NONCE], *plain = ready + TORAP_CURVE_READY_OVERHEAD;
	if (size < TORAP_CURVE_READY_OVERHEAD || !is_named(ready, size, ready_name))
		return false;
	make_nonce(nonce, "CurveZMQREADY---", ready + 6);
	*out_metadata = torap_bytes(plain, size - TORAP_CURVE_READY_OVERHEAD);
	if (crypto_box_open_detached_afternm(
		    plain, plain, ready + 6 + SHORT_NONCE, out_metadata->size, nonce, c->shared) != 0)
		return false;
	c->heard = get_u64(ready + 6);
	return true;
}

/* --- both --- */

/* "\7MESSAGE", nonce (8), a box of the flags (1) and the payload. */
void torap_curve_seal(struct torap_curve *c, uint8_t *out, uint8_t flags, struct torap_bytes payload)
{
	uint8_t nonce[NONCE], *plain = out + 8 + SHORT_NONCE + MAC;
	memcpy(out, message_name, 8);
	put_u64(out + 8, ++c->sent);
	make_nonce(nonce, c->dials ? from_dialler : from_listener, out + 8);
	plain[0] = flags;
	if (payload.size)
		memcpy(plain + 1, payload.data, payload.size);
	crypto_box_detached_afternm(plain, out + 8 + SHORT_NONCE, plain, 1 + payload.size, nonce, c->shared);
}

bool torap_curve_open(struct torap_curve *c, uint8_t *out_flags, struct torap_bytes *out_payload,
	uint8_t *message, size_t size)
{
	uint8_t nonce[NONCE], *plain = message + 8 + SHORT_NONCE + MAC;
	if (size < TORAP_CURVE_MESSAGE_OVERHEAD || !is_named(message, size, message_name))
		return false;
	uint64_t number = get_u64(message + 8);
	make_nonce(nonce, c->dials ? from_listener : from_dialler, message + 8);
	if (number <= c->heard || crypto_box_open_detached_afternm(plain, plain, message + 8 + SHORT_NONCE,
					  size - 8 - SHORT_NONCE - MAC, nonce, c->shared) != 0)
		return false;
	c->heard = number;
	*out_flags = plain[0];
	*out_payload = torap_bytes(plain + 1, size - TORAP_CURVE_MESSAGE_OVERHEAD);
	return true;
}
