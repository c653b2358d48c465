/* picture.h: what is kept of a keyframe: its luma, made small, and what was known of it.
 *
 * Everything is judged on 160×90 luma values, whatever the camera sends: each is the average of the area that it stands for, and the
 * shape is not kept, for little depends on it (roll.h).  Marks are made of the full picture's own sums, so that they also see changes
 * that the averages round away. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

enum {
	RTSP_PICTURE_WIDTH = 160,
	RTSP_PICTURE_HEIGHT = 90,
	RTSP_PICTURE_SIDE_MIN = 32,    /* less shows nothing that could be judged */
	RTSP_PICTURE_SIDE_MAX = 16384, /* keeps the sums within 64 bits, and a hostile header within reason */
	RTSP_BLOCK = 10,               /* a block is 10×10 of the small luma */
	RTSP_BLOCK_COLUMNS = 16,
	RTSP_BLOCK_ROWS = 9,
	RTSP_BLOCKS = 144,
	RTSP_ROW_MARKS = 30, /* what can be seen of a part */
};

enum rtsp_codec { RTSP_CODEC_UNKNOWN, RTSP_CODEC_H264, RTSP_CODEC_H265, RTSP_CODEC_MJPEG };

/* What the stream knew of a picture.  The caller fills it; what is not known stays zero. */
struct rtsp_shot {
	struct torap_mono arrived;
	struct torap_wall arrived_wall; /* also tells the hour of day */
	struct torap_wall
		sender_clock; /* when it was taken, by the camera's RTCP sender report; 0: none came */
	uint32_t session;     /* counts connections: timestamps of two of them have nothing in common */
	bool pts_known, rtp_known;
	int64_t pts_us;
	uint32_t rtp_time;
	uint32_t rate_mhz; /* thousandths of frames a second, measured or announced; 0: unknown */
	enum rtsp_codec codec;
	bool sub; /* of the camera's smaller stream: its size and rate are not what is asked of the camera */
	uint16_t width, height; /* of the full picture; rtsp_picture_from_luma() fills them */
};

/* Of the full picture's content behind each block: other content has another mark, but for 1 in 256. */
struct rtsp_marks {
	uint8_t blocks[RTSP_BLOCKS];
};

struct rtsp_picture {
	struct rtsp_shot shot;
	struct rtsp_marks marks;
	uint16_t row_marks[RTSP_ROW_MARKS]; /* the same behind each of the first rows */
	uint8_t luma[RTSP_PICTURE_HEIGHT][RTSP_PICTURE_WIDTH];
};

/* Takes `height` rows of `width` luma bytes, `stride` apart (negative: bottom up), as decoders give them for yuv420p, yuvj420p, nv12,
 * gray.  Fills luma, marks and the shot's size, leaves the rest of the shot alone.  False when a side is below RTSP_PICTURE_SIDE_MIN or
 * above RTSP_PICTURE_SIDE_MAX: nothing was filled then but the size. */
bool rtsp_picture_from_luma(
	struct rtsp_picture *out, const uint8_t *data, ptrdiff_t stride, int width, int height);
/* Of a picture of which only the first `rows` are there.  Returns how many rows of the small luma these are; nothing else is filled of it,
 * and the marks of blocks say nothing. */
int rtsp_picture_from_upper_luma(
	struct rtsp_picture *out, const uint8_t *data, ptrdiff_t stride, int width, int height, int rows);
