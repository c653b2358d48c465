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
	struct torap_dial_out out = step(&d, TORAP_DIAL_IN_LOST, 0);
	cr_assert(out.reset);
	cr_assert_eq(d.state, TORAP_DIAL_DOWN);
	cr_assert_eq(d.reason, TORAP_DIAL_UNREACHABLE);
	cr_assert(!step(&d, TORAP_DIAL_IN_TICK, 50).say_hello);
	cr_assert(step(&d, TORAP_DIAL_IN_TICK, 130).say_hello);
}

/* Nobody is there, whom it could disturb. */
Test(dialler, never_waits_long_for_who_cannot_be_reached)
{
	struct torap_dialler d;
	torap_dialler_init(&d, &torap_dial_defaults, 1, at_ms(0));
	int64_t last = 0, longest = 0;
	for (int64_t ms = 0; ms < 60000; ms += 10) {
		if (!step(&d, TORAP_DIAL_IN_TICK, ms).say_hello)
			continue;
		longest = ms - last > longest ? ms - last : longest;
		last = ms;
		step(&d, TORAP_DIAL_IN_LOST, ms);
	}
	cr_assert_leq(longest, 2000 + 2000 / 4 + 10);
	cr_assert_geq(longest, 1500);
}

/* What ends while it pauses anyway, ends nothing. */
Test(dialler, goes_on_pausing_when_a_connection_ends_meanwhile)
{
	struct torap_dialler d = flowing(0);
	refuse(&d, TORAP__REFUSAL__CODE__NOT_ADMITTED, 0);
	cr_assert(!step(&d, TORAP_DIAL_IN_LOST, 10).reset);
	cr_assert_eq(d.state, TORAP_DIAL_REFUSED);
	cr_assert_eq(d.reason, TORAP_DIAL_NOT_ADMITTED);
}

Test(dialler, resets_a_connection_that_does_not_answer_hello)
{
	struct torap_dialler d;
	torap_dialler_init(&d, &torap_dial_defaults, 1, at_ms(0));
	step(&d, TORAP_DIAL_IN_TICK, 0);
	step(&d, TORAP_DIAL_IN_OPEN, 500);
	cr_assert(!step(&d, TORAP_DIAL_IN_TICK, 3499).reset);
	cr_assert(step(&d, TORAP_DIAL_IN_TICK, 3500).reset);
	cr_assert_eq(d.reason, TORAP_DIAL_NO_ANSWER);
}

/* Five round trips of a satellite are more than the welcome may take; a name server that is dead costs as much. */
Test(dialler, gives_a_connection_more_time_to_be_made_than_a_hello_to_be_answered)
{
	struct torap_dialler d;
	torap_dialler_init(&d, &torap_dial_defaults, 1, at_ms(0));
	step(&d, TORAP_DIAL_IN_TICK, 0);
	cr_assert(!step(&d, TORAP_DIAL_IN_TICK, 9999).reset);
	step(&d, TORAP_DIAL_IN_OPEN, 9999);
	cr_assert(!step(&d, TORAP_DIAL_IN_TICK, 12000).reset);
	cr_assert(step(&d, TORAP_DIAL_IN_WELCOME, 12100).began);
	torap_dialler_init(&d, &torap_dial_defaults, 1, at_ms(0));
	step(&d, TORAP_DIAL_IN_TICK, 0);
	cr_assert(step(&d, TORAP_DIAL_IN_TICK, 10000).reset);
	cr_assert_eq(d.reason, TORAP_DIAL_UNREACHABLE);
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

/* It may have sent WELCOME and NO_SESSION in turn, thousands of each. */
Test(dialler, does_not_greet_as_fast_as_a_peer_forgets_it)
{
	struct torap_dialler d = flowing(0);
	unsigned hellos = 0;
	for (int64_t ms = 0; ms < 10000; ms++) {
		hellos += step(&d, TORAP_DIAL_IN_TICK, ms).say_hello;
		hellos += refuse(&d, TORAP__REFUSAL__CODE__NO_SESSION, ms).say_hello;
		step(&d, TORAP_DIAL_IN_WELCOME, ms);
	}
	cr_assert(hellos > 1 && hellos <= 110, "%u hellos", hellos);
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
			step(&d, TORAP_DIAL_IN_OPEN, ms);
			tries++;
		}
	cr_assert_geq(tries, 60);
	cr_assert_leq(longest, 3000 + 5000 + 5000 / 4 + 100);
	cr_assert_geq(ms - last_try, 0);
}

/* A full store: the peer says welcome, and BUSY at the first batch. */
Test(dialler, waits_longer_each_time_when_a_peer_welcomes_it_and_is_busy)
{
	struct torap_dialler d = flowing(0);
	unsigned hellos = 0;
	refuse(&d, TORAP__REFUSAL__CODE__BUSY, 0);
	for (int64_t ms = 0; ms < 60000; ms += 50) {
		if (!step(&d, TORAP_DIAL_IN_TICK, ms).say_hello)
			continue;
		hellos++;
		step(&d, TORAP_DIAL_IN_WELCOME, ms);
		cr_assert(refuse(&d, TORAP__REFUSAL__CODE__BUSY, ms).ended);
	}
	cr_assert_leq(hellos, 25, "%u hellos in a minute", hellos);
	cr_assert_geq(hellos, 10);
}

/* Says hello as soon as it may, and is welcomed.  How long was the pause? */
static int64_t comes_back(struct torap_dialler *d, int64_t from)
{
	int64_t ms = from;
	while (!step(d, TORAP_DIAL_IN_TICK, ms).say_hello)
		ms += 10;
	cr_assert(step(d, TORAP_DIAL_IN_WELCOME, ms).began);
	return ms - from;
}

Test(dialler, forgets_that_a_peer_was_busy_when_it_has_flowed_for_ten_seconds)
{
	struct torap_dialler d = flowing(0);
	int64_t ms = 0;
	for (int i = 0; i < 10; i++) {
		refuse(&d, TORAP__REFUSAL__CODE__BUSY, ms);
		ms += comes_back(&d, ms);
	}
	step(&d, TORAP_DIAL_IN_HEARD, ms + 9900);
	step(&d, TORAP_DIAL_IN_TICK, ms + 9900);
	cr_assert_eq(d.retry_ms, torap_dial_defaults.retry_ms_max, "not yet");
	step(&d, TORAP_DIAL_IN_TICK, ms + 10000);
	refuse(&d, TORAP__REFUSAL__CODE__BUSY, ms + 10000);
	cr_assert_leq(comes_back(&d, ms + 10000), 135);
}

/* A broker that is started again and again: an alarm that waits must not wait for the pauses of a minute ago. */
Test(dialler, comes_back_at_once_after_each_restart_of_a_peer_that_was_not_busy)
{
	struct torap_dialler d = flowing(0);
	int64_t ms = 0;
	for (int i = 0; i < 10; i++) {
		ms += 500;
		cr_assert(step(&d, TORAP_DIAL_IN_LOST, ms).ended);
		int64_t pause = comes_back(&d, ms);
		cr_assert_leq(pause, 135);
		ms += pause;
	}
}

/* Its heart beats, so that silence never tells. */
Test(dialler, begins_anew_with_a_peer_that_lives_and_moves_nothing)
{
	struct torap_dialler d = flowing(0);
	struct torap_dial_out out = step(&d, TORAP_DIAL_IN_STALLED, 20000);
	cr_assert(out.ended && out.reset);
	cr_assert_eq(d.state, TORAP_DIAL_DOWN);
	cr_assert_str_eq(torap_dial_reason_name(d.reason), "stalled");
	cr_assert(step(&d, TORAP_DIAL_IN_TICK, 20200).say_hello);
	out = step(&d, TORAP_DIAL_IN_STALLED, 20300);
	cr_assert(!out.reset, "what is not flowing cannot stall");
}
