#include "agents/rtsp/talk/session.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agents/rtsp/talk/message.h"

enum {
	REQUEST_MAX = 4096,
	ASKED_AGAIN_MAX = 3,
	REQUESTS_OF_CAMERA_MAX = 32, /* between two of ours that keep the session alive */
	KEEP_ALIVE_S = 20,
	KEPT_ROOM = 4096, /* for a packet that is cut in two */
	TIMEOUT_S = 60,
	REPORT_S =
		3600, /* a sender report is as good as that: after 6.6 hours the difference of RTP clocks means nothing */
};

const struct rtsp_limits rtsp_limits_default = {
	.connect_us = 5 * TORAP_US_PER_S,
	.answer_us = 5 * TORAP_US_PER_S,
	.first_us = 12 * TORAP_US_PER_S,
	.stall_us = 10 * TORAP_US_PER_S,
};

const char *rtsp_step_name(enum rtsp_step step)
{
	static const char *const names[] = { "connecting", "describing", "setting_up", "starting", "waiting",
		"flowing", "over" };
	return step < RTSP_STEPS ? names[step] : NULL;
}

bool rtsp_session_init(struct rtsp_session *s, const struct rtsp_session_port *port, void *hint,
	const struct rtsp_limits *limits, const char *url, const char *user, const char *password,
	enum rtsp_transport transport, uint64_t random, struct torap_mono now)
{
	*s = (struct rtsp_session){ .port = port,
		.hint = hint,
		.limits = limits,
		.transport = transport,
		.udp = transport == RTSP_TRANSPORT_UDP,
		.random = random,
		.begun = now,
		.control_channel = 1,
		.keep_alive_us = KEEP_ALIVE_S * (int64_t)TORAP_US_PER_S };
	snprintf(s->user, sizeof s->user, "%s", user);
	snprintf(s->password, sizeof s->password, "%s", password);
	return rtsp_url_parse(&s->url, url);
}

void rtsp_session_glance(struct rtsp_session *s)
{
	s->glance = true;
}

void rtsp_session_finish(struct rtsp_session *s)
{
	torap_writer_finish(&s->in);
	rtsp_assembly_finish(&s->assembly);
	sodium_memzero(s->password, sizeof s->password);
}

static void end(struct rtsp_session *s, enum rtsp_outcome outcome)
{
	if (s->step == RTSP_STEP_OVER)
		return;
	s->step = RTSP_STEP_OVER;
	s->outcome = outcome;
}

static void go(struct rtsp_session *s, enum rtsp_step step, struct rtsp_session_now now)
{
	s->step = step;
	s->begun = now.mono;
	s->asked_again = 0;
}

/* Requests. */

static bool add(char *text, size_t *size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool add(char *text, size_t *size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int added = vsnprintf(text + *size, REQUEST_MAX - *size, format, args);
	va_end(args);
	if (added < 0 || *size + (size_t)added >= REQUEST_MAX)
		return false;
	*size += (size_t)added;
	return true;
}

/* `more`: further headers, or "". */
static void ask(struct rtsp_session *s, const char *method, const char *uri, const char *more)
{
	char text[REQUEST_MAX], authorisation[RTSP_AUTHORISATION_MAX];
	size_t size = 0;
	bool fits = add(text, &size, "%s %s RTSP/1.0\r\nCSeq: %u\r\nUser-Agent: torap\r\n%s", method, uri,
		++s->cseq, more);
	if (fits && *s->id)
		fits = add(text, &size, "Session: %s\r\n", s->id);
	if (fits && s->challenge.scheme != RTSP_SCHEME_NONE && *s->user) {
		s->random = s->random * 6364136223846793005u + 1442695040888963407u;
		fits = rtsp_challenge_answer(
			       authorisation, &s->challenge, s->user, s->password, method, uri, s->random) &&
		       add(text, &size, "Authorization: %s\r\n", authorisation);
		sodium_memzero(authorisation, sizeof authorisation);
	}
	if (fits && add(text, &size, "\r\n"))
		s->port->send(s->hint, torap_bytes(text, size));
	else
		end(s, RTSP_OUTCOME_BAD_ANSWER); /* what the camera told does not fit into a request */
	sodium_memzero(text, sizeof text);
}

static void ask_transport(struct rtsp_session *s)
{
	char more[128] = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
	if (s->udp) {
		uint16_t port = s->port->open_ports(s->hint);
		if (!port) {
			end(s, RTSP_OUTCOME_LOCAL);
			return;
		}
		snprintf(more, sizeof more, "Transport: RTP/AVP;unicast;client_port=%u-%u\r\n", port,
			port + 1u);
	}
	ask(s, "SETUP", s->track, more);
}

/* What the step is about, at first and again with a new authorisation. */
static void ask_step(struct rtsp_session *s)
{
	if (s->step == RTSP_STEP_DESCRIBING)
		ask(s, "DESCRIBE", s->url.text, "Accept: application/sdp\r\n");
	else if (s->step == RTSP_STEP_SETTING_UP)
		ask_transport(s);
	else if (s->step == RTSP_STEP_STARTING)
		ask(s, "PLAY", s->whole, "Range: npt=0.000-\r\n");
	s->asked_cseq = s->cseq;
}

void rtsp_session_connected(struct rtsp_session *s, struct rtsp_session_now now)
{
	if (s->step != RTSP_STEP_CONNECTING)
		return;
	go(s, RTSP_STEP_DESCRIBING, now);
	ask_step(s);
}

/* Answers. */

static bool text_of(char *out, size_t room, struct torap_bytes value)
{
	if (value.size >= room)
		return false;
	for (size_t i = 0; i < value.size; i++)
		if (value.data[i] <= ' ' || value.data[i] >= 0x7f)
			return false;
	memcpy(out, value.data, value.size);
	out[value.size] = 0;
	return true;
}

static void on_described(struct rtsp_session *s, const struct rtsp_unit *u, struct rtsp_session_now now)
{
	struct rtsp_video video;
	struct torap_bytes value;
	enum rtsp_outcome outcome = rtsp_sdp_read(&video, u->body);
	if (outcome != RTSP_OUTCOME_PICTURE) {
		end(s, outcome);
		return;
	}
	snprintf(s->base, sizeof s->base, "%s", s->url.text);
	if (rtsp_header(u->head, "Content-Base", 0, &value) ||
		rtsp_header(u->head, "Content-Location", 0, &value)) {
		if (value.size && !text_of(s->base, sizeof s->base, value)) {
			end(s, RTSP_OUTCOME_BAD_SDP);
			return;
		}
	}
	if (!rtsp_url_join(s->track, s->base, video.control) ||
		!rtsp_url_join(s->whole, s->base, video.aggregate)) {
		end(s, RTSP_OUTCOME_BAD_SDP);
		return;
	}
	if (s->glance) {
		end(s, RTSP_OUTCOME_ANSWERED);
		return;
	}
	rtsp_assembly_finish(&s->assembly);
	rtsp_assembly_init(&s->assembly, &video);
	go(s, RTSP_STEP_SETTING_UP, now);
	ask_step(s);
}

/* "4588-4589", or "0-1": the first, and the second if there is one. */
static bool pair_of(struct torap_bytes text, uint32_t most, uint32_t *first, uint32_t *second)
{
	size_t size = rtsp_number(text, first);
	if (!size || *first > most)
		return false;
	*second = *first + 1;
	if (size < text.size && text.data[size] == '-') {
		struct torap_bytes rest = torap_bytes(text.data + size + 1, text.size - size - 1);
		return rtsp_number(rest, second) && *second <= most;
	}
	return *second <= most;
}

static bool take_transport(struct rtsp_session *s, const struct rtsp_unit *u)
{
	struct torap_bytes value, text;
	uint32_t first, second;
	if (!rtsp_header(u->head, "Transport", 0, &value))
		return !s->udp; /* then it is as we asked */
	if (s->udp) {
		if (!rtsp_parameter(value, "server_port", &text)) {
			s->port->meet_ports(s->hint, 0, 0);
			return true;
		}
		if (!pair_of(text, UINT16_MAX, &first, &second))
			return false;
		s->port->meet_ports(s->hint, (uint16_t)first, (uint16_t)second);
	} else if (rtsp_parameter(value, "interleaved", &text)) {
		if (!pair_of(text, UINT8_MAX, &first, &second))
			return false;
		s->media_channel = (uint8_t)first;
		s->control_channel = (uint8_t)second;
	}
	return true;
}

/* "Session: 4711;timeout=60" */
static bool take_session(struct rtsp_session *s, const struct rtsp_unit *u)
{
	struct torap_bytes value, text;
	uint32_t timeout;
	if (!rtsp_header(u->head, "Session", 0, &value))
		return true;
	const uint8_t *end_of_id = memchr(value.data, ';', value.size);
	text = torap_bytes(value.data, end_of_id ? (size_t)(end_of_id - value.data) : value.size);
	while (text.size && text.data[text.size - 1] == ' ')
		text.size--;
	if (rtsp_parameter(value, "timeout", &value) && rtsp_number(value, &timeout) && timeout >= 4 &&
		timeout < TIMEOUT_S)
		s->keep_alive_us = timeout * (int64_t)TORAP_US_PER_S / 3;
	return text_of(s->id, sizeof s->id, text);
}

static void on_set_up(struct rtsp_session *s, const struct rtsp_unit *u, struct rtsp_session_now now)
{
	if (!take_session(s, u) || !take_transport(s, u)) {
		end(s, RTSP_OUTCOME_BAD_ANSWER);
		return;
	}
	go(s, RTSP_STEP_STARTING, now);
	ask_step(s);
}

static void on_started(struct rtsp_session *s, struct rtsp_session_now now)
{
	go(s, RTSP_STEP_WAITING, now);
	s->packet_at = s->keyframe_at = s->kept_alive = now.mono;
}

/* Something new to say who we are by.  False: we are refused. */
static bool take_challenge(struct rtsp_session *s, const struct rtsp_unit *u)
{
	bool told = s->challenge.scheme != RTSP_SCHEME_NONE;
	struct rtsp_challenge challenge;
	if (!*s->user || ++s->asked_again > ASKED_AGAIN_MAX || !rtsp_challenge_read(&challenge, u->head))
		return false;
	/* A new nonce in each answer is usual, so a second refusal is believed only when it does not say "stale". */
	if (told && !challenge.stale &&
		(s->asked_again > 1 || strcmp(challenge.nonce, s->challenge.nonce) == 0))
		return false;
	s->challenge = challenge;
	return true;
}

static enum rtsp_outcome outcome_of(unsigned status)
{
	switch (status) {
	case 401:
	case 403:
	case 407:
		return RTSP_OUTCOME_UNAUTHORISED;
	case 404:
	case 410:
		return RTSP_OUTCOME_NOT_FOUND;
	case 453:
	case 503:
		return RTSP_OUTCOME_BUSY;
	default:
		return status >= 300 && status < 400 ? RTSP_OUTCOME_REDIRECTED : RTSP_OUTCOME_BAD_ANSWER;
	}
}

static void on_refusal(struct rtsp_session *s, const struct rtsp_unit *u)
{
	s->status = u->status;
	if (u->status == 401 && take_challenge(s, u)) {
		ask_step(s);
	} else if (u->status == 461 && s->step == RTSP_STEP_SETTING_UP && !s->udp &&
		   s->transport == RTSP_TRANSPORT_ANY) {
		s->udp = true;
		ask_step(s);
	} else {
		end(s, outcome_of(u->status));
	}
}

/* Which answer is this?  Some cameras leave the number out; an old one is nobody's any more. */
static bool is_awaited(const struct rtsp_session *s, const struct rtsp_unit *u)
{
	struct torap_bytes value;
	uint32_t number;
	return !rtsp_header(u->head, "CSeq", 0, &value) || !rtsp_number(value, &number) ||
	       number == s->asked_cseq;
}

static void ask_alive(struct rtsp_session *s)
{
	ask(s, s->get_parameter_unknown ? "OPTIONS" : "GET_PARAMETER", s->whole, "");
	s->asked_cseq = s->cseq;
}

/* To what keeps the session alive.  A refusal does not end it: a nonce may be too old, a method unknown. */
static void on_alive(struct rtsp_session *s, const struct rtsp_unit *u)
{
	if (u->status == 454)
		end(s, RTSP_OUTCOME_ENDED);
	else if (u->status == 401 && !is_awaited(s, u))
		return;
	else if (u->status == 401 && take_challenge(s, u))
		ask_alive(s);
	else if (u->status >= 400)
		s->get_parameter_unknown = true;
}

static void on_answer(struct rtsp_session *s, const struct rtsp_unit *u, struct rtsp_session_now now)
{
	if (s->step >= RTSP_STEP_WAITING) {
		on_alive(s, u);
		return;
	}
	if (u->status < 200 || !is_awaited(s, u))
		return;
	if (u->status >= 300)
		on_refusal(s, u);
	else if (s->step == RTSP_STEP_DESCRIBING)
		on_described(s, u, now);
	else if (s->step == RTSP_STEP_SETTING_UP)
		on_set_up(s, u, now);
	else if (s->step == RTSP_STEP_STARTING)
		on_started(s, now);
}

static bool is_method(const struct rtsp_unit *u, const char *name)
{
	return u->method.size == strlen(name) && memcmp(u->method.data, name, u->method.size) == 0;
}

static void on_request(struct rtsp_session *s, const struct rtsp_unit *u)
{
	struct torap_bytes value = { 0 };
	char number[16] = "", text[96];
	if (is_method(u, "REDIRECT")) {
		end(s, RTSP_OUTCOME_REDIRECTED);
	} else if (is_method(u, "TEARDOWN")) {
		end(s, RTSP_OUTCOME_ENDED);
	} else if (++s->requests_of_camera > REQUESTS_OF_CAMERA_MAX) {
		end(s, RTSP_OUTCOME_BAD_ANSWER);
	} else {
		if (rtsp_header(u->head, "CSeq", 0, &value))
			text_of(number, sizeof number, value);
		int size = snprintf(text, sizeof text, "RTSP/1.0 200 OK\r\nCSeq: %s\r\n\r\n", number);
		s->port->send(s->hint, torap_bytes(text, (size_t)size));
	}
}

/* Packets. */

struct torap_wall rtsp_session_clock(const struct rtsp_session *s, uint32_t time)
{
	if (!s->has_report)
		return (struct torap_wall){ 0 };
	int64_t ticks = (int32_t)(time - s->report.time);
	return (struct torap_wall){ s->report.clock.us +
				    ticks * TORAP_US_PER_S / s->assembly.video.clock_hz };
}

static void hand_over(
	struct rtsp_session *s, struct torap_writer *data, uint32_t time, struct rtsp_session_now now)
{
	struct rtsp_keyframe k = { .data = *data };
	const struct rtsp_video *v = &s->assembly.video;
	k.shot.arrived = now.mono;
	k.shot.arrived_wall = now.wall;
	k.shot.codec = v->codec;
	k.shot.rtp_known = k.shot.pts_known = true;
	k.shot.rtp_time = time;
	k.shot.pts_us = rtsp_assembly_pts_us(&s->assembly, time);
	k.shot.rate_mhz = rtsp_assembly_rate(&s->assembly);
	k.shot.sender_clock = rtsp_session_clock(s, time);
	s->keyframe_at = now.mono;
	s->keyframes++;
	if (s->step == RTSP_STEP_WAITING)
		go(s, RTSP_STEP_FLOWING, now);
	s->port->keyframe(s->hint, &k);
	torap_writer_finish(&k.data); /* unless it was taken */
}

void rtsp_session_packet(
	struct rtsp_session *s, bool control, struct torap_bytes packet, struct rtsp_session_now now)
{
	/* Packets may come before the answer to PLAY. */
	if (s->step < RTSP_STEP_STARTING || s->step == RTSP_STEP_OVER)
		return;
	if (control) {
		struct rtsp_sender_report report;
		if (rtsp_sender_report_read(&report, packet)) {
			s->report = report;
			s->reported_at = now.mono;
			s->has_report = true;
		}
		return;
	}
	struct rtsp_rtp rtp;
	struct torap_writer data;
	uint32_t time;
	if (!rtsp_rtp_read(&rtp, packet)) {
		s->strange++;
		return;
	}
	s->packets++;
	s->packet_at = now.mono;
	if (s->port->packet && rtp.payload == s->assembly.video.payload)
		s->port->packet(s->hint, &rtp);
	if (rtsp_assembly_add(&s->assembly, &rtp, &data, &time))
		hand_over(s, &data, time, now);
}

static void on_unit(struct rtsp_session *s, const struct rtsp_unit *u, struct rtsp_session_now now)
{
	switch (u->sort) {
	case RTSP_UNIT_PACKET:
		if (u->channel == s->media_channel || u->channel == s->control_channel)
			rtsp_session_packet(s, u->channel == s->control_channel, u->packet, now);
		break;
	case RTSP_UNIT_ANSWER:
		on_answer(s, u, now);
		break;
	case RTSP_UNIT_REQUEST:
		on_request(s, u);
		break;
	case RTSP_UNIT_ENDLESS:
		end(s, RTSP_OUTCOME_ENDLESS_HEADER);
		break;
	default:
		/* Behind PLAY it is a stream that lost its step, before it something that is no camera. */
		end(s, s->step >= RTSP_STEP_WAITING ? RTSP_OUTCOME_CORRUPT : RTSP_OUTCOME_BAD_ANSWER);
	}
}

/* Takes all complete units; returns how many bytes they took. */
static size_t take_units(struct rtsp_session *s, struct torap_bytes in, struct rtsp_session_now now)
{
	size_t taken = 0;
	while (s->step != RTSP_STEP_OVER) {
		struct rtsp_unit u;
		rtsp_unit_take(&u, torap_bytes(in.data + taken, in.size - taken));
		taken +=
			u.size; /* of what is not complete: blank lines before it, which nobody may pile up */
		if (u.sort == RTSP_UNIT_MORE)
			break;
		on_unit(s, &u, now);
	}
	return taken;
}

/* How many bytes belong to what is not complete: of a packet what it lacks, of a message, whose end nobody knows, all. */
static size_t lacking(struct torap_bytes in, size_t more)
{
	size_t whole = in.size + more;
	if (*in.data == '$')
		whole = in.size < 4 ? 4 : 4 + ((size_t)in.data[2] << 8 | in.data[3]);
	return whole - in.size < more ? whole - in.size : more;
}

/* Nothing is copied but the begin and the end of what is cut in two: a session that lasts shall not keep what once came at once. */
void rtsp_session_bytes(struct rtsp_session *s, struct torap_bytes bytes, struct rtsp_session_now now)
{
	struct torap_writer *in = &s->in;
	if (s->step == RTSP_STEP_OVER || s->step == RTSP_STEP_CONNECTING)
		return;
	while (in->size && bytes.size && s->step != RTSP_STEP_OVER) {
		size_t more = lacking(torap_bytes(in->data, in->size), bytes.size);
		torap_write_bytes(in, torap_bytes(bytes.data, more));
		if (in->failed)
			break;
		bytes = torap_bytes(bytes.data + more, bytes.size - more);
		size_t taken = take_units(s, torap_bytes(in->data, in->size), now);
		memmove(in->data, in->data + taken, in->size - taken);
		in->size -= taken;
	}
	if (!in->size && in->room > KEPT_ROOM)
		torap_writer_finish(in);
	if (!in->size && bytes.size && s->step != RTSP_STEP_OVER) {
		size_t taken = take_units(s, bytes, now);
		if (s->step != RTSP_STEP_OVER)
			torap_write_bytes(in, torap_bytes(bytes.data + taken, bytes.size - taken));
	}
	if (in->failed) /* memory */
		end(s, RTSP_OUTCOME_LOCAL);
}

/* Time. */

static void keep_alive(struct rtsp_session *s, struct rtsp_session_now now)
{
	uint8_t packet[4 + RTSP_RECEIVER_REPORT_SIZE] = { '$', s->control_channel, 0,
		RTSP_RECEIVER_REPORT_SIZE };
	s->kept_alive = now.mono;
	s->asked_again = s->requests_of_camera = 0;
	ask_alive(s);
	rtsp_receiver_report_write(packet + 4, (uint32_t)s->random);
	if (s->udp)
		s->port->send_control(s->hint, torap_bytes(packet + 4, RTSP_RECEIVER_REPORT_SIZE));
	else
		s->port->send(s->hint, torap_bytes(packet, sizeof packet));
}

static bool passed(struct torap_mono since, int64_t us, struct rtsp_session_now now)
{
	return now.mono.us - since.us >= us;
}

void rtsp_session_tick(struct rtsp_session *s, struct rtsp_session_now now)
{
	const struct rtsp_limits *l = s->limits;
	switch (s->step) {
	case RTSP_STEP_CONNECTING:
		if (passed(s->begun, l->connect_us, now))
			end(s, RTSP_OUTCOME_TIMEOUT_CONNECT);
		break;
	case RTSP_STEP_DESCRIBING:
	case RTSP_STEP_SETTING_UP:
	case RTSP_STEP_STARTING:
		if (passed(s->begun, l->answer_us, now))
			end(s, RTSP_OUTCOME_TIMEOUT_ANSWER);
		break;
	case RTSP_STEP_WAITING:
		if (passed(s->packet_at, l->stall_us, now))
			end(s, RTSP_OUTCOME_STALLED);
		else if (passed(s->begun, l->first_us, now))
			end(s, s->assembly.incomplete ? RTSP_OUTCOME_CORRUPT : RTSP_OUTCOME_NO_KEYFRAME);
		break;
	case RTSP_STEP_FLOWING:
		if (passed(s->packet_at, l->stall_us, now))
			end(s, RTSP_OUTCOME_STALLED);
		else if (s->assembly.wanted && passed(s->keyframe_at, 2 * l->first_us, now))
			end(s, s->assembly.incomplete ? RTSP_OUTCOME_CORRUPT : RTSP_OUTCOME_NO_KEYFRAME);
		break;
	default:
		return;
	}
	if (s->has_report && passed(s->reported_at, REPORT_S * (int64_t)TORAP_US_PER_S, now))
		s->has_report = false;
	if (s->step >= RTSP_STEP_WAITING && s->step < RTSP_STEP_OVER &&
		passed(s->kept_alive, s->keep_alive_us, now))
		keep_alive(s, now);
}

void rtsp_session_fail(struct rtsp_session *s, enum rtsp_outcome outcome)
{
	end(s, outcome);
}

void rtsp_session_leave(struct rtsp_session *s)
{
	if (s->step >= RTSP_STEP_STARTING && s->step < RTSP_STEP_OVER)
		ask(s, "TEARDOWN", s->whole, "");
	end(s, s->keyframes ? RTSP_OUTCOME_PICTURE : RTSP_OUTCOME_ENDED);
}
