/* Messages in flight stand in a list in the order of sending.  An acknowledgement covers one stream up to a number; a feed's streams
 * mix in the list, so it is walked up to the newest that can match.  The list is short: a second's worth of batches. */
#include "link/window.h"

#include <errno.h>
#include <stdlib.h>

enum {
	/* Long enough for several acknowledgements, short against the second that it is used for. */
	RATE_EVERY_US = 200 * 1000,
	CARRIED_EVERY_US = 500 * 1000,
	PROBE_EVERY_MS = 30000,
	PROBE_MS_MAX = 2000, /* longer than what is in flight takes, a second of the rate, on any link */
	/* Bytes a second, to begin with: half a second of 1 Mbit/s; a fast link is known after 200 ms. */
	RATE_UNKNOWN = 64 << 10,
};

struct torap_flight {
	struct torap_flight *next;
	uint64_t batch_no;
	size_t bytes;
	uint32_t stream;
	bool alone; /* nothing else was in flight when it was sent */
	struct torap_mono at;
};

/* Never above a second's worth, the peer's word or what we can hold.  A window below rate × delay would take its own narrowness for the
 * link's rate, and shrink further; twice the delay lets it grow.  The least delay that was seen is never below the link's own. */
static void set_limit(struct torap_window *w)
{
	int64_t ahead_us = 2 * w->delay_us + TORAP_WINDOW_SPARE_MS * TORAP_US_PER_MS;
	if (w->delay_us == 0 || ahead_us > TORAP_US_PER_S)
		ahead_us = TORAP_US_PER_S;
	double bytes = w->rate * (double)ahead_us / TORAP_US_PER_S;
	uint64_t limit = TORAP_WINDOW_MIN;
	if (bytes > TORAP_WINDOW_MIN)
		limit = bytes < TORAP_WINDOW_MAX ? (uint64_t)bytes : TORAP_WINDOW_MAX;
	w->limit_bytes = limit < w->credit_bytes ? limit : w->credit_bytes;
}

void torap_window_init(struct torap_window *w, uint64_t credit_bytes, struct torap_mono now)
{
	*w = (struct torap_window){
		.credit_bytes = credit_bytes,
		.rate = RATE_UNKNOWN,
		.rate_since = now,
		.idle_since = now,
		.probe_at = torap_mono_add_ms(now, PROBE_EVERY_MS),
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

bool torap_window_open(struct torap_window *w, size_t bytes)
{
	if (w->in_flight_count == 0)
		return true;
	if (w->probing || w->in_flight_count >= TORAP_WINDOW_MESSAGES_MAX)
		return false;
	bool room = w->in_flight_bytes + bytes <= w->limit_bytes;
	w->used_up = w->used_up || !room;
	return room;
}

int torap_window_sent(
	struct torap_window *w, uint32_t stream, uint64_t batch_no, size_t bytes, struct torap_mono now)
{
	struct torap_flight *f = malloc(sizeof *f);
	if (!f)
		return -ENOMEM;
	*f = (struct torap_flight){ .batch_no = batch_no,
		.bytes = bytes,
		.stream = stream,
		.alone = w->in_flight_count == 0,
		.at = now };
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

/* The rate rises at once and falls by halves; by more when the measure took longer than usual, as that of one batch may. */
static void learn(struct torap_window *w, uint64_t bytes, int64_t passed_us)
{
	double rate = (double)bytes * TORAP_US_PER_S / (double)passed_us;
	double old = (double)RATE_EVERY_US / 2 / (double)passed_us;
	w->rate = rate > w->rate ? rate : rate + (w->rate - rate) * old;
	w->measured = true;
	set_limit(w);
}

/* Only a window that was used up says something of the link: else the rate is that of the load, and neither a quiet hour nor an hour of
 * a few alarms a second makes a slow link of a fast one.  More than was thought is true in any case. */
static void measure(struct torap_window *w, uint64_t bytes, struct torap_mono now)
{
	w->rate_bytes += bytes;
	int64_t passed_us = now.us - w->rate_since.us;
	if (passed_us < RATE_EVERY_US)
		return;
	bool more = (double)w->rate_bytes * TORAP_US_PER_S > w->rate * (double)passed_us;
	if (w->used_up || (w->measured && more))
		learn(w, w->rate_bytes, passed_us);
	w->rate_since = now;
	w->rate_bytes = 0;
	w->used_up = false;
}

void torap_window_carried(struct torap_window *w, uint64_t bytes, struct torap_mono now)
{
	int64_t passed_us = now.us - w->carried_since.us;
	bool alone = w->in_flight_count == 1 && w->in_flight_bytes > w->limit_bytes &&
		     w->oldest->at.us <= w->carried_since.us;
	if (alone && passed_us < CARRIED_EVERY_US)
		return;
	if (alone && bytes >= w->carried)
		learn(w, bytes - w->carried, passed_us);
	w->carried_since = now;
	w->carried = bytes;
}

static void learn_delay(struct torap_window *w, const struct torap_flight *f, struct torap_mono now)
{
	int64_t delay_us = now.us - f->at.us;
	if (f->alone || (delay_us > 0 && delay_us < w->delay_us))
		w->delay_us = delay_us;
	if (f->alone) {
		w->probing = false;
		w->probe_at = torap_mono_add_ms(now, PROBE_EVERY_MS);
	} else if (!w->probing && torap_mono_reached(w->probe_at, now)) {
		w->probing = true;
		w->probe_at = torap_mono_add_ms(now, PROBE_MS_MAX);
	}
}

/* A peer that acknowledges one stream and leaves another lying must not hold up the first for ever. */
static void end_probe(struct torap_window *w, struct torap_mono now)
{
	if (!w->probing || !torap_mono_reached(w->probe_at, now))
		return;
	w->probing = false;
	w->probe_at = torap_mono_add_ms(now, PROBE_EVERY_MS);
}

size_t torap_window_acked(struct torap_window *w, uint32_t stream, uint64_t batch_no, struct torap_mono now)
{
	size_t freed = 0;
	uint64_t bytes = 0;
	struct torap_flight *before = NULL;
	end_probe(w, now);
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
		learn_delay(w, f, now);
		free(f);
	}
	if (!freed)
		return 0;
	w->in_flight_bytes -= bytes;
	w->in_flight_count -= freed;
	w->acked_count += freed;
	w->idle_since = now;
	measure(w, bytes, now);
	return freed;
}

size_t torap_window_kernel_bytes(const struct torap_window *w, int64_t rtt_us)
{
	double bytes = w->rate * (double)(rtt_us + TORAP_WINDOW_KERNEL_MS * TORAP_US_PER_MS) / TORAP_US_PER_S;
	if (!w->measured || bytes >= TORAP_WINDOW_KERNEL_MAX)
		return 0;
	return bytes > TORAP_WINDOW_KERNEL_MIN ? (size_t)bytes : TORAP_WINDOW_KERNEL_MIN;
}

int64_t torap_window_age_us(const struct torap_window *w, struct torap_mono now)
{
	return w->oldest ? now.us - w->oldest->at.us : 0;
}
