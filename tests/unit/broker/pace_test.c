#include <criterion/criterion.h>
#include <string.h>

#include "broker/pace.h"

enum { WRITER = 1, SUBSCRIBER = 2 };

static const uint8_t key_a[TORAP_CURVE_KEY_SIZE] = { 1 };
static const uint8_t key_b[TORAP_CURVE_KEY_SIZE] = { 2 };

static struct torap_mono at_ms(int64_t ms)
{
	return (struct torap_mono){ ms * TORAP_US_PER_MS };
}

/* Hellos without an end, one a millisecond: how many pass? */
static unsigned flood(struct broker_pace *p, const uint8_t *key, uint8_t lane, int64_t from, int64_t until)
{
	unsigned passed = 0;
	for (int64_t ms = from; ms < until; ms++)
		passed += broker_pace_take(p, key, SUBSCRIBER, lane, at_ms(ms));
	return passed;
}

Test(pace, lets_a_burst_pass_and_then_one_a_second)
{
	struct broker_pace *p = broker_pace_create();
	cr_assert_eq(flood(p, key_a, 1, 0, 999), BROKER_PACE_BURST);
	cr_assert_eq(flood(p, key_a, 1, 1000, 1999), 1);
	cr_assert_eq(flood(p, key_a, 1, 2000, 12000), 10);
	broker_pace_destroy(p);
}

Test(pace, of_one_session_takes_nothing_from_another)
{
	struct broker_pace *p = broker_pace_create();
	flood(p, key_a, 1, 0, 1000);
	cr_assert(!broker_pace_take(p, key_a, SUBSCRIBER, 1, at_ms(999)));
	cr_assert(broker_pace_take(p, key_a, SUBSCRIBER, 2, at_ms(999)), "another lane");
	cr_assert(broker_pace_take(p, key_a, WRITER, 1, at_ms(999)), "another role");
	cr_assert(broker_pace_take(p, key_b, SUBSCRIBER, 1, at_ms(999)), "another key");
	broker_pace_destroy(p);
}

Test(pace, is_forgiven_after_a_quiet_while)
{
	struct broker_pace *p = broker_pace_create();
	flood(p, key_a, 1, 0, 500);
	broker_pace_sweep(p, at_ms(7999));
	cr_assert_eq(broker_pace_count(p), 1, "what is not full again is not forgotten");
	broker_pace_sweep(p, at_ms(8000));
	cr_assert_eq(broker_pace_count(p), 0);
	cr_assert_eq(flood(p, key_a, 1, 8000, 8500), BROKER_PACE_BURST);
	broker_pace_destroy(p);
}

Test(pace, remembers_no_more_than_it_may)
{
	struct broker_pace *p = broker_pace_create();
	uint8_t key[TORAP_CURVE_KEY_SIZE] = { 0 };
	for (uint32_t i = 0; i < BROKER_PACES_MAX; i++) {
		memcpy(key, &i, sizeof i);
		cr_assert(broker_pace_take(p, key, WRITER, 1, at_ms(0)));
	}
	cr_assert(!broker_pace_take(p, key, WRITER, 2, at_ms(0)));
	cr_assert_eq(broker_pace_count(p), BROKER_PACES_MAX);
	broker_pace_sweep(p, at_ms(1000));
	cr_assert(broker_pace_take(p, key, WRITER, 2, at_ms(1000)));
	broker_pace_destroy(p);
}
