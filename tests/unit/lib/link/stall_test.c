#include <criterion/criterion.h>

#include "link/stall.h"
#include "link/window.h"

enum { LOOK_MS = TORAP_STALL_LOOK_US / TORAP_US_PER_MS };

static struct torap_mono at_ms(int64_t ms)
{
	return (struct torap_mono){ 1000 * TORAP_US_PER_MS + ms * TORAP_US_PER_MS };
}

/* Looks ten times a second until `to`, while the connection carries so many bytes a second; whether it ever was stalled. */
static bool run(
	struct torap_stall *s, struct torap_window *w, int64_t from_ms, int64_t to_ms, double bytes_per_ms)
{
	bool ever = false;
	for (int64_t ms = from_ms; ms < to_ms; ms += 100)
		if (torap_stall_waits(s, w, at_ms(ms)))
			ever |= torap_stall_look(s, (uint64_t)((double)ms * bytes_per_ms), at_ms(ms));
	return ever;
}

Test(stall, is_what_moves_less_than_heartbeats_do)
{
	struct torap_stall s = { 0 };
	struct torap_window w;
	torap_window_init(&w, 1 << 20, at_ms(0));
	torap_window_sent(&w, 1, 1, 1000, at_ms(0));
	cr_expect(!run(&s, &w, 0, 2 * LOOK_MS, 0.001), "not before two looks");
	cr_expect(run(&s, &w, 2 * LOOK_MS, 2 * LOOK_MS + 300, 0.001));
	cr_expect(s.stalled, "and it stays so");
	torap_window_acked(&w, 1, 1, at_ms(3 * LOOK_MS));
	cr_expect(!torap_stall_waits(&s, &w, at_ms(3 * LOOK_MS)));
	cr_expect(!s.stalled, "an acknowledgement ends it");
	torap_window_finish(&w);
}

Test(stall, is_no_large_batch_on_a_slow_link)
{
	struct torap_stall s = { 0 };
	struct torap_window w;
	torap_window_init(&w, 1 << 20, at_ms(0));
	torap_window_sent(&w, 1, 1, 1 << 20, at_ms(0));
	cr_expect(!run(&s, &w, 0, 10 * LOOK_MS, 1.2), "9,600 bits a second");
	cr_expect(run(&s, &w, 10 * LOOK_MS, 13 * LOOK_MS, 0), "then nothing more");
	torap_window_finish(&w);
}

/* A disk that takes 14 s for each small batch: the first message behind is always old, the bytes are few. */
Test(stall, is_no_peer_that_acknowledges_seldom)
{
	struct torap_stall s = { 0 };
	struct torap_window w;
	torap_window_init(&w, 1 << 20, at_ms(0));
	for (uint64_t i = 1; i <= 10; i++)
		torap_window_sent(&w, 1, i, 100, at_ms(0));
	for (uint64_t i = 1; i < 10; i++) {
		cr_expect(!run(&s, &w, (int64_t)i * 14000, (int64_t)(i + 1) * 14000, 0), "batch %d", (int)i);
		torap_window_acked(&w, 1, i, at_ms((int64_t)(i + 1) * 14000));
	}
	cr_expect(run(&s, &w, 140000, 156000, 0), "then it does so no more");
	torap_window_finish(&w);
}
