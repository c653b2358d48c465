/* measure.h: a picture in numbers.  Pure; made on a worker's thread, some 2 KiB to hand on. */
#pragma once

#include "agents/rtsp/sight/picture.h"
#include "agents/rtsp/sight/scene.h"

struct rtsp_measure {
	struct rtsp_shot shot;
	float mean, deviation; /* of the luma, 0 to 255 */
	float noise;           /* deviation of what changes from one value to the next and is no edge */
	float dark, bright;    /* shares of values at most RTSP_DARK and at least RTSP_BRIGHT */
	float pale;            /* at least RTSP_PALE */
	float entropy;         /* bits a value, of 32 bins */
	float flat;            /* share of blocks without content beyond noise, but for the rows of texts */
	float relief;          /* how far flat blocks lie from one common plane, in luma values */
	float steps;           /* and how far from one to the next */
	float sharpness;    /* log2 of fine energy by contrast, at half the size, of blocks with contrast */
	uint8_t structured; /* blocks that `sharpness` comes from, of 112; 0: it says nothing */
	struct rtsp_marks marks;
	struct rtsp_scene scene;
};

enum { RTSP_DARK = 32, RTSP_BRIGHT = 215, RTSP_PALE = 180 };

void rtsp_measure_picture(struct rtsp_measure *out, const struct rtsp_picture *picture);
