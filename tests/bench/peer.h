/* peer.h: another bus as its clients speak to it: one connection that publishes, one that receives.
 *
 * Three protocols in their smallest form, so that the client costs as little as ours does: NATS with JetStream, MQTT 3.1.1 at QoS 1, Redis
 * Streams.  Each may end the program with bench_fail(): a benchmark that lost something has measured nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct peer_buffer {
	uint8_t *data;
	size_t at, size, room; /* what is not taken yet is from `at` to `size` */
};

struct peer_side {
	int fd;
	struct peer_buffer in, out;
	uint64_t
		count; /* of the protocol's own: messages published, or taken since the last word to the server */
	char word[128]; /* of the protocol's own: whom to acknowledge to, where to go on */
	int step;
};

struct peer_bus {
	const char *name;
	void (*greet_publisher)(struct peer_side *s);
	void (*greet_subscriber)(struct peer_side *s);
	void (*publish)(struct peer_side *s, struct torap_bytes message);
	/* False: no whole answer is there.  Acknowledgements come in the order of the messages. */
	bool (*take_ack)(struct peer_side *s);
	/* False: no whole message is there.  *message is good until the next call. */
	bool (*take_message)(struct peer_side *s, struct torap_bytes *message);
	/* When all that came was taken: acknowledges it, or asks for more. */
	void (*on_taken)(struct peer_side *s);
};

extern const struct peer_bus peer_nats, peer_mqtt, peer_redis;

void peer_connect(struct peer_side *s, uint64_t port);
void peer_close(struct peer_side *s);

/* Writing: into s->out, which peer_flush() sends as far as the socket takes it. */
void peer_write(struct peer_side *s, const void *data, size_t size);
void peer_print(struct peer_side *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void peer_flush(struct peer_side *s);

/* Reading: what is there already, without waiting. */
void peer_receive(struct peer_side *s);
size_t peer_waiting(const struct peer_side *s);
/* The line that begins at `from` bytes into what is there, without CR LF; false: not whole.  *next: where what follows begins. */
bool peer_line(const struct peer_side *s, size_t from, struct torap_bytes *line, size_t *next);
void peer_take(struct peer_side *s, size_t size);
/* For greetings: flushes, and waits until something more has come. */
void peer_wait(struct peer_side *s);
