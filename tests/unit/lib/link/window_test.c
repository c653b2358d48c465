#include <criterion/criterion.h>

#include "link/window.h"

static struct torap_mono at_ms(int64_t ms)
{
	return (struct torap_mono){ ms * TORAP_US_PER_MS };
}

Test(window, always_lets_one_message_through)
{
	struct torap_window w;
	torap_window_init(&w, 1000, at_ms(0));
	cr_assert(torap_window_open(&w, 1 << 20));
	cr_assert_eq(torap_window_sent(&w, 1, 1, 1 << 20, at_ms(0)), 0);
	cr_assert(!torap_window_open(&w, 1));
	torap_window_finish(&w);
}

Test(window, closes_at_its_credit_and_opens_by_acknowledgement)
{
	struct torap_window w;
	torap_window_init(&w, 3000, at_ms(0));
	for (uint64_t no = 1; no <= 3; no++)
		torap_window_sent(&w, 7, no, 1000, at_ms(0));
	cr_assert(!torap_window_open(&w, 1));
	cr_assert_eq(torap_window_acked(&w, 7, 2, at_ms(1)), 2);
	cr_assert_eq(w.in_flight_bytes, 1000);
	cr_assert(torap_window_open(&w, 2000));
	cr_assert(!torap_window_open(&w, 2001));
	torap_window_finish(&w);
}

Test(window, keeps_streams_apart)
{
	struct torap_window w;
	torap_window_init(&w, 1 << 20, at_ms(0));
	torap_window_sent(&w, 1, 10, 100, at_ms(0));
	torap_window_sent(&w, 2, 4, 200, at_ms(0));
	torap_window_sent(&w, 1, 11, 300, at_ms(0));
	torap_window_sent(&w, 2, 5, 400, at_ms(0));
	cr_assert_eq(torap_window_acked(&w, 2, 5, at_ms(1)), 2);
	cr_assert_eq(w.in_flight_bytes, 400);
	cr_assert_eq(torap_window_acked(&w, 2, 5, at_ms(1)), 0,
		"an acknowledgement that comes twice frees nothing");
	cr_assert_eq(torap_window_acked(&w, 1, 11, at_ms(1)), 2);
	cr_assert_eq(w.in_flight_count, 0);
	/* The list's end must be right after its last element went. */
	torap_window_sent(&w, 3, 1, 50, at_ms(2));
	torap_window_sent(&w, 3, 2, 50, at_ms(2));
	cr_assert_eq(torap_window_acked(&w, 3, 2, at_ms(3)), 2);
	torap_window_finish(&w);
}

/* A backlog over a link with a rate and a delay each way, whose queue is as long as it likes. */
struct carried {
	uint64_t bytes, most_in_flight; /* from half of the time on */
};

static struct carried drain(
	struct torap_window *w, size_t batch, double bytes_per_ms, int64_t one_way_ms, int64_t for_ms)
{
	enum { RING = 1 << 16 };
	static double arrives_ms[RING];
	struct carried c = { 0 };
	uint64_t sent = 0, acked = 0;
	double free_ms = 0;
	for (int64_t ms = 0; ms < for_ms; ms++) {
		uint64_t here = acked;
		while (here < sent && arrives_ms[here % RING] + (double)one_way_ms <= (double)ms)
			here++;
		c.bytes += ms >= for_ms / 2 ? (here - acked) * batch : 0;
		acked = here;
		torap_window_acked(w, 1, acked, at_ms(ms));
		while (torap_window_open(w, batch)) {
			cr_assert_eq(torap_window_sent(w, 1, ++sent, batch, at_ms(ms)), 0);
			free_ms =
				(free_ms > (double)ms ? free_ms : (double)ms) + (double)batch / bytes_per_ms;
			arrives_ms[(sent - 1) % RING] = free_ms + (double)one_way_ms;
		}
		if (ms >= for_ms / 2 && w->in_flight_bytes > c.most_in_flight)
			c.most_in_flight = w->in_flight_bytes;
	}
	return c;
}

enum { SLOW_BYTES_PER_MS = 125 }; /* 1 Mbit/s */

/* An alarm stands behind what is in flight, on whatever lane that is. */
Test(window, keeps_a_slow_link_busy_and_its_queue_short)
{
	static const struct {
		size_t batch;
		int64_t one_way_ms;
	} cases[] = { { 1000, 0 }, { 1000, 20 }, { 4 << 10, 1 }, { 16 << 10, 0 }, { 16 << 10, 10 },
		{ 16 << 10, 50 } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct torap_window w;
		torap_window_init(&w, 16 << 20, at_ms(0));
		struct carried c = drain(&w, cases[i].batch, SLOW_BYTES_PER_MS, cases[i].one_way_ms, 60000);
		int64_t queue_ms = (int64_t)c.most_in_flight / SLOW_BYTES_PER_MS - 2 * cases[i].one_way_ms;
		cr_expect_geq(c.bytes, 30000 * SLOW_BYTES_PER_MS * 9 / 10, "case %zu: %llu bytes", i,
			(unsigned long long)c.bytes);
		cr_expect_leq(queue_ms, 400, "case %zu: a queue of %lld ms", i, (long long)queue_ms);
		torap_window_finish(&w);
	}
}

/* By satellite: 600 ms there and back.  A window that took its own narrowness for the link's would shrink and shrink. */
Test(window, fills_a_long_link)
{
	struct torap_window w;
	torap_window_init(&w, 16 << 20, at_ms(0));
	struct carried c = drain(&w, 4 << 10, SLOW_BYTES_PER_MS, 300, 60000);
	cr_expect_geq(c.bytes, 30000 * SLOW_BYTES_PER_MS * 9 / 10, "%llu bytes", (unsigned long long)c.bytes);
	torap_window_finish(&w);
	torap_window_init(&w, 16 << 20, at_ms(0));
	c = drain(&w, 64 << 10, 10000, 40, 20000);
	cr_expect_geq(c.bytes, 10000ULL * 10000 * 8 / 10, "80 Mbit/s with 80 ms: %llu bytes",
		(unsigned long long)c.bytes);
	torap_window_finish(&w);
}

/* A batch of a megabyte is acknowledged after eight seconds; by then the alarms have waited. */
Test(window, learns_from_what_the_kernel_delivers_of_a_large_message)
{
	struct torap_window w;
	torap_window_init(&w, 16 << 20, at_ms(0));
	for (int64_t ms = 0; ms <= 2000; ms += 100) {
		torap_window_carried(
			&w, 5000, at_ms(ms)); /* Nothing large is in flight: no news of the link. */
		cr_assert(!w.measured);
	}
	torap_window_sent(&w, 1, 1, 1 << 20, at_ms(2050));
	for (int64_t ms = 2100; ms <= 4100; ms += 100)
		torap_window_carried(&w, 5000 + (uint64_t)(ms - 2050) * SLOW_BYTES_PER_MS, at_ms(ms));
	cr_expect(w.measured);
	cr_expect(w.rate > 110000 && w.rate < 140000, "%.0f bytes a second", w.rate);
	size_t bytes = torap_window_kernel_bytes(&w, 20000);
	cr_expect(bytes > 15000 && bytes < 30000, "%zu bytes", bytes);
	torap_window_finish(&w);
}

/* The short way fails, and the long one is taken: a delay that is not true any more would narrow the window without an end. */
Test(window, finds_that_its_way_has_become_longer)
{
	struct torap_window w;
	torap_window_init(&w, 16 << 20, at_ms(0));
	drain(&w, 4 << 10, SLOW_BYTES_PER_MS, 1, 60000);
	cr_assert_leq(w.delay_us, 60 * TORAP_US_PER_MS);
	torap_window_acked(&w, 1, UINT64_MAX, at_ms(60000));
	w.probe_at = at_ms(30000); /* drain() begins its clock anew */
	w.rate_since = w.idle_since = at_ms(0);
	struct carried c = drain(&w, 4 << 10, SLOW_BYTES_PER_MS, 300, 120000);
	cr_expect_geq(c.bytes, 60000 * SLOW_BYTES_PER_MS * 8 / 10, "%llu bytes", (unsigned long long)c.bytes);
	torap_window_finish(&w);
}

/* What does not fit goes alone, and then the kernel must not take it all at once. */
Test(window, tells_how_much_the_kernel_may_hold)
{
	struct torap_window w;
	torap_window_init(&w, 16 << 20, at_ms(0));
	cr_expect_eq(torap_window_kernel_bytes(&w, 0), 0, "nothing is known yet");
	drain(&w, 1 << 20, SLOW_BYTES_PER_MS, 10, 60000);
	size_t bytes = torap_window_kernel_bytes(&w, 20000);
	cr_expect(bytes > 15000 && bytes < 30000, "%zu bytes of 1 Mbit/s", bytes);
	torap_window_finish(&w);
	torap_window_init(&w, 16 << 20, at_ms(0));
	drain(&w, 1 << 20, 100000, 1, 5000);
	cr_expect_eq(torap_window_kernel_bytes(&w, 2000), 0, "it is fast");
	torap_window_finish(&w);
}

Test(window, grows_to_its_credit_on_a_fast_link)
{
	struct torap_window w;
	torap_window_init(&w, 4 << 20, at_ms(0));
	uint64_t sent = 0;
	for (int64_t ms = 0; ms < 2000; ms++) {
		torap_window_acked(&w, 1, sent, at_ms(ms)); /* a round trip of 1 ms */
		while (torap_window_open(&w, 1000))
			torap_window_sent(&w, 1, ++sent, 1000, at_ms(ms));
	}
	cr_assert_eq(w.limit_bytes, 4 << 20);
	torap_window_finish(&w);
}

Test(window, is_not_narrowed_by_a_quiet_hour)
{
	struct torap_window w;
	torap_window_init(&w, 4 << 20, at_ms(0));
	uint64_t before = w.limit_bytes;
	for (int64_t s = 1; s <= 3600; s++) {
		torap_window_sent(&w, 1, (uint64_t)s, 300, at_ms(s * 1000));
		torap_window_acked(&w, 1, (uint64_t)s, at_ms(s * 1000 + 3));
	}
	cr_assert_geq(w.limit_bytes, before);
	torap_window_finish(&w);
}

/* A hundred alarms a second, each two milliseconds on its way, are not what the link can carry: batches of other lanes would be made
 * small for nothing. */
Test(window, takes_no_light_load_for_a_slow_link)
{
	struct torap_window fresh, used;
	torap_window_init(&fresh, 16 << 20, at_ms(0));
	torap_window_init(&used, 16 << 20, at_ms(0));
	drain(&used, 16 << 10, 100e3, 0, 10000);
	double rate = used.rate;
	cr_assert(used.measured && rate > 50e6, "%.0f bytes a second", rate);
	torap_window_acked(&used, 1, UINT64_MAX, at_ms(10000));
	for (int64_t i = 1; i <= 10 * 3600; i++) {
		struct torap_window *both[] = { &fresh, &used };
		for (int k = 0; k < 2; k++) {
			cr_assert(torap_window_open(both[k], 1000));
			torap_window_sent(both[k], 2, (uint64_t)i, 1000, at_ms(10000 + i * 10));
			torap_window_acked(both[k], 2, (uint64_t)i, at_ms(10002 + i * 10));
		}
	}
	cr_expect_not(fresh.measured);
	cr_expect_geq(used.rate, rate);
	torap_window_finish(&fresh);
	torap_window_finish(&used);
}

Test(window, says_how_long_the_oldest_waits)
{
	struct torap_window w;
	torap_window_init(&w, 4 << 20, at_ms(0));
	cr_assert_eq(torap_window_age_us(&w, at_ms(50)), 0);
	torap_window_sent(&w, 1, 1, 10, at_ms(10));
	torap_window_sent(&w, 1, 2, 10, at_ms(40));
	cr_assert_eq(torap_window_age_us(&w, at_ms(50)), 40000);
	torap_window_acked(&w, 1, 1, at_ms(50));
	cr_assert_eq(torap_window_age_us(&w, at_ms(50)), 10000);
	torap_window_finish(&w);
}

/* A peer that promises to take everything and acknowledges at once must not make us hold a gigabyte for it. */
Test(window, has_an_end_whatever_the_credit)
{
	struct torap_window w;
	torap_window_init(&w, UINT64_MAX, at_ms(0));
	uint64_t no = 0;
	for (int64_t ms = 0; ms < 10000; ms += 205) {
		while (torap_window_open(&w, 1 << 20))
			torap_window_sent(&w, 1, ++no, 1 << 20, at_ms(ms));
		cr_assert_leq(w.in_flight_bytes, TORAP_WINDOW_MAX);
		torap_window_acked(&w, 1, no, at_ms(ms + 200));
	}
	cr_expect_eq(w.limit_bytes, TORAP_WINDOW_MAX);
	torap_window_finish(&w);
}

/* A socket takes so many messages and no more, and then gives its peer up for gone. */
Test(window, closes_at_its_messages_however_small_they_are)
{
	struct torap_window w;
	torap_window_init(&w, 16 << 20, at_ms(0));
	w.limit_bytes = TORAP_WINDOW_MAX;
	for (uint64_t no = 1; no <= TORAP_WINDOW_MESSAGES_MAX; no++) {
		cr_assert(torap_window_open(&w, 10), "closed at %llu", (unsigned long long)no);
		torap_window_sent(&w, 1, no, 10, at_ms(0));
	}
	cr_expect(!torap_window_open(&w, 10));
	torap_window_acked(&w, 1, 1, at_ms(1));
	cr_expect(torap_window_open(&w, 10));
	torap_window_finish(&w);
}
