/* frame.h: a keyframe as the whole picture that it is, by libavcodec.  Runs on a thread that may take its time.
 *
 * A decoder lives for one keyframe: what one camera sent is never seen by the next, and none is kept for a camera that is not being
 * decoded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/rtsp/sight/picture.h"

struct AVFrame;

enum {
	RTSP_FRAME_PADDING = 64, /* bytes behind a keyframe that libavcodec may read */
	RTSP_FRAME_PIXELS_MAX = 7680 * 4320,
};

enum rtsp_frame_use {
	RTSP_FRAME_TO_SHOW,
	RTSP_FRAME_TO_MEASURE, /* faster: what smoothing would change is lost in a small picture anyway */
};

/* `data` has room for RTSP_FRAME_PADDING more bytes, which are changed.  The caller frees the frame.  NULL: it cannot be decoded, not
 * without damage, or memory ran out. */
struct AVFrame *rtsp_frame_decode(enum rtsp_codec codec, enum rtsp_frame_use use, uint8_t *data, size_t size);
/* Of a keyframe of H.264 only the first `part` bytes, which has room behind it as above, and is as before afterwards.  The first *rows of the
 * frame are as in the whole one, and nothing else is.  The caller frees it.  NULL: nothing can be seen of it. */
struct AVFrame *rtsp_frame_decode_part(uint8_t *data, size_t part, int *rows);
/* libavcodec's number (AVCodecID); 0: none. */
int rtsp_frame_codec(enum rtsp_codec codec);
