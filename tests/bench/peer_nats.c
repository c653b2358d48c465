/* peer_nats.c: the text protocol of NATS.  A stream takes the subject "ev" at the edge; at the hub a push consumer delivers its mirror
 * to "take", and is told that all up to the last one is taken (AckAll). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peer.h"
#include "bench/samples.h"

static bool starts(struct torap_bytes line, const char *word)
{
	return line.size >= strlen(word) && memcmp(line.data, word, strlen(word)) == 0;
}

/* "INFO …" comes first; "PONG" says that all before our "PING" was taken. */
static void greet(struct peer_side *s, const char *subject)
{
	struct torap_bytes line;
	size_t next;
	peer_print(s,
		"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\nSUB %s 1\r\nPING\r\n",
		subject);
	for (bool there = false; !there;) {
		peer_wait(s);
		while (!there && peer_line(s, 0, &line, &next)) {
			if (starts(line, "-ERR"))
				bench_fail("NATS: %.*s", (int)line.size, (const char *)line.data);
			there = starts(line, "PONG");
			peer_take(s, next);
		}
	}
}

static void greet_publisher(struct peer_side *s)
{
	greet(s, "_INBOX.bench.*");
}

static void greet_subscriber(struct peer_side *s)
{
	greet(s, "take");
}

static void publish(struct peer_side *s, struct torap_bytes message)
{
	peer_print(s, "PUB ev _INBOX.bench.a %zu\r\n", message.size);
	peer_write(s, message.data, message.size);
	peer_write(s, "\r\n", 2);
}

/* "MSG subject sid [reply] size", and the body.  Takes all else that the server says. */
static bool take(struct peer_side *s, struct torap_bytes *body)
{
	struct torap_bytes line;
	size_t next;
	while (peer_line(s, 0, &line, &next)) {
		if (starts(line, "PING")) {
			peer_print(s, "PONG\r\n");
		} else if (starts(line, "MSG ")) {
			char words[256], subject[128], second[128];
			unsigned sid;
			size_t size;
			snprintf(words, sizeof words, "%.*s", (int)line.size, (const char *)line.data);
			if (sscanf(words, "MSG %127s %u %127s %zu", subject, &sid, second, &size) == 4)
				memcpy(s->word, second, sizeof s->word);
			else
				size = strtoul(second, NULL, 10);
			if (peer_waiting(s) < next + size + 2)
				return false;
			*body = torap_bytes(s->in.data + s->in.at + next, size);
			peer_take(s, next + size + 2);
			return true;
		} else if (!starts(line, "INFO") && !starts(line, "+OK")) {
			bench_fail("NATS: %.*s", (int)line.size, (const char *)line.data);
		}
		peer_take(s, next);
	}
	return false;
}

static bool take_ack(struct peer_side *s)
{
	struct torap_bytes body;
	if (!take(s, &body))
		return false;
	if (!memmem(body.data, body.size, "\"seq\":", 6))
		bench_fail("not stored: %.*s", (int)body.size, (const char *)body.data);
	return true;
}

static bool take_message(struct peer_side *s, struct torap_bytes *message)
{
	bool there = take(s, message);
	s->count += there;
	return there;
}

static void on_taken(struct peer_side *s)
{
	if (s->count)
		peer_print(s, "PUB %s 4\r\n+ACK\r\n", s->word);
	s->count = 0;
}

const struct peer_bus peer_nats = { "nats", greet_publisher, greet_subscriber, publish, take_ack,
	take_message, on_taken };
