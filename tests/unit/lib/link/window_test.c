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

/* A link of 125,000 bytes a second must not stand more than about a second deep. */
Test(window, shrinks_to_a_second_of_a_slow_link)
{
	struct torap_window w;
	torap_window_init(&w, 16 << 20, at_ms(0));
	uint64_t sent = 0, acked = 0;
	for (int64_t ms = 0; ms < 20000; ms += 8) {
		while (torap_window_open(&w, 1000))
			torap_window_sent(&w, 1, ++sent, 1000, at_ms(ms));
		torap_window_acked(&w, 1, ++acked, at_ms(ms));
	}
	cr_assert_leq(w.in_flight_bytes, 160000);
	cr_assert_geq(w.limit_bytes, 64 << 10);
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
	for (int64_t ms = 0; ms < 10000; ms += 250) {
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
