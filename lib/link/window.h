/* window.h: the sending end: what is in flight, what may be sent, how far the peer has come.
 *
 * Serves a writer (one stream or a few) and a feed (many streams).  Credit is a number of bytes that may be in flight without an
 * acknowledgement; acknowledgements are cumulative by batch number of a stream.  No I/O, no clock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

enum {
	TORAP_WINDOW_MIN = 64 << 10, /* bytes: also on the slowest link one batch is in flight */
	/* Whatever the peer's credit: what is in flight may lie in this process's memory, and in a socket that takes 64 Ki messages
	 * (loop/zsocket.c) and else gives the peer up for gone. */
	TORAP_WINDOW_MAX = 16 << 20,
	TORAP_WINDOW_MESSAGES_MAX = 1 << 15,
};

struct torap_flight; /* one message in flight */

struct torap_window {
	uint64_t credit_bytes; /* the peer's word */
	uint64_t
		limit_bytes; /* at most about a second of the measured rate, never above credit or TORAP_WINDOW_MAX */
	uint64_t in_flight_bytes;
	size_t in_flight_count;
	uint64_t acked_bytes; /* since init */
	double rate;          /* bytes a second that the link was seen to carry */
	struct torap_mono rate_since, idle_since;
	uint64_t rate_bytes;
	struct torap_flight *oldest, *newest;
};

void torap_window_init(struct torap_window *w, uint64_t credit_bytes, struct torap_mono now);
void torap_window_finish(struct torap_window *w);
void torap_window_credit(struct torap_window *w, uint64_t credit_bytes);
/* May a message of so many bytes be sent now?  A message larger than the whole window goes alone. */
bool torap_window_open(const struct torap_window *w, size_t bytes);
/* It was sent.  `stream` is the caller's own number for it.  0 or -ENOMEM. */
int torap_window_sent(
	struct torap_window *w, uint32_t stream, uint64_t batch_no, size_t bytes, struct torap_mono now);
/* All of `stream` up to and including batch_no was flushed by the peer.  Returns how many messages that freed. */
size_t torap_window_acked(struct torap_window *w, uint32_t stream, uint64_t batch_no, struct torap_mono now);
/* How long the oldest message has waited for its acknowledgement; 0 when nothing is in flight. */
int64_t torap_window_age_us(const struct torap_window *w, struct torap_mono now);
