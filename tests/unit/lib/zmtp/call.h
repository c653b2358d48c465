/* call.h: a connection (zmtp/connection.h) and the client that has it, without a wire. */
#pragma once

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "kit/zmtp_client.h"
#include "zmtp/connection.h"

enum { KNOWN = 2, STRANGE = 3, MESSAGES_MAX = 16, STRANGER_BYTES_MAX = 1024 };

/* A connection and the client that has it, without a wire; what the connection says is read at once. */
struct call {
	struct torap_zmtp_connection connection; /* first, so that callbacks find us */
	struct torap_zmtp_manners manners;
	struct zmtp_client client;
	struct torap_writer said;  /* by the client, to be taken */
	struct torap_writer heard; /* by the client, from its first byte on */
	size_t heard_to;           /* where it has read them to */
	unsigned asked;
	bool end_it; /* the owner ends the connection at the next message */
	size_t count, sizes[MESSAGES_MAX], frames[MESSAGES_MAX];
	struct torap_writer text; /* all frames that came: "|" after each, "\n" after a message */
};

static inline bool admit(struct torap_zmtp_connection *c, const uint8_t key[static TORAP_CURVE_KEY_SIZE])
{
	struct call *t = (struct call *)c;
	uint8_t known[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	zmtp_keys(KNOWN, known, secret);
	t->asked++;
	return memcmp(key, known, sizeof known) == 0;
}

static inline void on_message(struct torap_zmtp_connection *c, struct torap_buffer **frames, size_t count)
{
	struct call *t = (struct call *)c;
	cr_assert_lt(t->count, (size_t)MESSAGES_MAX);
	for (size_t i = 0; i < count; i++) {
		t->sizes[t->count] += frames[i]->size;
		torap_write_bytes(&t->text, torap_buffer_bytes(frames[i]));
		torap_write_bytes(&t->text, torap_bytes("|", 1));
	}
	torap_write_bytes(&t->text, torap_bytes("\n", 1));
	t->frames[t->count++] = count;
	if (t->end_it)
		torap_zmtp_end(c);
}

static inline void begin_as(struct call *t, uint8_t who)
{
	*t = (struct call){ .manners = { .admit = admit, .on_message = on_message } };
	zmtp_keys(1, t->manners.keys.public, t->manners.keys.secret);
	zmtp_client_init(&t->client, who, t->manners.keys.public);
	cr_assert_eq(torap_zmtp_begin(&t->connection, &t->manners), 0);
}

static inline void begin(struct call *t)
{
	begin_as(t, KNOWN);
}

static inline void end(struct call *t)
{
	torap_zmtp_finish(&t->connection);
	torap_writer_finish(&t->said);
	torap_writer_finish(&t->heard);
	torap_writer_finish(&t->text);
}

/* Gives what was said in parts of so many bytes; 0: at once.  As the listener does it: large frames are read where they lie. */
static inline const char *take(struct call *t, size_t part)
{
	const char *why = NULL;
	for (size_t at = 0, size; at < t->said.size && !why; at += size) {
		size_t room_size;
		uint8_t *room = torap_zmtp_room(&t->connection, &room_size);
		size = t->said.size - at;
		if (part && size > part)
			size = part;
		if (room && size > room_size)
			size = room_size;
		uint8_t *data = t->said.data + at;
		if (room) {
			memcpy(room, data, size);
			why = torap_zmtp_filled(&t->connection, size);
			continue;
		}
		for (size_t left = size; left && !why;) {
			unsigned frames = 2;
			why = torap_zmtp_take(&t->connection, &data, &left, &frames);
		}
	}
	t->said.size = 0;
	return why;
}

static inline struct torap_bytes hear(struct call *t)
{
	while (torap_zmtp_waiting(&t->connection))
		cr_assert_eq(torap_zmtp_fill(&t->connection, &t->heard, t->heard.size + 1), 0);
	return torap_bytes(t->heard.data + t->heard_to, t->heard.size - t->heard_to);
}

/* The next frame's body. */
static inline struct torap_bytes hear_frame(struct call *t, uint8_t expected_flags)
{
	uint8_t flags;
	struct torap_bytes in = hear(t), body;
	cr_assert(zmtp_client_next(&in, &flags, &body), "no frame came");
	cr_assert_eq(flags & ~2, expected_flags);
	t->heard_to = t->heard.size - in.size;
	return body;
}

static inline void say_greeting(struct call *t)
{
	uint8_t greeting[ZMTP_GREETING_SIZE];
	zmtp_client_greeting(greeting);
	torap_write_bytes(&t->said, torap_bytes(greeting, sizeof greeting));
}

/* As far as WELCOME. */
static inline void greet(struct call *t, size_t part)
{
	static const uint8_t signature[] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1, 'C', 'U', 'R', 'V',
		'E' };
	say_greeting(t);
	cr_assert_null(take(t, part));
	struct torap_bytes greeting = hear(t);
	cr_assert_eq(greeting.size, (size_t)ZMTP_GREETING_SIZE);
	cr_assert_arr_eq(greeting.data, signature, sizeof signature);
	cr_assert_eq(greeting.data[32], 1, "as server");
	t->heard_to = ZMTP_GREETING_SIZE;
	zmtp_client_hello(&t->client, &t->said);
	cr_assert_null(take(t, part));
	cr_assert(zmtp_client_welcome(&t->client, hear_frame(t, ZMTP_COMMAND)));
}

static inline void open_call(struct call *t, size_t part)
{
	static const char metadata[] = "\13Socket-Type\0\0\0\6ROUTER\10Identity\0\0\0";
	struct torap_writer plain = { 0 };
	greet(t, part);
	zmtp_client_initiate(&t->client, &t->said);
	cr_assert_null(take(t, part));
	cr_assert(zmtp_client_ready(&t->client, hear_frame(t, ZMTP_COMMAND), &plain));
	cr_assert(torap_bytes_equal(
		torap_bytes(plain.data, plain.size), torap_bytes(metadata, sizeof metadata)));
	cr_assert_eq(t->connection.state, TORAP_ZMTP_OPEN);
	cr_assert(!t->connection.known);
	t->connection.known = true; /* As its owner does when it has heard who it is. */
	torap_writer_finish(&plain);
}

static inline void say(struct call *t, uint8_t flags, const char *text)
{
	zmtp_client_message(&t->client, &t->said, flags, torap_bytes(text, strlen(text)));
}

static inline void say_zeros(struct call *t, uint8_t flags, size_t size)
{
	uint8_t *zeros = calloc(1, size + 1);
	zmtp_client_message(&t->client, &t->said, flags, torap_bytes(zeros, size));
	free(zeros);
}

static inline void expect_text(const struct call *t, const char *text)
{
	cr_assert_eq(t->text.size, strlen(text), "%.*s", (int)t->text.size, (const char *)t->text.data);
	cr_assert_arr_eq(t->text.data, text, t->text.size);
}

/* The next frame is a MESSAGE of these flags and this text. */
static inline void expect_heard(struct call *t, uint8_t flags, struct torap_bytes text)
{
	uint8_t came;
	struct torap_writer plain = { 0 };
	cr_assert(zmtp_client_open(&t->client, hear_frame(t, 0), &came, &plain));
	cr_assert_eq(came, flags);
	cr_assert(torap_bytes_equal(torap_bytes(plain.data, plain.size), text));
	torap_writer_finish(&plain);
}

static inline void expect_why(const char *why, const char *expected)
{
	cr_assert_not_null(why, "it goes on, instead of: %s", expected);
	cr_assert_str_eq(why, expected);
}
