#include <criterion/criterion.h>

#include <string.h>

#include "kit/zmq_peer.h"
#include "kit/zmtp_client.h"
#include "zmtp/curve.h"

/* Both ends of a handshake: ours, and a client that shares no line with it.  The steps may be spoiled in between. */
struct meeting {
	struct torap_curve_keys keys;
	struct torap_curve_opening opening;
	struct torap_curve curve;
	struct zmtp_client client;
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	struct torap_writer out;     /* of the client: a frame */
	struct torap_bytes metadata; /* within out */
};

static void begin(struct meeting *m)
{
	*m = (struct meeting){ 0 };
	zmtp_keys(1, m->keys.public, m->keys.secret);
	zmtp_client_init(&m->client, 2, m->keys.public);
}

static void end(struct meeting *m)
{
	torap_writer_finish(&m->out);
}

/* What the client wrote last, without the frame's header. */
static uint8_t *body(struct meeting *m, size_t *out_size)
{
	size_t header = m->out.data[0] & 2 ? 9 : 2;
	*out_size = m->out.size - header;
	return m->out.data + header;
}

static void say_hello(struct meeting *m)
{
	m->out.size = 0;
	zmtp_client_hello(&m->client, &m->out);
}

static bool welcome(struct meeting *m)
{
	uint8_t out[TORAP_CURVE_WELCOME_SIZE];
	size_t size;
	uint8_t *hello = body(m, &size);
	return torap_curve_welcome(&m->opening, out, &m->keys, torap_bytes(hello, size)) &&
	       zmtp_client_welcome(&m->client, torap_bytes(out, sizeof out));
}

static void say_initiate(struct meeting *m)
{
	m->out.size = 0;
	zmtp_client_initiate(&m->client, &m->out);
}

static bool initiate(struct meeting *m)
{
	size_t size;
	uint8_t *bytes = body(m, &size);
	return torap_curve_initiate(&m->curve, &m->opening, m->key, &m->metadata, &m->keys, bytes, size);
}

static void open_all(struct meeting *m)
{
	begin(m);
	say_hello(m);
	cr_assert(welcome(m));
	say_initiate(m);
	cr_assert(initiate(m));
}

static void say(struct meeting *m, uint8_t flags, const char *text)
{
	m->out.size = 0;
	zmtp_client_message(&m->client, &m->out, flags, torap_bytes(text, strlen(text)));
}

static bool hear(struct meeting *m, uint8_t *flags, struct torap_bytes *payload)
{
	size_t size;
	uint8_t *bytes = body(m, &size);
	return torap_curve_open(&m->curve, flags, payload, bytes, size);
}

Test(curve, knows_who_knocks_and_what_it_says_of_itself)
{
	struct meeting m;
	static const char metadata[] = "\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";
	open_all(&m);
	cr_assert_arr_eq(m.key, m.client.public, sizeof m.key);
	cr_assert_eq(m.metadata.size, sizeof metadata);
	cr_assert_arr_eq(m.metadata.data, metadata, sizeof metadata);
	end(&m);
}

Test(curve, says_ready_and_seals_what_the_client_can_open)
{
	struct meeting m;
	uint8_t ready[TORAP_CURVE_READY_OVERHEAD + 3], sealed[TORAP_CURVE_MESSAGE_OVERHEAD + 5], flags;
	struct torap_writer plain = { 0 };
	open_all(&m);
	torap_curve_ready(&m.curve, ready, torap_bytes("abc", 3));
	cr_assert(zmtp_client_ready(&m.client, torap_bytes(ready, sizeof ready), &plain));
	cr_assert(torap_bytes_equal(torap_bytes(plain.data, plain.size), torap_bytes("abc", 3)));
	for (uint8_t i = 0; i < 3; i++) {
		plain.size = 0;
		torap_curve_seal(&m.curve, sealed, i, torap_bytes("hello", 5));
		cr_assert(zmtp_client_open(&m.client, torap_bytes(sealed, sizeof sealed), &flags, &plain));
		cr_assert_eq(flags, i);
		cr_assert(torap_bytes_equal(torap_bytes(plain.data, plain.size), torap_bytes("hello", 5)));
	}
	torap_curve_seal(&m.curve, sealed, 0, torap_bytes(NULL, 0));
	plain.size = 0;
	cr_assert(zmtp_client_open(
		&m.client, torap_bytes(sealed, TORAP_CURVE_MESSAGE_OVERHEAD), &flags, &plain));
	cr_assert_eq(plain.size, 0);
	torap_writer_finish(&plain);
	end(&m);
}

Test(curve, opens_what_the_client_seals)
{
	struct meeting m;
	uint8_t flags;
	struct torap_bytes payload;
	open_all(&m);
	say(&m, TORAP_CURVE_MORE, "one");
	cr_assert(hear(&m, &flags, &payload));
	cr_assert_eq(flags, TORAP_CURVE_MORE);
	cr_assert(torap_bytes_equal(payload, torap_bytes("one", 3)));
	say(&m, 0, "");
	cr_assert(hear(&m, &flags, &payload));
	cr_assert_eq(flags, 0);
	cr_assert_eq(payload.size, 0);
	end(&m);
}

/* One bit of each byte in turn, in a HELLO of its own each.  What stands in the 72 zeros is not looked at, as in libzmq. */
Test(curve, takes_no_hello_that_is_spoiled)
{
	for (size_t at = 0; at < TORAP_CURVE_HELLO_SIZE; at++) {
		struct meeting m;
		size_t size;
		begin(&m);
		say_hello(&m);
		uint8_t *hello = body(&m, &size);
		cr_assert_eq(size, TORAP_CURVE_HELLO_SIZE);
		hello[at] ^= 1;
		cr_assert_eq(welcome(&m), at >= 8 && at < 80, "byte %zu", at);
		end(&m);
	}
}

Test(curve, takes_no_hello_of_another_size)
{
	struct meeting m;
	uint8_t out[TORAP_CURVE_WELCOME_SIZE], longer[TORAP_CURVE_HELLO_SIZE + 1] = { 0 };
	size_t size;
	begin(&m);
	say_hello(&m);
	memcpy(longer, body(&m, &size), TORAP_CURVE_HELLO_SIZE);
	for (size = 0; size <= sizeof longer; size++)
		cr_assert_eq(torap_curve_welcome(&m.opening, out, &m.keys, torap_bytes(longer, size)),
			size == TORAP_CURVE_HELLO_SIZE, "%zu bytes", size);
	end(&m);
}

Test(curve, takes_no_hello_for_another_key)
{
	struct meeting m;
	uint8_t other[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	begin(&m);
	zmtp_keys(9, other, secret);
	zmtp_client_init(&m.client, 2, other);
	say_hello(&m);
	cr_assert_not(welcome(&m));
	end(&m);
}

/* A short-term key of few points would make a box that anybody can open. */
Test(curve, takes_no_hello_with_a_weak_key)
{
	struct meeting m;
	size_t size;
	begin(&m);
	say_hello(&m);
	memset(body(&m, &size) + 80, 0, 32);
	cr_assert_not(welcome(&m));
	end(&m);
}

Test(curve, takes_no_initiate_that_is_spoiled)
{
	size_t size = 1;
	for (size_t at = 0; at < size; at++) {
		struct meeting m;
		begin(&m);
		say_hello(&m);
		cr_assert(welcome(&m));
		say_initiate(&m);
		uint8_t *bytes = body(&m, &size);
		bytes[at] ^= 0x10;
		cr_assert_not(initiate(&m), "byte %zu", at);
		end(&m);
	}
	cr_assert_gt(size, (size_t)TORAP_CURVE_INITIATE_MIN);
}

Test(curve, takes_no_initiate_of_another_size)
{
	struct meeting m;
	uint8_t huge[TORAP_CURVE_INITIATE_MAX + 1] = { 0 }, copy[TORAP_CURVE_INITIATE_MAX + 1];
	size_t whole;
	begin(&m);
	say_hello(&m);
	cr_assert(welcome(&m));
	say_initiate(&m);
	uint8_t *bytes = body(&m, &whole);
	memcpy(huge, bytes, whole);
	for (size_t size = 0; size <= sizeof huge; size++) {
		if (size == whole)
			continue;
		memcpy(copy, huge, sizeof copy);
		cr_assert_not(
			torap_curve_initiate(&m.curve, &m.opening, m.key, &m.metadata, &m.keys, copy, size),
			"%zu bytes", size);
	}
	cr_assert(initiate(&m));
	end(&m);
}

/* Everything else in it is right. */
Test(curve, takes_no_cookie_of_another_handshake)
{
	struct meeting m;
	begin(&m);
	say_hello(&m);
	cr_assert(welcome(&m));
	m.client.cookie[95] ^= 1;
	say_initiate(&m);
	cr_assert_not(initiate(&m));
	end(&m);
}

/* Who was vouched for towards another server could otherwise be played here by that server. */
Test(curve, takes_no_vouch_for_another_server)
{
	struct meeting m;
	uint8_t secret[TORAP_CURVE_KEY_SIZE];
	begin(&m);
	zmtp_keys(9, m.client.vouched, secret);
	say_hello(&m);
	cr_assert(welcome(&m));
	say_initiate(&m);
	cr_assert_not(initiate(&m));
	end(&m);
}

/* It says another's public key, and has not its secret. */
Test(curve, believes_nobody_a_key_whose_secret_it_has_not)
{
	struct meeting m;
	uint8_t secret[TORAP_CURVE_KEY_SIZE];
	begin(&m);
	zmtp_keys(9, m.client.public, secret);
	say_hello(&m);
	cr_assert(welcome(&m));
	say_initiate(&m);
	cr_assert_not(initiate(&m));
	end(&m);
}

Test(curve, opens_no_message_that_is_spoiled_or_cut)
{
	struct meeting m;
	uint8_t flags, copy[128];
	struct torap_bytes payload;
	size_t size;
	open_all(&m);
	say(&m, 0, "hello");
	const uint8_t *bytes = body(&m, &size);
	for (size_t at = 0; at < size; at++) {
		memcpy(copy, bytes, size);
		copy[at] ^= 4;
		cr_assert_not(torap_curve_open(&m.curve, &flags, &payload, copy, size), "byte %zu", at);
		memcpy(copy, bytes, size);
		cr_assert_not(torap_curve_open(&m.curve, &flags, &payload, copy, at), "%zu bytes", at);
	}
	cr_assert(hear(&m, &flags, &payload), "it is good all the same");
	end(&m);
}

Test(curve, opens_no_message_twice_and_none_out_of_order)
{
	struct meeting m;
	uint8_t flags, first[128];
	struct torap_bytes payload;
	size_t size;
	open_all(&m);
	say(&m, 0, "one");
	const uint8_t *bytes = body(&m, &size);
	memcpy(first, bytes, size);
	say(&m, 0, "two");
	cr_assert(hear(&m, &flags, &payload));
	cr_assert_not(torap_curve_open(&m.curve, &flags, &payload, first, size), "an older one");
	m.client.sent--;
	say(&m, 0, "three");
	cr_assert_not(hear(&m, &flags, &payload), "a nonce that was there");
	m.client.sent += 1000;
	say(&m, 0, "four");
	cr_assert(hear(&m, &flags, &payload), "a nonce may be left out");
	end(&m);
}

/* INITIATE has a nonce of the same row. */
Test(curve, opens_no_message_with_the_nonce_of_its_initiate)
{
	struct meeting m;
	uint8_t flags;
	struct torap_bytes payload;
	open_all(&m);
	m.client.sent--;
	say(&m, 0, "one");
	cr_assert_not(hear(&m, &flags, &payload));
	end(&m);
}

/* What we sealed comes back. */
Test(curve, opens_nothing_that_it_has_sealed_itself)
{
	struct meeting m;
	uint8_t sealed[TORAP_CURVE_MESSAGE_OVERHEAD + 5], flags;
	struct torap_bytes payload;
	open_all(&m);
	for (int i = 0; i < 9; i++)
		torap_curve_seal(&m.curve, sealed, 0, torap_bytes("hello", 5));
	cr_assert_not(torap_curve_open(&m.curve, &flags, &payload, sealed, sizeof sealed));
	end(&m);
}
