/* sdp.h: which of the streams that a camera offers is the picture, and what is known of it before it flows (RFC 4566).  Pure. */
#pragma once

#include <stdint.h>

#include "agents/rtsp/sight/fault.h"
#include "agents/rtsp/sight/picture.h"
#include "agents/rtsp/talk/url.h"
#include "base/bytes.h"

enum { RTSP_PARAMETER_SETS_MAX = 2048 };

struct rtsp_video {
	enum rtsp_codec codec;
	uint8_t payload;
	uint32_t clock_hz;
	uint32_t rate_mhz;                /* announced; 0: not */
	char control[RTSP_URL_MAX + 1];   /* of the video; "": none */
	char aggregate[RTSP_URL_MAX + 1]; /* of all streams together; "": none */
	/* What the decoder must know first, as NAL units with start codes: H.264 and H.265. */
	uint8_t sets[RTSP_PARAMETER_SETS_MAX];
	size_t sets_size;
};

/* RTSP_OUTCOME_PICTURE: there is one, and *out describes the first that we decode; else BAD_SDP or NO_VIDEO. */
enum rtsp_outcome rtsp_sdp_read(struct rtsp_video *out, struct torap_bytes sdp);
