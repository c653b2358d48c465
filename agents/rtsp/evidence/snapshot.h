/* snapshot.h: a keyframe as a JPEG.  Runs on a thread that may take its time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/sight/picture.h"
#include "base/bytes.h"

/* At the camera's own size and in good quality; in less quality, and then smaller, until it takes at most `most` bytes.  `data` as in
 * rtsp_frame_decode().  False: it cannot be decoded, or nothing of it fits. */
bool rtsp_snapshot(struct torap_writer *out, uint16_t *width, uint16_t *height, enum rtsp_codec codec,
	uint8_t *data, size_t size, size_t most);
