/* frame.h: a keyframe as the whole picture that it is, by libavcodec: for what people will look at.  Runs on a thread that may take
 * its time.  (decode.h is for what is only measured.) */
#pragma once

#include <libavutil/frame.h>
#include <stddef.h>

#include "agents/rtsp/sight/picture.h"

/* `data` has room for RTSP_DECODE_PADDING (decode.h) more bytes, which may be changed.  The caller frees the frame.  NULL: it cannot be
 * decoded, not without damage, or memory ran out. */
AVFrame *rtsp_frame_decode(enum rtsp_codec codec, uint8_t *data, size_t size);
/* libavcodec's number (AVCodecID); 0: none. */
int rtsp_frame_codec(enum rtsp_codec codec);
