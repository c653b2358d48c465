/* assembly.h: packets of RTP into keyframes, as a decoder takes them: H.264 (RFC 6184), H.265 (RFC 7798), MJPEG (RFC 2435).  Pure.
 *
 * Only keyframes are put together; of all other frames nothing is kept but that they came: when, and how many.  A keyframe that lacks a
 * packet is thrown away, and the next one is waited for.  Of keyframes that nobody wants it is known how large they are. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/sight/picture.h"
#include "agents/rtsp/talk/rtp.h"
#include "agents/rtsp/talk/sdp.h"

enum {
	RTSP_KEYFRAME_MAX = 4 << 20,
	RTSP_SET_MAX = 512, /* of an SPS, a PPS, a VPS in the stream */
	RTSP_JPEG_TABLES = 128,
};

struct rtsp_assembly {
	struct rtsp_video video;
	bool wanted; /* false: keyframes pass by like all other frames */

	bool any, open, key, broken, fragment; /* the frame under way */
	uint16_t sequence;                     /* of the last packet */
	uint32_t time;
	struct torap_writer frame;
	bool passes; /* the frame under way is a keyframe that nobody wants */
	bool has_passed; /* a part of it that was marked as a whole has: what is handed out of one that is wanted */
	uint32_t passing,
		passed; /* bytes of it so far; of the last one of them, 0: none since they were wanted */
	struct rtsp_set {
		uint16_t size;
		uint8_t data[RTSP_SET_MAX];
	} sets[3];                                  /* the newest VPS, SPS and PPS of the stream itself */
	uint8_t tables[RTSP_JPEG_TABLES], tables_q; /* quantisation, of the last frame that told it */
	size_t scan;                                /* bytes of the JPEG's scan so far */

	uint32_t frames, first_time; /* since the begin; frames are what has a time of its own */
	int64_t elapsed;             /* from the first frame's time to the last one's, in ticks */
	struct rtsp_mark {
		uint32_t frames;
		int64_t elapsed;
	} from, then; /* the rate counts from `from`, 5 to 10 s back; `then` is the next */
	uint64_t packets, lost, late, strange; /* strange: another payload, or no RTP */
	uint64_t incomplete;                   /* keyframes that lacked a packet */
};

void rtsp_assembly_init(struct rtsp_assembly *a, const struct rtsp_video *video);
void rtsp_assembly_finish(struct rtsp_assembly *a);
/* Takes a packet.  True: a keyframe is complete; *out is then the caller's, and *time when it was taken, on the RTP clock. */
bool rtsp_assembly_add(
	struct rtsp_assembly *a, const struct rtsp_rtp *packet, struct torap_writer *out, uint32_t *time);
/* Thousandths of frames a second, of those that came in the last 5 to 10 s by their own times; what was announced, until they tell. */
uint32_t rtsp_assembly_rate(const struct rtsp_assembly *a);
/* Do they tell?  Five do, or fewer that span a second. */
bool rtsp_assembly_rated(const struct rtsp_assembly *a);
/* The time of a frame since the first one, unwrapped. */
int64_t rtsp_assembly_pts_us(const struct rtsp_assembly *a, uint32_t time);
