/* window.h: the sending end: what is in flight, what may be sent, how far the peer has come.
 *
 * Serves a writer (one stream or a few) and a feed (many streams).  Credit is a number of bytes that may be in flight without an
 * acknowledgement; acknowledgements are cumulative by batch number of a stream.  No I/O, no clock.
 *
 * What is in flight stands in the queue of the slowest link on the way, in front of whatever another lane sends after it.  So not much
 * more is in flight than keeps the link busy: what it carries in twice its own delay and 50 ms. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

enum {
	TORAP_WINDOW_MIN = 8 << 10, /* bytes: two of the smallest batches; a larger one goes alone */
	TORAP_WINDOW_SPARE_MS = 50,
	/* Whatever the peer's credit: what is in flight may lie in this process's memory, and in a socket that takes 64 Ki messages
	 * (zmtp/connection.h) and else gives the peer up for gone. */
	TORAP_WINDOW_MAX = 16 << 20,
	TORAP_WINDOW_MESSAGES_MAX = 1 << 15,
	TORAP_WINDOW_KERNEL_MS = 150,      /* of the rate, beside the round trip */
	TORAP_WINDOW_KERNEL_MIN = 8 << 10, /* less, and packets become small */
	TORAP_WINDOW_KERNEL_MAX = 128 << 10,
};

struct torap_flight; /* one message in flight */

struct torap_window {
	uint64_t credit_bytes; /* the peer's word */
	uint64_t limit_bytes;  /* at most a second of the rate, never above credit or TORAP_WINDOW_MAX */
	uint64_t in_flight_bytes;
	size_t in_flight_count;
	uint64_t acked_count; /* messages, ever */
	double rate;          /* bytes a second that the link was seen to carry */
	bool measured;        /* …or, before, is taken to carry */
	int64_t delay_us;     /* least time from sending to acknowledgement; 0: none came yet */
	/* A way may become longer.  Now and then the window runs empty, and one message alone tells the delay anew. */
	struct torap_mono probe_at;
	bool probing;
	struct torap_mono rate_since, idle_since;
	uint64_t rate_bytes;
	bool used_up; /* since then something had to wait for room */
	struct torap_mono carried_since;
	uint64_t carried;
	struct torap_flight *oldest, *newest;
};

void torap_window_init(struct torap_window *w, uint64_t credit_bytes, struct torap_mono now);
void torap_window_finish(struct torap_window *w);
void torap_window_credit(struct torap_window *w, uint64_t credit_bytes);
/* May this message of so many bytes be sent now?  Ask when there is one: that it had to wait says something of the link.  A message larger
 * than the whole window goes alone. */
bool torap_window_open(struct torap_window *w, size_t bytes);
/* It was sent.  `stream` is the caller's own number for it.  0 or -ENOMEM. */
int torap_window_sent(
	struct torap_window *w, uint32_t stream, uint64_t batch_no, size_t bytes, struct torap_mono now);
/* All of `stream` up to and including batch_no was flushed by the peer.  Returns how many messages that freed. */
size_t torap_window_acked(struct torap_window *w, uint32_t stream, uint64_t batch_no, struct torap_mono now);
/* What the kernel says that the connection has delivered, ever, several times a second: a message larger than the window tells so how
 * slow the link is long before it is acknowledged. */
void torap_window_carried(struct torap_window *w, uint64_t bytes, struct torap_mono now);
/* A message larger than the window goes out all the same, so the socket must hold it back: what may lie in the kernel, on a connection with
 * this least round trip.  0: the link is not known to be slow. */
size_t torap_window_kernel_bytes(const struct torap_window *w, int64_t rtt_us);
/* How long the oldest message has waited for its acknowledgement; 0 when nothing is in flight. */
int64_t torap_window_age_us(const struct torap_window *w, struct torap_mono now);
