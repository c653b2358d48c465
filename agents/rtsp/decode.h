/* decode.h: a keyframe into a small picture to be measured.  Runs on a worker's thread. */
#pragma once

#include <stdbool.h>

#include "agents/rtsp/frame.h"
#include "agents/rtsp/sight/picture.h"

/* FFmpeg's own log through ours: counted, and at most one line a minute, without what a camera wrote into it.  Once, at the start. */
void rtsp_decode_init(void);
uint64_t rtsp_decode_complaints(void); /* lines so far, of any thread */

/* `data` as in rtsp_frame_decode().  *out gets `shot`.  False: it cannot be decoded, or is too damaged to be judged, or no picture of a
 * size that can be. */
bool rtsp_decode(struct rtsp_picture *out, const struct rtsp_shot *shot, uint8_t *data, size_t size);
/* `data` and `part` as in rtsp_frame_decode_part(): the first rows of a keyframe of H.264.  How many of the small luma are filled; 0: none can
 * be seen. */
int rtsp_decode_part(struct rtsp_picture *out, uint8_t *data, size_t part);
