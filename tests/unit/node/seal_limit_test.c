#include <criterion/criterion.h>

#include "node/seal_limit.h"

static const double mbit = 125000;

/* Steps every 100 ms; what is in force at the end. */
static size_t pass(struct node_seal_limit *l, double rate, int64_t *ms, int64_t for_ms)
{
	size_t bytes = 0;
	for (int64_t end = *ms + for_ms; *ms <= end; *ms += 100)
		bytes = node_seal_limit_step(l, rate, (struct torap_mono){ *ms * TORAP_US_PER_MS });
	return bytes;
}

Test(seal_limit, is_16_kib_at_1_mbit)
{
	cr_expect_eq(node_seal_limit_of(mbit), 16 << 10);
	cr_expect_eq(node_seal_limit_of(1), NODE_SEAL_BYTES_MIN);
	cr_expect_eq(node_seal_limit_of(1e9), NODE_SEAL_BYTES);
}

Test(seal_limit, follows_a_link_that_turns_out_slow_and_recovers)
{
	struct node_seal_limit l = { 0 };
	int64_t ms = 0;
	cr_expect_eq(pass(&l, 0, &ms, 20000), 0, "nothing was measured");
	cr_expect_eq(pass(&l, 100 * mbit, &ms, 20000), 0, "it is fast");
	cr_expect_eq(pass(&l, mbit, &ms, 1500), 0, "a slow moment is none");
	cr_expect_eq(pass(&l, mbit, &ms, 1000), 16 << 10);
	cr_expect_eq(pass(&l, 0, &ms, 60000), 16 << 10, "a link that is down says nothing");
	cr_expect_eq(pass(&l, 100 * mbit, &ms, 9000), 16 << 10, "a fast moment is none, either");
	cr_expect_eq(pass(&l, 100 * mbit, &ms, 2000), 0);
}

/* Measures go up and down with the load: a limit that followed each would be another one in every batch. */
Test(seal_limit, does_not_tremble)
{
	struct node_seal_limit l = { 0 };
	int64_t ms = 0;
	pass(&l, mbit, &ms, 3000);
	for (int i = 0; i < 100; i++) {
		cr_expect_eq(pass(&l, mbit * (i % 2 ? 1.4 : 0.7), &ms, 3000), 16 << 10);
		cr_expect_eq(pass(&l, mbit * (i % 2 ? 20 : 0.1), &ms, 1500), 16 << 10);
	}
}

Test(seal_limit, is_never_above_what_is_configured)
{
	struct node_seal_limit l = { .configured = 16 << 10 };
	int64_t ms = 0;
	cr_expect_eq(pass(&l, 0, &ms, 100), 16 << 10);
	cr_expect_eq(pass(&l, 100 * mbit, &ms, 20000), 16 << 10);
	cr_expect_eq(pass(&l, mbit / 2, &ms, 5000), 8 << 10, "what is measured may be less");
}
