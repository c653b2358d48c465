/* decode.h: a keyframe into a picture, by libavcodec.  Runs on a worker's thread.
 *
 * A decoder lives for one keyframe: what one camera sent is never seen by the next, and none is kept for a camera that is not being
 * decoded. */
#pragma once

#include <stdbool.h>

#include "agents/rtsp/sight/picture.h"
#include "base/bytes.h"

enum { RTSP_PIXELS_MAX = 7680 * 4320 };

/* FFmpeg's own log through ours: counted, and at most one line a minute, without what a camera wrote into it.  Once, at the start. */
void rtsp_decode_init(void);
uint64_t rtsp_decode_complaints(void); /* lines so far, of any thread */

/* `data` may be changed behind its end: it has room for RTSP_DECODE_PADDING more bytes.  *out gets `shot`.  False: it cannot be decoded, or
 * is too damaged to be judged, or no picture of a size that can be. */
enum { RTSP_DECODE_PADDING = 64 };
bool rtsp_decode(struct rtsp_picture *out, const struct rtsp_shot *shot, uint8_t *data, size_t size);
