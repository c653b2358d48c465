/* roll.h: is a scene the reference, turned about its middle, as when somebody has twisted the camera?
 *
 * In cells, which are square in pictures of 16:9: of other shapes a roll is one only roughly, and is found less surely. */
#pragma once

#include "agents/rtsp/sight/scene.h"

struct rtsp_roll {
	int8_t degrees; /* clockwise, as the picture turned, the likeliest of 8 to 24 either way; 0: there is none */
	float turned; /* how alike scene and reference are, the reference turned so; of what is in both, half of it at least */
	float otherwise; /* and when it is upright, or turned as far the other way, whichever is more */
};

/* The first and last two rows of cells say nothing: there cameras write texts, which never turn. */
void rtsp_roll_find(struct rtsp_roll *out, const struct rtsp_scene *reference, const struct rtsp_scene *seen);
