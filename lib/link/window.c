/* Messages in flight stand in a list in the order of sending.  An acknowledgement covers one stream up to a number; a feed's streams
 * mix in the list, so it is walked up to the newest that can match.  The list is short: a second's worth of batches. */
#include "link/window.h"

#include <errno.h>
#include <stdlib.h>

enum {
	RATE_EVERY_US =
		200 *
		1000, /* long enough for several acknowledgements, short against the second it is used for */
	RATE_UNKNOWN =
		256
		<< 10, /* bytes a second, to begin with: 2 s of a 1 Mbit/s link, 200 ms until a fast one is known */
};

struct torap_flight {
	struct torap_flight *next;
	uint64_t batch_no;
	size_t bytes;
	uint32_t stream;
	struct torap_mono at;
};

/* A second of the measured rate, at least one batch, never above the peer's word or what we can hold. */
static void set_limit(struct torap_window *w)
{
	uint64_t limit = TORAP_WINDOW_MIN;
	if (w->rate > TORAP_WINDOW_MIN)
		limit = w->rate < TORAP_WINDOW_MAX ? (uint64_t)w->rate : TORAP_WINDOW_MAX;
	w->limit_bytes = limit < w->credit_bytes ? limit : w->credit_bytes;
}

void torap_window_init(struct torap_window *w, uint64_t credit_bytes, struct torap_mono now)
{
	*w = (struct torap_window){
		.credit_bytes = credit_bytes, .rate = RATE_UNKNOWN, .rate_since = now, .idle_since = now
	};
	set_limit(w);
}

void torap_window_finish(struct torap_window *w)
{
	while (w->oldest) {
		struct torap_flight *f = w->oldest;
		w->oldest = f->next;
		free(f);
	}
	*w = (struct torap_window){ 0 };
}

void torap_window_credit(struct torap_window *w, uint64_t credit_bytes)
{
	w->credit_bytes = credit_bytes;
	set_limit(w);
}

bool torap_window_open(const struct torap_window *w, size_t bytes)
{
	return w->in_flight_count == 0 || (w->in_flight_count < TORAP_WINDOW_MESSAGES_MAX &&
						  w->in_flight_bytes + bytes <= w->limit_bytes);
}

int torap_window_sent(
	struct torap_window *w, uint32_t stream, uint64_t batch_no, size_t bytes, struct torap_mono now)
{
	struct torap_flight *f = malloc(sizeof *f);
	if (!f)
		return -ENOMEM;
	*f = (struct torap_flight){ .batch_no = batch_no, .bytes = bytes, .stream = stream, .at = now };
	if (w->in_flight_count == 0) {
		w->rate_since.us += now.us - w->idle_since.us; /* Idle time must not count as slowness. */
		w->oldest = f;
	} else {
		w->newest->next = f;
	}
	w->newest = f;
	w->in_flight_bytes += bytes;
	w->in_flight_count++;
	return 0;
}

/* The rate rises at once and falls by halves.  Only a window that was used up says something of the link: else the rate is that of
 * the load, and a quiet hour must not make a narrow window. */
static void measure(struct torap_window *w, uint64_t bytes, struct torap_mono now)
{
	w->rate_bytes += bytes;
	int64_t passed_us = now.us - w->rate_since.us;
	if (passed_us < RATE_EVERY_US)
		return;
	if (w->rate_bytes + w->in_flight_bytes >= w->limit_bytes) {
		double rate = (double)w->rate_bytes * TORAP_US_PER_S / (double)passed_us;
		w->rate = rate > w->rate ? rate : (w->rate + rate) / 2;
		set_limit(w);
	}
	w->rate_since = now;
	w->rate_bytes = 0;
}

size_t torap_window_acked(struct torap_window *w, uint32_t stream, uint64_t batch_no, struct torap_mono now)
{
	size_t freed = 0;
	uint64_t bytes = 0;
	struct torap_flight *before = NULL;
	for (struct torap_flight **at = &w->oldest; *at;) {
		struct torap_flight *f = *at;
		if (f->stream == stream && f->batch_no > batch_no)
			break; /* A stream's batches stand in order. */
		if (f->stream != stream) {
			before = f;
			at = &f->next;
			continue;
		}
		*at = f->next;
		if (w->newest == f)
			w->newest = before;
		bytes += f->bytes;
		freed++;
		free(f);
	}
	if (!freed)
		return 0;
	w->in_flight_bytes -= bytes;
	w->in_flight_count -= freed;
	w->acked_bytes += bytes;
	w->idle_since = now;
	measure(w, bytes, now);
	return freed;
}

int64_t torap_window_age_us(const struct torap_window *w, struct torap_mono now)
{
	return w->oldest ? now.us - w->oldest->at.us : 0;
}
