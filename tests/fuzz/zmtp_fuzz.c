/* A ZMTP connection and its other side, by the first byte: 'r', bytes as they come to who listens, of which the second says how they are cut;
 * 'l' and 'd', the same without keys, to who listens and who dials; 'c', to who dials with keys; 's', a client that has shaken hands and seals rightly what the input says, so that the inside is reached.  Chance is not: whole handshakes in
 * the corpus stay good.  What is told must be what was said, and nothing may be left. */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "kit/zmtp_client.h"
#include "zmtp/connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KNOWN = 2, LARGE_MAX = 1 << 20, SUM_MAX = 4 << 20, ENOUGH = 4096 };

/* The connection first, so that callbacks find the rest. */
struct call {
	struct torap_zmtp_connection connection;
	struct torap_zmtp_manners manners;
	struct zmtp_client client;
	struct torap_writer said, heard;
	unsigned cut;                            /* how bytes are cut */
	crypto_generichash_state expected, told; /* of all frames and where messages end */
	size_t expected_frames;                  /* of the message that is being said */
	size_t expected_messages, told_messages, sum;
};

/* Chance. */

static uint32_t chance;

static const char *chance_name(void)
{
	return "the same each time";
}

static uint32_t chance_random(void)
{
	return chance = chance * 1664525 + 1013904223;
}

static void chance_buf(void *const out, const size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)out)[i] = (uint8_t)(chance_random() >> 24);
}

static struct randombytes_implementation no_chance = {
	.implementation_name = chance_name, .random = chance_random, .buf = chance_buf
};

/* What came. */

static bool admit(struct torap_zmtp_connection *c, const uint8_t *key)
{
	const struct call *t = (const struct call *)c;
	return !key || memcmp(key, t->client.public, TORAP_CURVE_KEY_SIZE) == 0;
}

static void on_open(struct torap_zmtp_connection *c)
{
	assert(c->manners->dials);
}

static void hash_frame(crypto_generichash_state *h, const uint8_t *data, size_t size)
{
	crypto_generichash_update(h, (const uint8_t *)&size, sizeof size);
	if (size)
		crypto_generichash_update(h, data, size);
}

static void hash_end(crypto_generichash_state *h)
{
	crypto_generichash_update(h, (const uint8_t *)"end", 3);
}

/* And says it again, by reference. */
static void on_message(struct torap_zmtp_connection *c, struct torap_buffer **frames, size_t count)
{
	struct call *t = (struct call *)c;
	assert(count > 0 && count <= TORAP_ZMTP_FRAMES_MAX);
	for (size_t i = 0; i < count; i++)
		hash_frame(&t->told, frames[i]->data, frames[i]->size);
	hash_end(&t->told);
	t->told_messages++;
	int r = torap_zmtp_put(c, frames, count);
	assert(r == 0 || c->queued == TORAP_ZMTP_QUEUE_MAX);
}

static size_t next_part(struct call *t)
{
	t->cut = t->cut * 1103515245 + 12345;
	unsigned n = t->cut >> 16;
	return n & 3 ? 1 + n / 4 % 16 : 1 + n / 4 % 70000;
}

/* As the listener does it. */
static const char *take(struct call *t)
{
	const char *why = NULL;
	for (size_t at = 0, size; at < t->said.size && !why; at += size) {
		size_t room_size;
		uint8_t *room = torap_zmtp_room(&t->connection, &room_size), *part, *rest;
		size = next_part(t);
		if (size > t->said.size - at)
			size = t->said.size - at;
		if (room && size > room_size)
			size = room_size;
		if (room) {
			memcpy(room, t->said.data + at, size);
			why = torap_zmtp_filled(&t->connection, size);
			continue;
		}
		part = malloc(size); /* so that nobody reads beyond it */
		assert(part);
		memcpy(part, t->said.data + at, size);
		rest = part;
		for (size_t left = size; left && !why;) {
			unsigned frames = 1 + t->cut % 3;
			why = torap_zmtp_take(&t->connection, &rest, &left, &frames);
		}
		free(part);
	}
	t->said.size = 0;
	if (why)
		torap_zmtp_end(&t->connection);
	return why;
}

static void hear(struct call *t)
{
	int r = torap_zmtp_fill(&t->connection, &t->heard, ENOUGH);
	assert(r == 0);
}

static void begin_as(struct call *t, unsigned cut, bool dials, bool plain)
{
	memset(t, 0, sizeof *t);
	chance = 1;
	t->cut = cut;
	t->manners = (struct torap_zmtp_manners){
		.dials = dials, .plain = plain, .admit = admit, .on_open = on_open, .on_message = on_message
	};
	zmtp_keys(1, t->manners.keys.public, t->manners.keys.secret);
	zmtp_client_init(&t->client, KNOWN, t->manners.keys.public);
	crypto_generichash_init(&t->expected, NULL, 0, 32);
	crypto_generichash_init(&t->told, NULL, 0, 32);
	int r = torap_zmtp_begin(&t->connection, &t->manners);
	assert(r == 0);
}

static void begin(struct call *t, unsigned cut)
{
	begin_as(t, cut, false, false);
}

static void end(struct call *t)
{
	torap_zmtp_finish(&t->connection);
	torap_writer_finish(&t->said);
	torap_writer_finish(&t->heard);
}

/* Anybody. */
static void take_raw(struct torap_bytes bytes, unsigned cut, bool dials, bool plain)
{
	static struct call t;
	begin_as(&t, cut, dials, plain);
	torap_write_bytes(&t.said, bytes);
	const char *why = take(&t);
	assert(!why || *why);
	while (torap_zmtp_waiting(&t.connection)) {
		t.heard.size = 0;
		hear(&t);
	}
	end(&t);
}

/* A client that is in. */

static struct torap_bytes next_heard(struct call *t, size_t *at)
{
	struct torap_bytes in, body;
	uint8_t flags;
	while (torap_zmtp_waiting(&t->connection))
		hear(t);
	in = torap_bytes(t->heard.data + *at, t->heard.size - *at);
	bool good = zmtp_client_next(&in, &flags, &body);
	assert(good);
	*at = t->heard.size - in.size;
	return body;
}

static void shake_hands(struct call *t)
{
	uint8_t greeting[ZMTP_GREETING_SIZE];
	size_t at = ZMTP_GREETING_SIZE;
	struct torap_writer metadata = { 0 };
	zmtp_client_greeting(greeting);
	torap_write_bytes(&t->said, torap_bytes(greeting, sizeof greeting));
	zmtp_client_hello(&t->client, &t->said);
	const char *why = take(t);
	assert(!why);
	bool good = zmtp_client_welcome(&t->client, next_heard(t, &at));
	assert(good);
	zmtp_client_initiate(&t->client, &t->said);
	why = take(t);
	assert(!why && t->connection.state == TORAP_ZMTP_OPEN);
	good = zmtp_client_ready(&t->client, next_heard(t, &at), &metadata);
	assert(good && at == t->heard.size);
	torap_writer_finish(&metadata);
	t->heard.size = 0;
}

/* Opens all that the connection has to say: in order, and nothing of it is spoiled. */
static void hear_all(struct call *t)
{
	while (torap_zmtp_waiting(&t->connection)) {
		hear(t);
		struct torap_bytes in = torap_bytes(t->heard.data, t->heard.size), body;
		uint8_t flags;
		while (in.size) {
			struct torap_writer plain = { 0 };
			bool good = zmtp_client_next(&in, &flags, &body) && flags <= 2 &&
				    zmtp_client_open(&t->client, body, &flags, &plain);
			assert(good && flags <= 2);
			torap_writer_finish(&plain);
		}
		t->heard.size = 0;
	}
}

static void say_frame(struct call *t, uint8_t flags, struct torap_bytes payload)
{
	t->sum += payload.size;
	zmtp_client_message(&t->client, &t->said, flags, payload);
	if (flags & TORAP_CURVE_COMMAND)
		return;
	hash_frame(&t->expected, payload.data, payload.size);
	t->expected_frames++;
	if (flags & TORAP_CURVE_MORE)
		return;
	hash_end(&t->expected);
	t->expected_frames = 0;
	t->expected_messages++;
}

static void say_large(struct call *t, uint8_t flags, size_t size)
{
	uint8_t *zeros = calloc(1, size + 1);
	assert(zeros);
	say_frame(t, flags, torap_bytes(zeros, size));
	free(zeros);
}

static void say_many(struct call *t, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		say_frame(t, TORAP_CURVE_MORE, torap_bytes("x", i % 2));
}

static void say_ping(struct call *t, struct torap_bytes context)
{
	struct torap_writer w = { 0 };
	torap_write_bytes(&w, torap_bytes("\4PING\0\1", 7));
	torap_write_bytes(&w, context);
	say_frame(t, TORAP_CURVE_COMMAND, torap_bytes(w.data, w.size));
	torap_writer_finish(&w);
}

static void expect_told(struct call *t)
{
	uint8_t a[32], b[32];
	if (t->expected_frames) /* of a message that is not whole: hashed already */
		return;
	crypto_generichash_state expected = t->expected, told = t->told;
	crypto_generichash_final(&expected, a, sizeof a);
	crypto_generichash_final(&told, b, sizeof b);
	assert(t->expected_messages == t->told_messages && memcmp(a, b, sizeof a) == 0);
}

/* One thing that a client may do.  False: after this, the connection has to end, or may. */
static bool act(struct call *t, struct torap_reader *r)
{
	uint8_t what = torap_read_u8(r), flags = torap_read_u8(r);
	size_t size = torap_read_u8(r);
	struct torap_bytes bytes;
	if (what < 'l')
		size = size < (size_t)(r->end - r->at) ? size : (size_t)(r->end - r->at);
	switch (what) {
	case 'f':
		say_frame(t, flags, torap_read_bytes(r, size));
		return true;
	case 'p':
		bytes = torap_bytes("0123456789abcdef", size % 17);
		say_ping(t, bytes);
		return true;
	case 'l':
		say_large(t, flags & 3, (size * 4099 + flags) % LARGE_MAX);
		return true;
	case 'm':
		say_many(t, (unsigned)size * 4);
		return true;
	case 's':
		t->client.sent += size;
		return true;
	case 'h':
		hear_all(t);
		return true;
	case 'b': /* back */
		t->client.sent -= size < t->client.sent ? size : 0;
		return false;
	case 'r': /* not sealed */
		torap_write_bytes(&t->said, torap_read_bytes(r, size));
		return false;
	case 'x': /* the owner has enough */
		torap_zmtp_end(&t->connection);
		return false;
	default:
		return true;
	}
}

static void take_sealed(struct torap_bytes bytes, unsigned cut)
{
	static struct call t;
	struct torap_reader r = torap_reader(bytes);
	bool right = true;
	begin(&t, cut);
	shake_hands(&t);
	t.connection.known = cut & 1;
	while (!r.failed && r.at < r.end && t.connection.state == TORAP_ZMTP_OPEN && t.sum < SUM_MAX) {
		right = act(&t, &r) && right;
		const char *why = take(&t);
		if (!right)
			continue;
		/* Who does all rightly is heard, but for what is too much. */
		assert(!why || strcmp(why, "a message that is too large") == 0 ||
			strcmp(why, "a PING that is too long") == 0);
		if (!why)
			expect_told(&t);
	}
	if (t.connection.state == TORAP_ZMTP_OPEN)
		hear_all(&t);
	end(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	if (!begun)
		randombytes_set_implementation(&no_chance);
	begun = true;
	if (size < 2)
		return 0;
	bool dials = data[0] == 'd' || data[0] == 'c', plain = data[0] == 'd' || data[0] == 'l';
	if (data[0] == 'r' || dials || plain)
		take_raw(torap_bytes(data + 2, size - 2), data[1], dials, plain);
	else if (data[0] == 's')
		take_sealed(torap_bytes(data + 2, size - 2), data[1]);
	return 0;
}
