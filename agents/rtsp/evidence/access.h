/* access.h: packets that lie in rings into access units, whole frames of any kind, for a clip; and whether a packet begins a keyframe.
 * H.264, H.265, MJPEG.  Pure.  (assembly.h is for what is only decoded: keyframes.) */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/evidence/ring.h"
#include "agents/rtsp/talk/assembly.h"
#include "base/bytes.h"

enum { RTSP_FOOTAGE_PACKETS_MAX = 1 << 18, RTSP_FOOTAGE_SPANS_MAX = 1 << 14 };

/* Does the body begin a keyframe, or the parameter sets before one? */
bool rtsp_access_key(enum rtsp_codec codec, struct torap_bytes body);

struct rtsp_unit {
	size_t offset, size; /* in `bytes`; as a decoder takes it: start codes, or a JPEG */
	uint32_t session;
	int64_t ticks;        /* on the RTP clock, since the first unit of its session */
	struct torap_wall at; /* when its first packet came */
	bool key;
	uint32_t
		lost; /* packets that are missing in it or right before it: it is not whole, or follows what is not */
};

struct rtsp_units {
	struct torap_writer bytes;
	struct rtsp_unit *list; /* owned; in the order of sessions and packets */
	size_t count, room;
	/* VPS, SPS, PPS as they stood when the first keyframe was complete, with start codes; empty: none came in the stream. */
	uint8_t sets[3 * (RTSP_SET_MAX + 4)];
	size_t sets_size;
};

/* `spans`: chunks in their order, each from its begin to what was used of it.  Units that cannot be whole are there, with size 0.  Packets
 * that came out of order are put in order.  0 or -ENOMEM; what cannot be read is left out. */
int rtsp_units_make(
	struct rtsp_units *out, enum rtsp_codec codec, const struct torap_bytes *spans, size_t count);
void rtsp_units_finish(struct rtsp_units *u);
