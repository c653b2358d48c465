/* upper.h: the upper part of a picture in numbers: its edges at half the small size, and its light.  Pure.
 *
 * A decoder reads a keyframe from above, so this is what the first part of its bytes shows.  In the first rows cameras write texts, which are
 * there whatever the lens shows: of light nothing is known there, and of edges they have a row of blocks of their own. */
#pragma once

#include "agents/rtsp/sight/picture.h"

enum {
	/* Of the small luma, at most: what a part of the bytes shows, and some more. */
	RTSP_UPPER_ROWS = RTSP_ROW_MARKS,
	RTSP_UPPER_ROWS_MIN = 18,          /* less says nothing */
	RTSP_UPPER_TEXT_ROWS = RTSP_BLOCK, /* where texts may be */
	RTSP_UPPER_BLOCK_WIDTH = 5,
	RTSP_UPPER_BLOCK_HEIGHT = 4,
	RTSP_UPPER_BLOCK_COLUMNS = 15,
	RTSP_UPPER_BLOCK_ROWS = 3, /* the first one is a text's */
	RTSP_UPPER_EDGE_COLUMNS = RTSP_UPPER_BLOCK_COLUMNS * RTSP_UPPER_BLOCK_WIDTH,
	RTSP_UPPER_EDGE_ROWS = RTSP_UPPER_BLOCK_ROWS * RTSP_UPPER_BLOCK_HEIGHT,
	RTSP_UPPER_TILE = 5, /* a tile is 5×5 of the small luma */
	RTSP_UPPER_TILE_COLUMNS = RTSP_PICTURE_WIDTH / RTSP_UPPER_TILE,
	RTSP_UPPER_TILE_ROWS = (RTSP_UPPER_ROWS - RTSP_UPPER_TEXT_ROWS) / RTSP_UPPER_TILE,
};

struct rtsp_upper {
	uint8_t rows; /* of the small luma that are known; the others show nothing */
	/* The second derivative, both ways, in halves of a luma value. */
	int8_t edges[RTSP_UPPER_EDGE_ROWS][RTSP_UPPER_EDGE_COLUMNS];
	uint8_t tiles[RTSP_UPPER_TILE_ROWS][RTSP_UPPER_TILE_COLUMNS]; /* means */
	uint16_t marks[RTSP_UPPER_ROWS - RTSP_UPPER_TEXT_ROWS];       /* of what is below texts: picture.h */
};

/* Of `rows` of the small luma, which may be more than are wanted. */
void rtsp_upper_of(struct rtsp_upper *out, const struct rtsp_picture *picture, int rows);
/* How many rows of `edges`, and of `tiles`, come of so many of the small luma. */
int rtsp_upper_edge_rows(int rows);
int rtsp_upper_tile_rows(int rows);
