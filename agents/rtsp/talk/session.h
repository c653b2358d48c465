/* session.h: the talk with one camera, from DESCRIBE to TEARDOWN (RFC 2326).  No I/O, no clock.
 *
 *     connecting → describing → setting_up → starting → waiting --first keyframe--> flowing → over
 *                  describing --a glance: a video that we decode is described--> over
 *
 * Each step has a deadline that counts from its begin, however much trickles in meanwhile.  A session ends with one outcome
 * (fault.h), once.  It never follows a redirection: the registry says where a camera is. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/sight/fault.h"
#include "agents/rtsp/talk/assembly.h"
#include "agents/rtsp/talk/digest.h"
#include "agents/rtsp/talk/sdp.h"
#include "agents/rtsp/talk/url.h"
#include "base/time.h"

enum { RTSP_USER_MAX = 63, RTSP_PASSWORD_MAX = 127 };

struct rtsp_limits {
	int64_t connect_us; /* name, TCP and TLS */
	int64_t answer_us;  /* each request; authentication included */
	int64_t first_us; /* from PLAY's answer to the first keyframe: longer than the cameras' intervals of them */
	int64_t stall_us; /* without a packet, or without a keyframe for twice as long as first_us */
};
extern const struct rtsp_limits rtsp_limits_default;

enum rtsp_transport {
	RTSP_TRANSPORT_ANY /* TCP; UDP when the camera wants that */,
	RTSP_TRANSPORT_TCP,
	RTSP_TRANSPORT_UDP
};

enum rtsp_step {
	RTSP_STEP_CONNECTING,
	RTSP_STEP_DESCRIBING,
	RTSP_STEP_SETTING_UP,
	RTSP_STEP_STARTING,
	RTSP_STEP_WAITING, /* for the first keyframe */
	RTSP_STEP_FLOWING,
	RTSP_STEP_OVER,
	RTSP_STEPS,
};
const char *rtsp_step_name(enum rtsp_step step);

struct rtsp_keyframe {
	struct torap_writer data; /* the receiver's */
	struct rtsp_shot shot;    /* all but size and session */
};

/* How a session acts.  Nothing is called after it is over. */
struct rtsp_session_port {
	void (*send)(void *hint, struct torap_bytes bytes);
	/* Opens two UDP ports, the first of them even, and says which; 0: cannot. */
	uint16_t (*open_ports)(void *hint);
	/* Where the camera sends from: for a greeting that opens the way through what stands between.  May be 0. */
	void (*meet_ports)(void *hint, uint16_t media, uint16_t control);
	void (*send_control)(void *hint, struct torap_bytes report); /* over UDP */
	void (*keyframe)(void *hint, struct rtsp_keyframe *take);
	/* Each packet of the picture, before it is looked at; NULL: nobody cares. */
	void (*packet)(void *hint, const struct rtsp_rtp *packet);
};

struct rtsp_session_now {
	struct torap_mono mono;
	struct torap_wall wall;
};

struct rtsp_session {
	const struct rtsp_session_port *port;
	void *hint;
	const struct rtsp_limits *limits;
	struct rtsp_url url;
	char user[RTSP_USER_MAX + 1], password[RTSP_PASSWORD_MAX + 1];
	enum rtsp_transport transport;
	bool glance;
	uint64_t random;

	enum rtsp_step step;
	enum rtsp_outcome outcome; /* when it is over */
	unsigned status;           /* of the answer that ended it; 0: none did */
	struct torap_mono begun;   /* the step */

	struct torap_writer in; /* what is not complete yet */
	uint32_t cseq, asked_cseq;
	unsigned asked_again, requests_of_camera;
	struct rtsp_challenge challenge;
	char base[RTSP_URL_MAX + 1], track[RTSP_URL_MAX + 1], whole[RTSP_URL_MAX + 1];
	char id[128];
	uint8_t media_channel, control_channel;
	bool udp, get_parameter_unknown;
	int64_t keep_alive_us;
	struct torap_mono kept_alive, packet_at, keyframe_at;

	struct rtsp_assembly assembly;
	bool has_report; /* one that is not too old */
	struct torap_mono reported_at;
	struct rtsp_sender_report report;
	uint64_t packets, strange, keyframes;
};

/* `user` "" when nobody is known for the camera.  False: the URL is none. */
bool rtsp_session_init(struct rtsp_session *s, const struct rtsp_session_port *port, void *hint,
	const struct rtsp_limits *limits, const char *url, const char *user, const char *password,
	enum rtsp_transport transport, uint64_t random, struct torap_mono now);
/* Right after that: the description is enough, and nothing is set up; ends with RTSP_OUTCOME_ANSWERED when it is good. */
void rtsp_session_glance(struct rtsp_session *s);
/* Wipes and frees. */
void rtsp_session_finish(struct rtsp_session *s);
void rtsp_session_connected(struct rtsp_session *s, struct rtsp_session_now now);
void rtsp_session_bytes(struct rtsp_session *s, struct torap_bytes bytes, struct rtsp_session_now now);
/* UDP. */
void rtsp_session_packet(
	struct rtsp_session *s, bool control, struct torap_bytes packet, struct rtsp_session_now now);
void rtsp_session_tick(struct rtsp_session *s, struct rtsp_session_now now);
/* The connection could not be made, or is gone. */
void rtsp_session_fail(struct rtsp_session *s, enum rtsp_outcome outcome);
/* We have what we wanted: says goodbye and is over, with RTSP_OUTCOME_PICTURE if a keyframe came, else ENDED. */
void rtsp_session_leave(struct rtsp_session *s);
/* What the camera's clock showed when its RTP clock showed `time`; 0: no sender report of it has come yet. */
struct torap_wall rtsp_session_clock(const struct rtsp_session *s, uint32_t time);
static inline bool rtsp_session_over(const struct rtsp_session *s)
{
	return s->step == RTSP_STEP_OVER;
}
