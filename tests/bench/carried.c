#include "bench/carried.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bench/samples.h"
#include "kit/zmtp_client.h"
#include "zmtp/connection.h"

enum { KNOWN = 2, READ_SIZE = 64 << 10 /* at once, as listener.c reads and writes */ };

struct bench_carried {
	struct torap_zmtp_connection connection; /* first, so that its callbacks find the rest */
	struct torap_zmtp_manners manners;
	struct zmtp_client client;
	void (*on_message)(void *hint, struct torap_buffer **frames, size_t count);
	void *hint;
	struct torap_writer said, went;
	uint8_t read[READ_SIZE];
};

static bool admit(struct torap_zmtp_connection *c, const uint8_t key[static TORAP_CURVE_KEY_SIZE])
{
	const struct bench_carried *b = (const struct bench_carried *)c;
	return memcmp(key, b->client.public, TORAP_CURVE_KEY_SIZE) == 0;
}

static void on_message(struct torap_zmtp_connection *c, struct torap_buffer **frames, size_t count)
{
	const struct bench_carried *b = (const struct bench_carried *)c;
	b->on_message(b->hint, frames, count);
}

/* All that was said. */
static void take(struct bench_carried *b)
{
	struct torap_zmtp_connection *c = &b->connection;
	const char *why = NULL;
	for (size_t at = 0; at < b->said.size && !why;) {
		size_t size = READ_SIZE;
		uint8_t *room = torap_zmtp_room(c, &size);
		uint8_t *to = room ? room : b->read;
		size = size < b->said.size - at ? size : b->said.size - at;
		memcpy(to, b->said.data + at, size);
		at += size;
		unsigned frames = UINT_MAX;
		why = room ? torap_zmtp_filled(c, size) : torap_zmtp_take(c, &to, &size, &frames);
	}
	b->said.size = 0;
	if (why)
		bench_fail("a connection ended: %s", why);
}

/* What waits, as the kernel would get it. */
static size_t fill(struct bench_carried *b)
{
	size_t size = 0;
	while (torap_zmtp_waiting(&b->connection)) {
		b->went.size = 0;
		if (torap_zmtp_fill(&b->connection, &b->went, READ_SIZE))
			bench_fail("out of memory");
		size += b->went.size;
	}
	return size;
}

static void shake_hands(struct bench_carried *b)
{
	uint8_t greeting[ZMTP_GREETING_SIZE];
	zmtp_client_greeting(greeting);
	torap_write_bytes(&b->said, torap_bytes(greeting, sizeof greeting));
	zmtp_client_hello(&b->client, &b->said);
	fill(b); /* its greeting */
	take(b);
	fill(b);
	struct torap_bytes in = torap_bytes(b->went.data, b->went.size), welcome;
	uint8_t flags;
	if (!zmtp_client_next(&in, &flags, &welcome) || !zmtp_client_welcome(&b->client, welcome))
		bench_fail("no welcome");
	zmtp_client_initiate(&b->client, &b->said);
	take(b);
	fill(b);
	if (b->connection.state != TORAP_ZMTP_OPEN)
		bench_fail("the connection does not open");
	b->connection.known = true;
}

struct bench_carried *bench_carried_open(
	void (*told)(void *hint, struct torap_buffer **frames, size_t count), void *hint)
{
	struct bench_carried *b = calloc(1, sizeof *b);
	if (!b)
		bench_fail("out of memory");
	b->on_message = told;
	b->hint = hint;
	b->manners = (struct torap_zmtp_manners){ .admit = admit, .on_message = on_message };
	zmtp_keys(1, b->manners.keys.public, b->manners.keys.secret);
	zmtp_client_init(&b->client, KNOWN, b->manners.keys.public);
	if (torap_zmtp_begin(&b->connection, &b->manners))
		bench_fail("out of memory");
	shake_hands(b);
	return b;
}

void bench_carried_close(struct bench_carried *b)
{
	torap_zmtp_finish(&b->connection);
	torap_writer_finish(&b->said);
	torap_writer_finish(&b->went);
	free(b);
}

/* Callgrind finds it by its name. */
__attribute__((noipa)) static void bench_by_hand(
	struct bench_carried *b, struct torap_buffer *const *frames, size_t count)
{
	static const struct torap_bytes nothing;
	for (size_t i = 0; i < count; i++)
		zmtp_client_message(&b->client, &b->said, i + 1 < count ? TORAP_CURVE_MORE : 0,
			frames[i] ? torap_buffer_bytes(frames[i]) : nothing);
}

void bench_carried_come(struct bench_carried *b, struct torap_buffer *const *frames, size_t count)
{
	bench_by_hand(b, frames, count);
	take(b);
}

size_t bench_carried_go(struct bench_carried *b, struct torap_buffer *const *frames, size_t count)
{
	if (torap_zmtp_put(&b->connection, frames, count))
		bench_fail("out of memory");
	return fill(b);
}
