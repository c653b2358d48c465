#include "tests/unit/agents/dc09/desk.h"

#include "agents/dc09/reply.h"

static const char alarm_body[] = "\"SIA-DCS\"0041L0#4001[#4001|Nri2/BA7]";

Test(session, answers_nothing_before_the_verdict)
{
	struct desk *d = desk_open();
	d->by_hand = true;
	desk_say(d, alarm_body);
	cr_expect_eq(d->seen_count, 1);
	desk_later(d, 3000);
	cr_expect_eq(d->sent_size, 0);
	desk_judge(d, true);
	cr_expect(desk_sent_text(d, "\nFBBD0012\"ACK\"0041L0#4001[]\r"));
	desk_close(d);
}

Test(session, is_silent_when_the_node_refuses)
{
	struct desk *d = desk_open();
	d->by_hand = true;
	desk_say(d, alarm_body);
	desk_judge(d, false);
	cr_expect_eq(d->sent_size, 0);
	cr_expect_eq(d->counters.silent[DC09_SILENT_REFUSED], 1);
	desk_close(d);
}

Test(session, is_silent_when_the_node_is_away_and_goes_on_when_it_is_back)
{
	struct desk *d = desk_open();
	d->away = true;
	desk_say(d, alarm_body);
	cr_expect_eq(d->sent_size, 0);
	cr_expect_eq(d->counters.silent[DC09_SILENT_AWAY], 1);
	d->away = false;
	desk_say(d, alarm_body);
	cr_expect_eq(d->counters.acked, 1);
	desk_close(d);
}

/* The panel has repeated by then; a panel that numbers every message 0000 would take the answer for its next message. */
Test(session, never_answers_late)
{
	struct desk *d = desk_open();
	d->by_hand = true;
	desk_say(d, alarm_body);
	desk_later(d, 5000);
	desk_judge(d, true);
	cr_expect_eq(d->sent_size, 0);
	cr_expect_eq(d->counters.silent[DC09_SILENT_LATE], 1);
	desk_close(d);
}

Test(session, answers_in_the_order_of_the_messages)
{
	struct desk *d = desk_open();
	d->by_hand = true;
	desk_say(d, "\"NULL\"0001L0#AAA[]");
	desk_say(d, "\"NULL\"0002L0#AAA[]");
	dc09_session_verdict(&d->s, d->seen[1].ticket, true, d->now);
	cr_expect_eq(d->sent_size, 0);
	dc09_session_verdict(&d->s, d->seen[0].ticket, true, d->now);
	cr_expect_eq(d->counters.acked, 2);
	const char *first = memmem(d->sent, d->sent_size, "0001L0", 6);
	const char *second = memmem(d->sent, d->sent_size, "0002L0", 6);
	cr_expect(first && second && first < second);
	desk_close(d);
}

Test(session, acknowledges_a_message_of_two_codes_when_both_are_taken)
{
	struct desk *d = desk_open();
	d->by_hand = true;
	desk_say(d, "\"SIA-DCS\"0001L0#4001[#4001|Nri1/BA7/ri2/FA7]");
	cr_assert_eq(d->seen_count, 2);
	cr_expect_str_eq(d->seen[0].code, "BA");
	cr_expect_str_eq(d->seen[0].area, "1");
	cr_expect_str_eq(d->seen[1].code, "FA");
	cr_expect_str_eq(d->seen[1].area, "2");
	cr_expect_str_eq(d->seen[1].zone, "7");
	cr_expect(memcmp(d->seen[0].repeat_key, d->seen[1].repeat_key, DC09_REPEAT_KEY_SIZE) != 0);
	dc09_session_verdict(&d->s, d->seen[0].ticket, true, d->now);
	cr_expect_eq(d->sent_size, 0);
	dc09_session_verdict(&d->s, d->seen[0].ticket, true, d->now);
	cr_expect_eq(d->counters.acked, 1);
	desk_close(d);
}

Test(session, is_silent_when_one_of_two_codes_is_refused)
{
	struct desk *d = desk_open();
	d->by_hand = true;
	desk_say(d, "\"SIA-DCS\"0001L0#4001[#4001|Nri1/BA7/FA7]");
	dc09_session_verdict(&d->s, d->seen[0].ticket, false, d->now);
	dc09_session_verdict(&d->s, d->seen[0].ticket, true, d->now);
	cr_expect_eq(d->sent_size, 0);
	desk_close(d);
}

Test(session, waits_for_verdicts_after_the_panel_has_closed_its_side)
{
	struct desk *d = desk_open();
	d->by_hand = true;
	desk_say(d, alarm_body);
	dc09_session_hang_up(&d->s, d->now);
	cr_expect_eq(dc09_session_end(&d->s), DC09_GOES_ON);
	desk_judge(d, true);
	cr_expect_eq(d->counters.acked, 1);
	cr_expect_eq(dc09_session_end(&d->s), DC09_END_PANEL);
	desk_close(d);
}

Test(session, keeps_a_quiet_panel_and_ends_a_dead_one)
{
	struct desk *d = desk_open();
	desk_say(d, "\"NULL\"0000L0#AAA[]");
	desk_feed(d, "\0 \r\n", 4); /* What some panels put behind a message is no half message. */
	desk_later(d, 24 * 3600 * 1000LL);
	cr_expect_eq(dc09_session_end(&d->s), DC09_GOES_ON);
	desk_later(d, 3 * 3600 * 1000LL);
	cr_expect_eq(dc09_session_end(&d->s), DC09_END_IDLE);
	desk_close(d);
}

Test(session, ends_when_garbage_never_stops)
{
	struct desk *d = desk_open();
	desk_say(d, "\"NULL\"0000L0#AAA[]");
	for (int i = 0; i < 1000 && !dc09_session_end(&d->s); i++)
		desk_text(d, "all work and no play\n");
	cr_expect_eq(dc09_session_end(&d->s), DC09_END_NOISE);
	cr_expect_eq(d->counters.acked, 1);
	desk_close(d);
}

/* Each of these heads has a body that ends with the last: work for a byte is work for all behind it.  The answer of somebody is no
 * message that forgives it. */
Test(session, ends_when_heads_stand_in_each_other_without_end)
{
	struct desk *d = desk_open();
	int i = 0;
	for (; i < 100 && !dc09_session_end(&d->s); i++) {
		for (int n = 0; n < 220; n++)
			desk_text(d, "00000000\"");
		desk_say(d, "\"ACK\"0000L0#1234[]");
	}
	cr_expect_eq(dc09_session_end(&d->s), DC09_END_NOISE);
	cr_expect_leq(i, 2);
	cr_expect_leq(d->s.splitter.wrong, 40u * d->limits.noise_bytes);
	desk_close(d);
}

Test(session, holds_no_more_than_a_frame_of_a_message_that_never_ends)
{
	struct desk *d = desk_open();
	d->limits.noise_bytes = 1 << 30;
	desk_text(d, "\n12340025\"SIA-DCS\"0041L0#4001[#4001|");
	for (int i = 0; i < 100000; i++)
		desk_text(d, "Nri1/BA7/");
	cr_expect(d->s.splitter.size < 2 * DC09_FRAME_SIZE_MAX, "%zu", d->s.splitter.size);
	desk_say(d, alarm_body);
	cr_expect_eq(d->counters.acked, 1);
	desk_close(d);
}

Test(session, holds_no_memory_while_nothing_waits)
{
	struct desk *d = desk_open();
	desk_say(d, alarm_body);
	desk_feed(d, "", 0);
	dc09_session_tick(&d->s, d->now);
	cr_expect_null(d->s.splitter.data);
	cr_expect_null(d->s.oldest);
	desk_close(d);
}

Test(session, never_answers_an_answer)
{
	static const char *const bodies[] = { "\"ACK\"0001L0#4001[]",
		"\"NAK\"0000R0L0A0[]_12:00:00,11-22-2026", "\"DUH\"0001L0#4001[]", "\"RSP\"0001L0#4001[]",
		"\"*ACK\"0001L0#4001[00" };
	struct desk *d = desk_open();
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		desk_say(d, bodies[i]);
	cr_expect_eq(d->sent_size, 0);
	cr_expect_eq(d->counters.silent[DC09_SILENT_REPLY], 5);
	desk_close(d);
}

Test(session, says_duh_only_when_nobody_says_who_is_calling)
{
	struct desk *d = desk_open();
	desk_say(d, "\"SIA-DCS\"0001L0[NBA1]");
	cr_expect_eq(d->counters.duh, 1);
	cr_expect(memmem(d->sent, d->sent_size, "\"DUH\"0001L0[]\r", 14));
	desk_say(d, "\"SIA-DCS\"0002L0[#4001|NBA1]"); /* A header without #: the account inside will do. */
	cr_expect_eq(d->counters.acked, 1);
	cr_expect_str_eq(d->seen[0].address, "4001");
	desk_close(d);
}

/* A panel that is refused for a code that we do not know calls again for ever. */
Test(session, acknowledges_what_it_cannot_read)
{
	static const char *const bodies[] = { "\"SIA-DCS\"0001L0#4001[#4001|what is this]",
		"\"ADM-CID\"0001L0#4001[#4001|one two]", "\"XNM\"0001L0#4001[<xml/>]",
		"\"SIA-DCS\"0001L0#4001[#4001|NQX77]", "\"SIA-DCS\"0001L0#4001[#4001|N]" };
	struct desk *d = desk_open();
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		desk_say(d, bodies[i]);
	cr_expect_eq(d->counters.acked, 5);
	cr_assert_eq(d->seen_count, 5);
	cr_expect_str_eq(d->seen[0].code, "unreadable");
	cr_expect_str_eq(d->seen[1].code, "unreadable");
	cr_expect_str_eq(d->seen[2].vocabulary, "dc09");
	cr_expect_str_eq(d->seen[2].code, "XNM");
	cr_expect_str_eq(d->seen[3].code, "QX");
	cr_expect_str_eq(d->seen[4].code, "unreadable");
	desk_close(d);
}

/* A byte now and then must not hold a connection for hours; nor may a panel pay for the slowness of its last message. */
Test(session, ends_a_panel_that_lets_its_message_trickle)
{
	struct desk *d = desk_open();
	desk_text(d, "\n1234");
	for (int i = 0; i < 3; i++) {
		desk_later(d, 4000);
		desk_text(d, "0");
	}
	cr_expect_eq(dc09_session_end(&d->s), DC09_END_CUT_SHORT);
	desk_close(d);

	d = desk_open();
	const char *body = "\"NULL\"0000L0#4001[]";
	char frame[64];
	snprintf(frame, sizeof frame, "\n%04X%04X%s\r", (unsigned)dc09_crc(torap_bytes(body, strlen(body))),
		(unsigned)strlen(body), body);
	desk_feed(d, frame, 12);
	for (int i = 0; i < 4; i++) { /* the end of one and the beginning of the next, each time */
		desk_later(d, 6000);
		desk_text(d, frame + 12);
		desk_feed(d, frame, 12);
		cr_expect_eq(dc09_session_end(&d->s), DC09_GOES_ON);
	}
	cr_expect_eq(d->counters.acked, 4);
	desk_close(d);
}
