/* peer_redis.c: RESP.  XADD at the primary, pipelined; XREAD BLOCK at its replica, which goes on behind the last entry that it got. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peer.h"
#include "bench/samples.h"

enum { READ_MOST = 10000, KEEP_BYTES = 64 << 20, KEEP_LEAST = 1000 };

/* What comes next in an answer to XREAD: *1, *2, the key, *entries, and for each entry *2, its id, *2, the field, the value. */
enum step { STREAMS, STREAM, KEY, ENTRIES, ENTRY, ID, PAIR, FIELD, VALUE };

static void write_bulk(struct peer_side *s, struct torap_bytes bytes)
{
	peer_print(s, "$%zu\r\n", bytes.size);
	peer_write(s, bytes.data, bytes.size);
	peer_write(s, "\r\n", 2);
}

static void write_word(struct peer_side *s, const char *word)
{
	write_bulk(s, torap_bytes(word, strlen(word)));
}

static void greet_publisher(struct peer_side *s)
{
	(void)s;
}

static void ask(struct peer_side *s)
{
	char most[16];
	snprintf(most, sizeof most, "%d", READ_MOST);
	peer_print(s, "*8\r\n");
	const char *words[] = { "XREAD", "COUNT", most, "BLOCK", "5000", "STREAMS", "ev", s->word };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		write_word(s, words[i]);
	s->step = STREAMS;
}

static void publish(struct peer_side *s, struct torap_bytes message)
{
	char keep[24];
	snprintf(keep, sizeof keep, "%zu", KEEP_BYTES / message.size + KEEP_LEAST);
	peer_print(s, "*8\r\n");
	const char *words[] = { "XADD", "ev", "MAXLEN", "~", keep, "*", "m" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		write_word(s, words[i]);
	write_bulk(s, message);
}

/* A header ("*4", "$15") and, of a bulk string, what it announces; false: not whole. */
static bool take_token(struct peer_side *s, char *kind, long *number, struct torap_bytes *bulk)
{
	struct torap_bytes line;
	size_t next;
	if (!peer_line(s, 0, &line, &next))
		return false;
	if (line.size < 2 || (*line.data != '$' && *line.data != '*'))
		bench_fail("Redis: %.*s", (int)line.size, (const char *)line.data);
	*kind = (char)*line.data;
	*number = strtol((const char *)line.data + 1, NULL, 10); /* Ends at CR. */
	if (*kind == '$' && *number >= 0) {
		if (peer_waiting(s) < next + (size_t)*number + 2)
			return false;
		*bulk = torap_bytes(s->in.data + s->in.at + next, (size_t)*number);
		next += (size_t)*number + 2;
	}
	peer_take(s, next);
	return true;
}

/* Goes on behind the last entry of an earlier run. */
static void greet_subscriber(struct peer_side *s)
{
	const char *words[] = { "XREVRANGE", "ev", "+", "-", "COUNT", "1" };
	enum { ENTRIES_TOKEN, ENTRY_TOKEN, ID_TOKEN, PAIR_TOKEN, FIELD_TOKEN, VALUE_TOKEN };
	peer_print(s, "*6\r\n");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		write_word(s, words[i]);
	snprintf(s->word, sizeof s->word, "0-0");
	for (int token = ENTRIES_TOKEN; token <= VALUE_TOKEN; token++) {
		char kind;
		long number;
		struct torap_bytes bulk = { 0 };
		while (!take_token(s, &kind, &number, &bulk))
			peer_wait(s);
		if (token == ENTRIES_TOKEN && number == 0)
			break;
		if (token == ID_TOKEN)
			snprintf(s->word, sizeof s->word, "%.*s", (int)bulk.size, (const char *)bulk.data);
	}
	ask(s);
	peer_flush(s);
}

static bool take_ack(struct peer_side *s)
{
	char kind;
	long number;
	struct torap_bytes id;
	return take_token(s, &kind, &number, &id);
}

static bool take_message(struct peer_side *s, struct torap_bytes *message)
{
	char kind;
	long number;
	struct torap_bytes bulk = { 0 };
	while (take_token(s, &kind, &number, &bulk)) {
		if (number < 0) { /* nothing came for as long as we asked it to wait */
			ask(s);
			continue;
		}
		bool array = s->step != KEY && s->step != ID && s->step != FIELD && s->step != VALUE;
		if (array != (kind == '*'))
			bench_fail("Redis: an answer of another shape");
		if (s->step == ENTRIES)
			s->count = (uint64_t)number;
		else if (s->step == ID)
			snprintf(s->word, sizeof s->word, "%.*s", (int)bulk.size, (const char *)bulk.data);
		if (s->step != VALUE) {
			s->step++;
			continue;
		}
		s->step = ENTRY;
		*message = bulk;
		if (--s->count == 0)
			ask(s);
		return true;
	}
	return false;
}

static void on_taken(struct peer_side *s)
{
	(void)s; /* The next question says up to where. */
}

const struct peer_bus peer_redis = { "redis", greet_publisher, greet_subscriber, publish, take_ack,
	take_message, on_taken };
