#include <criterion/criterion.h>

#include "link/dialler.h"
#include "proto/session.pb-c.h"

static struct torap_mono at_ms(int64_t ms)
{
	return (struct torap_mono){ ms * TORAP_US_PER_MS };
}

static struct torap_dial_out step(struct torap_dialler *d, enum torap_dial_input in, int64_t ms)
{
	struct torap_dial_out out;
	torap_dialler_step(d, in, 0, at_ms(ms), &out);
	return out;
}

static struct torap_dial_out refuse(struct torap_dialler *d, int code, int64_t ms)
{
	struct torap_dial_out out;
	torap_dialler_step(d, TORAP_DIAL_IN_REFUSED, code, at_ms(ms), &out);
	return out;
}

/* A dialler that flows since `ms`. */
static struct torap_dialler flowing(int64_t ms)
{
	struct torap_dialler d;
	torap_dialler_init(&d, &torap_dial_defaults, 8812, at_ms(ms));
	cr_assert(step(&d, TORAP_DIAL_IN_TICK, ms).say_hello);
	step(&d, TORAP_DIAL_IN_SENT, ms);
	cr_assert(step(&d, TORAP_DIAL_IN_WELCOME, ms).began);
	cr_assert_eq(d.state, TORAP_DIAL_FLOWING);
	return d;
}

Test(dialler, greets_at_once_and_flows_after_the_welcome)
{
	struct torap_dialler d = flowing(0);
	cr_assert_eq(d.reason, TORAP_DIAL_FINE);
	cr_assert_eq(d.times_flowing, 1);
}

Test(dialler, says_hello_again_soon_when_there_is_no_connection)
{
	struct torap_dialler d;
	torap_dialler_init(&d, &torap_dial_defaults, 1, at_ms(0));
	step(&d, TORAP_DIAL_IN_TICK, 0);
	struct torap_dial_out out = step(&d, TORAP_DIAL_IN_SEND_FAILED, 0);
	cr_assert(!out.reset, "a connection in the making must not be thrown away");
	cr_assert_eq(d.state, TORAP_DIAL_DOWN);
	cr_assert_eq(d.reason, TORAP_DIAL_UNREACHABLE);
	cr_assert(!step(&d, TORAP_DIAL_IN_TICK, 50).say_hello);
	cr_assert(step(&d, TORAP_DIAL_IN_TICK, 130).say_hello);
}

Test(dialler, resets_a_connection_that_does_not_answer_hello)
{
	struct torap_dialler d;
	torap_dialler_init(&d, &torap_dial_defaults, 1, at_ms(0));
	step(&d, TORAP_DIAL_IN_TICK, 0);
	cr_assert(!step(&d, TORAP_DIAL_IN_TICK, 2999).reset);
	cr_assert(step(&d, TORAP_DIAL_IN_TICK, 3000).reset);
	cr_assert_eq(d.reason, TORAP_DIAL_NO_ANSWER);
}

/* A half-open link: nothing arrives, and nothing fails either. */
Test(dialler, finds_a_silent_peer_within_the_limit)
{
	struct torap_dialler d = flowing(0);
	step(&d, TORAP_DIAL_IN_HEARD, 1000);
	cr_assert(!step(&d, TORAP_DIAL_IN_TICK, 4999).ended);
	struct torap_dial_out out = step(&d, TORAP_DIAL_IN_TICK, 5000);
	cr_assert(out.ended && out.reset);
	cr_assert_eq(d.reason, TORAP_DIAL_SILENT);
}

Test(dialler, sends_a_heartbeat_only_when_nothing_else_was_sent)
{
	struct torap_dialler d = flowing(0);
	step(&d, TORAP_DIAL_IN_SENT, 600);
	cr_assert(!step(&d, TORAP_DIAL_IN_TICK, 1500).heartbeat);
	cr_assert(step(&d, TORAP_DIAL_IN_TICK, 1600).heartbeat);
}

Test(dialler, greets_anew_on_the_same_connection_when_the_peer_forgot_it)
{
	struct torap_dialler d = flowing(0);
	struct torap_dial_out out = refuse(&d, TORAP__REFUSAL__CODE__NO_SESSION, 100);
	cr_assert(out.ended && out.say_hello && !out.reset);
	out = refuse(&d, TORAP__REFUSAL__CODE__NO_SESSION, 101);
	cr_assert(!out.say_hello, "an answer to an older message must not make a second hello");
}

Test(dialler, waits_after_a_refusal_and_then_tries_again)
{
	struct torap_dialler d = flowing(0);
	cr_assert(refuse(&d, TORAP__REFUSAL__CODE__NOT_ADMITTED, 0).ended);
	cr_assert_eq(d.state, TORAP_DIAL_REFUSED);
	cr_assert_eq(d.reason, TORAP_DIAL_NOT_ADMITTED);
	cr_assert(!step(&d, TORAP_DIAL_IN_TICK, 3700).say_hello);
	cr_assert(step(&d, TORAP_DIAL_IN_TICK, 6300).say_hello);
}

Test(dialler, leaves_resume_to_its_user)
{
	struct torap_dialler d = flowing(0);
	struct torap_dial_out out = refuse(&d, TORAP__REFUSAL__CODE__RESUME, 10);
	cr_assert(!out.ended && !out.reset);
	cr_assert_eq(d.state, TORAP_DIAL_FLOWING);
}

Test(dialler, doubles_its_pauses_up_to_a_limit_and_never_gives_up)
{
	struct torap_dialler d;
	torap_dialler_init(&d, &torap_dial_defaults, 42, at_ms(0));
	int64_t ms = 0, last_try = 0, longest = 0;
	int tries = 0;
	for (; ms < 10 * 60 * 1000; ms += 50)
		if (step(&d, TORAP_DIAL_IN_TICK, ms).say_hello) {
			longest = ms - last_try > longest ? ms - last_try : longest;
			last_try = ms;
			tries++;
		}
	cr_assert_geq(tries, 60);
	cr_assert_leq(longest, 3000 + 5000 + 5000 / 4 + 100);
	cr_assert_geq(ms - last_try, 0);
}
