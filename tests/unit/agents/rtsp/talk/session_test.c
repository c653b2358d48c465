/* One side of a talk; the other is written here.  Time passes only when a test says so. */
#include "agents/rtsp/talk/session.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define S   ((int64_t)TORAP_US_PER_S)
#define URL "rtsp://10.0.0.1/1"
#define SDP "v=0\r\ns=x\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n"

static struct rtsp_session s;
static char sent[8192];
static unsigned keyframes, ports_opened;
static bool ports_there;
static struct rtsp_shot shot;
static uint16_t met;
static struct rtsp_session_now now;

static void on_send(void *hint, struct torap_bytes bytes)
{
	(void)hint;
	size_t size = bytes.size < sizeof sent - 1 ? bytes.size : sizeof sent - 1;
	memcpy(sent, bytes.data, size);
	sent[size] = 0;
}

static uint16_t on_open_ports(void *hint)
{
	(void)hint;
	ports_opened++;
	return ports_there ? 40000 : 0;
}

static void on_meet_ports(void *hint, uint16_t media, uint16_t control)
{
	(void)hint;
	met = control == media + 1 ? media : 0;
}

static void on_send_control(void *hint, struct torap_bytes report)
{
	(void)hint;
	(void)report;
}

static void on_keyframe(void *hint, struct rtsp_keyframe *take)
{
	(void)hint;
	keyframes++;
	shot = take->shot;
}

static const struct rtsp_session_port port = { on_send, on_open_ports, on_meet_ports, on_send_control,
	on_keyframe, NULL };

static void begin_as(const char *user, enum rtsp_transport transport)
{
	now = (struct rtsp_session_now){ { 1000 * S }, { 1800000000 * S } };
	keyframes = ports_opened = met = 0;
	ports_there = true;
	*sent = 0;
	cr_assert(rtsp_session_init(
		&s, &port, NULL, &rtsp_limits_default, URL, user, "secret", transport, 7, now.mono));
	rtsp_session_connected(&s, now);
}

static void begin(void)
{
	begin_as("viewer", RTSP_TRANSPORT_ANY);
}

static void finish(void)
{
	rtsp_session_finish(&s);
}

static void bytes(const char *data, size_t size)
{
	rtsp_session_bytes(&s, torap_bytes(data, size), now);
}

/* The answer to what was asked last. */
static void answer(const char *status, const char *more)
{
	char text[4096];
	int size = snprintf(text, sizeof text, "RTSP/1.0 %s\r\nCSeq: %u\r\n%s", status, s.cseq, more);
	bytes(text, (size_t)size);
}

static void describe(void)
{
	char text[512];
	snprintf(text, sizeof text, "Content-Base: " URL "/\r\nContent-Length: %zu\r\n\r\n%s", strlen(SDP),
		SDP);
	answer("200 OK", text);
}

static void play(void)
{
	describe();
	answer("200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\nSession: 47;timeout=30\r\n\r\n");
	answer("200 OK", "\r\n");
}

static void send_packet(
	uint8_t channel, uint16_t sequence, uint32_t time, bool marker, const char *body, size_t size)
{
	uint8_t packet[256] = { '$', channel, 0, (uint8_t)(12 + size), 0x80, (uint8_t)(96 | marker << 7),
		(uint8_t)(sequence >> 8), (uint8_t)sequence, (uint8_t)(time >> 24), (uint8_t)(time >> 16),
		(uint8_t)(time >> 8), (uint8_t)time };
	memcpy(packet + 16, body, size);
	bytes((const char *)packet, 16 + size);
}

static void wait_s(int64_t seconds)
{
	now.mono.us += seconds * S;
	now.wall.us += seconds * S;
	rtsp_session_tick(&s, now);
}

static void check_over(enum rtsp_outcome outcome)
{
	cr_assert(rtsp_session_over(&s), "step %s", rtsp_step_name(s.step));
	cr_expect_eq(s.outcome, outcome, "%s instead of %s", rtsp_outcome_name(s.outcome),
		rtsp_outcome_name(outcome));
}

#define SENT(text) cr_expect(strstr(sent, text), "not sent: %s, but: %s", text, sent)

Test(session, goes_from_describe_to_a_keyframe, .fini = finish)
{
	begin();
	SENT("DESCRIBE " URL " RTSP/1.0\r\n");
	describe();
	SENT("SETUP " URL "/trackID=1 RTSP/1.0\r\n");
	SENT("interleaved=0-1");
	answer("200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\nSession: 47;timeout=30\r\n\r\n");
	SENT("PLAY " URL "/ RTSP/1.0\r\n");
	SENT("Session: 47\r\n");
	answer("200 OK", "\r\n");
	cr_expect_eq(s.step, RTSP_STEP_WAITING);
	send_packet(2, 1, 90000, true, "\x65key", 4);
	cr_expect_eq(keyframes, 1);
	cr_expect_eq(s.step, RTSP_STEP_FLOWING);
	cr_expect_eq(shot.rtp_time, 90000);
	cr_expect_eq(shot.codec, RTSP_CODEC_H264);
	cr_expect_eq(shot.arrived_wall.us, now.wall.us);
	rtsp_session_leave(&s);
	SENT("TEARDOWN " URL "/ RTSP/1.0\r\n");
	check_over(RTSP_OUTCOME_PICTURE);
}

static void begin_glance(void)
{
	begin();
	finish();
	cr_assert(rtsp_session_init(&s, &port, NULL, &rtsp_limits_default, URL, "viewer", "secret",
		RTSP_TRANSPORT_ANY, 7, now.mono));
	rtsp_session_glance(&s);
	rtsp_session_connected(&s, now);
}

/* A good description is the end of it: nothing is set up, so there is nothing to take down. */
Test(session, is_over_at_a_glance, .fini = finish)
{
	begin_glance();
	SENT("DESCRIBE " URL " RTSP/1.0\r\n");
	*sent = 0;
	describe();
	check_over(RTSP_OUTCOME_ANSWERED);
	cr_expect_str_eq(sent, "");
	rtsp_session_leave(&s);
	cr_expect_str_eq(sent, "");
	check_over(RTSP_OUTCOME_ANSWERED);
}

Test(session, answers_a_challenge_at_a_glance, .fini = finish)
{
	static const char challenge[] = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n";
	begin_glance();
	answer("401 Unauthorized", challenge);
	SENT("DESCRIBE " URL " RTSP/1.0\r\n");
	SENT("Authorization: Digest username=\"viewer\"");
	describe();
	check_over(RTSP_OUTCOME_ANSWERED);
	finish();
	begin_glance();
	answer("401 Unauthorized", challenge);
	answer("401 Unauthorized", challenge);
	check_over(RTSP_OUTCOME_UNAUTHORISED);
}

/* A glance that fails ends as a look does. */
Test(session, fails_at_a_glance_as_at_a_look, .fini = finish)
{
	static const struct {
		const char *status, *more;
		enum rtsp_outcome outcome;
	} cases[] = {
		{ "403 Forbidden", "\r\n", RTSP_OUTCOME_UNAUTHORISED },
		{ "404 Not Found", "\r\n", RTSP_OUTCOME_NOT_FOUND },
		{ "453 Not Enough Bandwidth", "\r\n", RTSP_OUTCOME_BUSY },
		{ "503 Service Unavailable", "\r\n", RTSP_OUTCOME_BUSY },
		{ "500 Internal Server Error", "\r\n", RTSP_OUTCOME_BAD_ANSWER },
		{ "302 Found", "Location: rtsp://10.0.0.2/\r\n\r\n", RTSP_OUTCOME_REDIRECTED },
		{ "200 OK", "\r\n", RTSP_OUTCOME_BAD_SDP },
		{ "200 OK", "Content-Length: 5\r\n\r\nhello", RTSP_OUTCOME_BAD_SDP },
		{ "200 OK", "Content-Length: 32\r\n\r\nv=0\r\ns=x\r\nm=audio 0 RTP/AVP 96\r\n",
			RTSP_OUTCOME_NO_VIDEO },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin_glance();
		answer(cases[i].status, cases[i].more);
		check_over(cases[i].outcome);
		finish();
	}
	begin_glance();
	wait_s(5);
	check_over(RTSP_OUTCOME_TIMEOUT_ANSWER);
	finish();
	begin_glance();
	rtsp_session_fail(&s, RTSP_OUTCOME_ENDED);
	check_over(RTSP_OUTCOME_ENDED);
	finish();
	cr_assert(rtsp_session_init(
		&s, &port, NULL, &rtsp_limits_default, URL, "", "", RTSP_TRANSPORT_ANY, 7, now.mono));
	rtsp_session_glance(&s);
	wait_s(5);
	check_over(RTSP_OUTCOME_TIMEOUT_CONNECT);
}

/* Whole or byte by byte: the same. */
Test(session, does_not_care_how_it_is_cut, .fini = finish)
{
	begin();
	char text[1024];
	int size = snprintf(text, sizeof text, "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(SDP), SDP);
	for (int i = 0; i < size; i++) {
		cr_assert_eq(s.step, RTSP_STEP_DESCRIBING);
		bytes(text + i, 1);
	}
	cr_expect_eq(s.step, RTSP_STEP_SETTING_UP);
	SENT("SETUP " URL "/trackID=1 RTSP/1.0\r\n");
}

/* Reads of 64 KiB, each of which ends within a packet: nothing is lost, and nearly nothing is kept. */
Test(session, keeps_no_more_than_a_packet, .fini = finish)
{
	enum { PACKETS = 400, SIZE = 1400 };
	static char stream[PACKETS * (16 + SIZE)];
	begin();
	play();
	for (unsigned i = 0; i < PACKETS; i++) {
		uint8_t *p = (uint8_t *)stream + (size_t)i * (16 + SIZE);
		const uint8_t head[] = { '$', 2, (12 + SIZE) >> 8, (12 + SIZE) & 255, 0x80, 96,
			(uint8_t)(i >> 8), (uint8_t)i };
		memcpy(p, head, sizeof head);
		p[16] = 0x41;
	}
	for (size_t at = 0; at < sizeof stream; at += 65536)
		bytes(stream + at, sizeof stream - at < 65536 ? sizeof stream - at : 65536);
	cr_expect_eq(s.packets, PACKETS);
	cr_expect_leq(s.in.room, 4096, "%zu bytes are kept", s.in.room);
}

Test(session, says_who_it_is_when_asked, .fini = finish)
{
	begin();
	cr_expect_null(strstr(sent, "Authorization"));
	answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\r\n\r\n");
	SENT("Authorization: Digest username=\"viewer\"");
	cr_expect_null(strstr(sent, "secret"));
	describe();
	SENT("Authorization: Digest");
	answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"x\", nonce=\"2\", stale=true\r\n\r\n");
	SENT("nonce=\"2\"");
	answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"x\", nonce=\"3\"\r\n\r\n");
	check_over(RTSP_OUTCOME_UNAUTHORISED);
	cr_expect_eq(s.status, 401);
}

Test(session, believes_a_second_refusal, .fini = finish)
{
	begin();
	answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\r\n\r\n");
	answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\r\n\r\n");
	check_over(RTSP_OUTCOME_UNAUTHORISED);
	finish();
	begin_as("", RTSP_TRANSPORT_ANY);
	answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\r\n\r\n");
	check_over(RTSP_OUTCOME_UNAUTHORISED);
	finish();
	begin(); /* for ever stale */
	for (int i = 0; i < 10 && !rtsp_session_over(&s); i++)
		answer("401 Unauthorized",
			"WWW-Authenticate: Digest realm=\"x\", nonce=\"1\", stale=true\r\n\r\n");
	check_over(RTSP_OUTCOME_UNAUTHORISED);
}

Test(session, does_not_blame_a_camera_for_our_lack_of_ports, .fini = finish)
{
	begin_as("", RTSP_TRANSPORT_UDP);
	ports_there = false;
	describe();
	check_over(RTSP_OUTCOME_LOCAL);
}

/* Blank lines are nothing, however many, and the answer behind them is heard. */
Test(session, keeps_nothing_of_blank_lines, .fini = finish)
{
	enum { PIECES = 1000 };
	static char blank[4096];
	memset(blank, '\n', sizeof blank);
	begin();
	for (int i = 0; i < PIECES; i++) {
		bytes(blank, sizeof blank);
		cr_assert_eq(s.in.size, 0);
	}
	bytes("\r\n\r\nRT", 6);
	cr_expect_eq(s.in.size, 2);
	static const char rest[] = "SP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n";
	bytes(rest, sizeof rest - 1);
	check_over(RTSP_OUTCOME_UNAUTHORISED);
}

Test(session, takes_udp_when_the_camera_wants_it, .fini = finish)
{
	begin();
	describe();
	answer("461 Unsupported Transport", "\r\n");
	SENT("RTP/AVP;unicast;client_port=40000-40001");
	answer("200 OK",
		"Transport: RTP/AVP;unicast;client_port=40000-40001;server_port=5000-5001\r\nSession: 1\r\n\r\n");
	cr_expect_eq(met, 5000);
	SENT("PLAY");
	finish();
	begin_as("", RTSP_TRANSPORT_TCP);
	describe();
	answer("461 Unsupported Transport", "\r\n");
	check_over(RTSP_OUTCOME_BAD_ANSWER);
	finish();
	begin_as("", RTSP_TRANSPORT_UDP);
	describe();
	cr_expect_eq(ports_opened, 1);
}

Test(session, names_each_refusal, .fini = finish)
{
	static const struct {
		const char *status;
		enum rtsp_outcome outcome;
	} cases[] = { { "404 Not Found", RTSP_OUTCOME_NOT_FOUND },
		{ "453 Not Enough Bandwidth", RTSP_OUTCOME_BUSY },
		{ "503 Service Unavailable", RTSP_OUTCOME_BUSY },
		{ "403 Forbidden", RTSP_OUTCOME_UNAUTHORISED }, { "302 Found", RTSP_OUTCOME_REDIRECTED },
		{ "500 Oops", RTSP_OUTCOME_BAD_ANSWER } };
	begin();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		finish();
		begin();
		answer(cases[i].status, "\r\n");
		check_over(cases[i].outcome);
	}
}

/* A step's time counts from its begin, however busily something trickles in. */
Test(session, ends_each_step_in_its_time, .fini = finish)
{
	begin();
	for (int i = 0; i < 4; i++) {
		bytes("R", i == 0);
		wait_s(1);
		cr_assert_not(rtsp_session_over(&s));
	}
	wait_s(1);
	check_over(RTSP_OUTCOME_TIMEOUT_ANSWER);
	finish();

	cr_assert(rtsp_session_init(
		&s, &port, NULL, &rtsp_limits_default, URL, "", "", RTSP_TRANSPORT_ANY, 7, now.mono));
	wait_s(5);
	check_over(RTSP_OUTCOME_TIMEOUT_CONNECT);
	finish();

	begin();
	play();
	for (uint16_t i = 0; i < 11; i++) {
		wait_s(1);
		send_packet(2, i, 3000u * i, true, "\x41other", 6);
		cr_assert_not(rtsp_session_over(&s));
	}
	wait_s(1);
	check_over(RTSP_OUTCOME_NO_KEYFRAME);
	finish();

	begin();
	play();
	wait_s(10);
	check_over(RTSP_OUTCOME_STALLED);
	finish();

	begin();
	play();
	send_packet(2, 1, 90000, true, "\x65key", 4);
	wait_s(9);
	send_packet(2, 2, 93000, true, "\x41other", 6);
	wait_s(9);
	cr_assert_not(rtsp_session_over(&s));
	wait_s(1);
	check_over(RTSP_OUTCOME_STALLED);
}

Test(session, keeps_itself_alive_and_answers_the_camera, .fini = finish)
{
	begin();
	play();
	for (uint16_t i = 0; i < 10; i++) { /* a third of the 30 s that the camera told */
		wait_s(1);
		send_packet(2, i, 3000u * i, true, "\x65key", 4);
		if (i == 9)
			SENT("$\3");
	}
	*sent = 0;
	answer("405 Method Not Allowed", "\r\n");
	cr_assert_not(rtsp_session_over(&s));
	bytes("OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n", 31);
	cr_expect_str_eq(sent, "RTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n");
	bytes("TEARDOWN * RTSP/1.0\r\nCSeq: 9\r\n\r\n", 32);
	check_over(RTSP_OUTCOME_ENDED);
}

/* Pictures, until it is asked to keep the session: a third of the 30 s that it told. */
static void flow(void)
{
	for (int second = 0; second < 10; second++) {
		const uint16_t n = (uint16_t)s.packets;
		wait_s(1);
		send_packet(2, n, 3000u * n, true, "\x65key", 4);
	}
}

static void refuse(const char *nonce)
{
	char challenge[128];
	snprintf(
		challenge, sizeof challenge, "WWW-Authenticate: Digest realm=\"x\", nonce=%s\r\n\r\n", nonce);
	*sent = 0;
	answer("401 Unauthorized", challenge);
	cr_assert_not(rtsp_session_over(&s));
}

static void ask_us(void)
{
	static const char request[] = "OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n";
	bytes(request, sizeof request - 1);
}

/* Ten times in as many seconds, and then without a pause. */
Test(session, ends_for_a_camera_that_asks_too_fast_and_not_for_one_that_asks_long, .fini = finish)
{
	begin();
	play();
	for (int i = 1; i <= 100; i++) {
		ask_us();
		cr_assert_not(rtsp_session_over(&s), "after %d requests", i);
		if (i % 10 == 0)
			flow();
	}
	for (int i = 0; i < 33; i++)
		ask_us();
	check_over(RTSP_OUTCOME_BAD_ANSWER);
}

/* A nonce that was good a minute ago is too old now, again and again. */
Test(session, renews_a_nonce_to_keep_itself_alive, .fini = finish)
{
	begin();
	play();
	for (unsigned period = 0; period < 5; period++) {
		char nonce[16];
		snprintf(nonce, sizeof nonce, "\"n%u\"", period);
		flow();
		refuse(nonce);
		SENT("GET_PARAMETER " URL "/ RTSP/1.0\r\n");
		SENT(nonce);
		answer("200 OK", "\r\n");
	}
}

/* It is refused whatever it says: the other request is tried then, and no request goes out for each refusal without end. */
Test(session, asks_otherwise_when_it_may_not_keep_itself_alive, .fini = finish)
{
	begin();
	play();
	flow();
	refuse("\"1\"");
	SENT("GET_PARAMETER");
	refuse("\"2\"");
	cr_expect_str_eq(sent, "");
	flow();
	for (int i = 0; i < 3; i++) {
		refuse("\"3\", stale=true");
		SENT("OPTIONS");
	}
	refuse("\"3\", stale=true");
	cr_expect_str_eq(sent, "");
}

/* The clock of a picture is reckoned from the last sender report. */
/* RTP time 0 was at second 1,800,000,005. */
static void say_clock(void)
{
	uint64_t seconds = 1800000005ull + 2208988800ull;
	const char report[32] = { '$', 3, 0, 28, (char)0x80, (char)200, 0, 6, 0, 0, 0, 1,
		(char)(seconds >> 24), (char)(seconds >> 16), (char)(seconds >> 8), (char)seconds };
	bytes(report, sizeof report);
}

Test(session, knows_the_camera_s_clock, .fini = finish)
{
	begin();
	play();
	say_clock();
	send_packet(2, 1, 90000, true, "\x65key", 4);
	cr_expect_eq(shot.sender_clock.us, 1800000006 * S);
}

Test(session, knows_the_camera_s_clock_when_it_is_said_later, .fini = finish)
{
	begin();
	play();
	send_packet(2, 1, 90000, true, "\x65key", 4);
	cr_expect_eq(shot.sender_clock.us, 0);
	cr_expect_eq(rtsp_session_clock(&s, 90000).us, 0);
	say_clock();
	cr_expect_eq(rtsp_session_clock(&s, 90000).us, 1800000006 * S);
}

Test(session, ends_what_loses_its_step, .fini = finish)
{
	begin();
	play();
	send_packet(2, 1, 90000, true, "\x65key", 4);
	bytes("\xff\xff\xff", 3);
	check_over(RTSP_OUTCOME_CORRUPT);
	finish();
	begin();
	bytes("HTTP/1.1 200 OK\r\n\r\n", 19);
	check_over(RTSP_OUTCOME_BAD_ANSWER);
	bytes("RTSP/1.0 200 OK\r\n\r\n", 19); /* over is over */
	check_over(RTSP_OUTCOME_BAD_ANSWER);
	finish();
	begin();
	answer("200 OK", "Content-Length: 5\r\n\r\nhello");
	check_over(RTSP_OUTCOME_BAD_SDP);
}

/* A camera that said once what its clock shows, and never again. */
Test(session, believes_no_clock_that_was_told_an_hour_ago, .fini = finish)
{
	begin();
	play();
	say_clock();
	for (uint16_t n = 0; n < 3600 / 5; n++) {
		cr_assert(s.has_report, "after %u s", 5u * n);
		send_packet(2, n, 90000u * 5 * (n + 1u), true, "\x65key", 4);
		wait_s(5);
	}
	cr_expect_not(rtsp_session_over(&s));
	cr_expect_eq(rtsp_session_clock(&s, 90000).us, 0);
	say_clock();
	cr_expect_neq(rtsp_session_clock(&s, 90000).us, 0);
}
