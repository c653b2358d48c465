/* peek.h: the first part of a keyframe, beside what its camera has shown lately.  Runs on a worker's thread.
 *
 * A keyframe whose size is like the last that were good may hide that the camera went black, was covered or lost its focus.  A part of its bytes
 * shows the upper part of the picture, for little more than that part of what all of it costs, and by that a suspicion; only a whole picture
 * is ever judged.  H.264: its decoder says which rows are finished. */
#pragma once

#include <stddef.h>

#include "agents/rtsp/impression.h"
#include "agents/rtsp/sight/familiar.h"

/* How many bytes of this keyframe are to be decoded: a quarter of what its camera usually sends, so that another share of bytes for the upper
 * part shows, too; three eighths where that showed too little.  0: no peek, for it is of another codec, or no longer than that. */
size_t rtsp_peek_part(enum rtsp_codec codec, const struct rtsp_familiar *of,
	const struct rtsp_impressions *usual, const struct rtsp_impression *keyframe);
/* `data` as in rtsp_frame_decode_part().  *seen is what showed. */
enum rtsp_likeness rtsp_peek(
	struct rtsp_upper *seen, const struct rtsp_familiar *of, uint8_t *data, size_t part);
