/* clip.h: what lies in a ring as a file that people can play: fragmented MP4 by libavformat, the frames as the camera sent them.  Runs on a
 * thread that may take its time. */
#pragma once

#include <stdbool.h>

#include "agents/rtsp/evidence/item.h"
#include "agents/rtsp/sight/picture.h"
#include "base/bytes.h"

struct rtsp_footage {
	enum rtsp_codec codec;
	uint32_t clock_hz;
	struct torap_bytes sets; /* what the description of the stream said of SPS and so on */
	struct torap_bytes *spans;
	size_t count;
	enum rtsp_gap_cause ended; /* before its time; RTSP_GAP_LOST: not so */
};

enum rtsp_clip_answer {
	RTSP_CLIP_EMPTY = 1, /* nothing of that time, or no keyframe to begin with */
	RTSP_CLIP_UNDECODABLE,
	RTSP_CLIP_UNKNOWN, /* libavformat does not take it */
};
/* From the last keyframe at or before item->from (else the first after it) to item->until; fills the item's times, size, frames and gaps;
 * what the footage ended before is a gap, too, with its cause.  0, an
 * answer, or -ENOMEM. */
int rtsp_clip(struct torap_writer *out, struct rtsp_item *item, const struct rtsp_footage *footage);
/* The newest keyframe that is whole, with room for RTSP_FRAME_PADDING behind it, as rtsp_snapshot() takes it; fills item->from and until.
 * 0, RTSP_CLIP_EMPTY or -ENOMEM. */
int rtsp_clip_newest(struct torap_writer *out, struct rtsp_item *item, const struct rtsp_footage *footage);
