/* Everything that a camera can send before a decoder sees it: answers, challenges, descriptions, packets, keyframes, and the frames that a
 * clip would be made of.  Fed whole and in pieces, which must come to the same; and to a glance, which sets nothing up and takes no packet. */
#include <assert.h>
#include <string.h>

#include "agents/rtsp/evidence/access.h"
#include "agents/rtsp/evidence/track.h"
#include "agents/rtsp/talk/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PASSWORD "hidden-word"

struct heard {
	bool told; /* the input itself holds the password's text */
	uint64_t sends, bytes, keyframes, keyframe_bytes, packets, units, unit_bytes;
};

static void on_send(void *hint, struct torap_bytes bytes)
{
	struct heard *h = hint;
	h->sends++;
	h->bytes += bytes.size;
	assert(bytes.size && bytes.size < 8192);
	assert(h->told || !memmem(bytes.data, bytes.size, PASSWORD, strlen(PASSWORD)));
}

static uint16_t on_open_ports(void *hint)
{
	(void)hint;
	return 40000;
}

static void on_meet_ports(void *hint, uint16_t media, uint16_t control)
{
	(void)hint;
	(void)media;
	(void)control;
}

static void on_send_control(void *hint, struct torap_bytes report)
{
	(void)hint;
	(void)report;
}

static void on_keyframe(void *hint, struct rtsp_keyframe *take)
{
	struct heard *h = hint;
	h->keyframes++;
	h->keyframe_bytes += take->data.size;
	assert(take->data.size && take->data.size <= RTSP_KEYFRAME_MAX + 16);
}

static struct rtsp_session s;
static struct rtsp_track *track;

static void on_packet(void *hint, const struct rtsp_rtp *packet)
{
	struct heard *h = hint;
	struct torap_mono now = { (int64_t)++h->packets * 100000 };
	rtsp_track_packet(track, 1, &s.assembly.video, packet, 1 << 20, TORAP_US_PER_S, now,
		(struct torap_wall){ now.us });
}

static const struct rtsp_session_port port = { on_send, on_open_ports, on_meet_ports, on_send_control,
	on_keyframe, on_packet };

/* Every unit is within what was written, and no larger than what came. */
static void make_units(struct heard *h, size_t size)
{
	struct rtsp_units units;
	struct rtsp_reel *reel = rtsp_track_look(track);
	if (!reel)
		return;
	assert(rtsp_units_make(&units, reel->footage.codec, reel->footage.spans, reel->footage.count) == 0);
	assert(units.count <= h->packets && units.bytes.size <= 800 * (h->packets + 1) + 4 * size);
	for (size_t i = 0; i < units.count; i++) {
		const struct rtsp_unit *u = &units.list[i];
		assert(u->offset + u->size <= units.bytes.size);
		h->units++;
		h->unit_bytes += u->size;
	}
	rtsp_units_finish(&units);
	rtsp_reel_destroy(reel);
}

static enum rtsp_outcome run(struct heard *h, const uint8_t *data, size_t size, size_t piece, bool glance)
{
	struct rtsp_budget budget = { .most = 2 << 20 };
	track = rtsp_track_create(&budget);
	assert(track);
	struct rtsp_session_now now = { { 1000 }, { 2000 } };
	bool good = rtsp_session_init(&s, &port, h, &rtsp_limits_default, "rtsp://10.0.0.1/1", "viewer",
		PASSWORD, RTSP_TRANSPORT_ANY, 7, now.mono);
	assert(good);
	if (glance)
		rtsp_session_glance(&s);
	rtsp_session_connected(&s, now);
	for (size_t at = 0; at < size; at += piece)
		rtsp_session_bytes(&s, torap_bytes(data + at, size - at < piece ? size - at : piece), now);
	/* However it stands, time ends it. */
	for (int i = 0; i < 8 && !rtsp_session_over(&s); i++) {
		now.mono.us += 30 * (int64_t)TORAP_US_PER_S;
		rtsp_session_tick(&s, now);
	}
	assert(rtsp_session_over(&s));
	enum rtsp_outcome outcome = s.outcome;
	rtsp_session_finish(&s);
	make_units(h, size);
	track = rtsp_track_destroy(track);
	assert(budget.used == 0);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct heard none = { .told = memmem(data, size, PASSWORD, strlen(PASSWORD)) };
	const size_t all = size ? size : 1;
	struct heard whole = none, pieces = none, glance = none, glance_pieces = none;
	enum rtsp_outcome a = run(&whole, data, size, all, false), b = run(&pieces, data, size, 7, false);
	assert(a == b && memcmp(&whole, &pieces, sizeof whole) == 0);
	assert(a != RTSP_OUTCOME_ANSWERED);
	a = run(&glance, data, size, all, true);
	b = run(&glance_pieces, data, size, 7, true);
	assert(a == b && memcmp(&glance, &glance_pieces, sizeof glance) == 0);
	assert(a != RTSP_OUTCOME_PICTURE && !glance.keyframes && !glance.packets);
	assert(glance.sends <= whole.sends);
	return 0;
}
