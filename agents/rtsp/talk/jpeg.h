/* jpeg.h: a JPEG out of RTP packets, which leave its head out (RFC 2435).  It has all that a JPEG has, the Huffman tables too: not every
 * player of Motion JPEG knows those by heart.  Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct rtsp_jpeg_part {
	uint8_t type, quality;
	uint16_t width, height, restart; /* restart 0: none */
	uint32_t offset;                 /* of `data` in the picture's scan */
	struct torap_bytes tables;       /* 0, 64 or 128 bytes; only in the first packet */
	struct torap_bytes data;
};

/* False: it is none that we know: a type of its own, or a size that the header cannot tell. */
bool rtsp_jpeg_part_read(struct rtsp_jpeg_part *out, struct torap_bytes body);
/* The head up to the scan.  `tables`: the two that the stream told; NULL: made from the quality.  False: there are none for it. */
bool rtsp_jpeg_head_write(struct torap_writer *w, const struct rtsp_jpeg_part *part, const uint8_t *tables);
void rtsp_jpeg_end_write(struct torap_writer *w);
