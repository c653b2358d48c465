/* roll.h: is a scene the reference, turned about its middle, as when somebody has twisted the camera? */
#pragma once

#include "agents/rtsp/sight/scene.h"

struct rtsp_roll {
	int8_t degrees; /* clockwise, the likeliest of 8 to 24 either way */
	float rolled;   /* how alike reference and scene are, the one turned by this; what is in both */
	float level;    /* and how alike the same part of the scene is to the reference as it was */
};

/* The first and last two rows of cells say nothing: there cameras write texts, which never turn. */
void rtsp_roll_find(struct rtsp_roll *out, const struct rtsp_scene *reference, const struct rtsp_scene *seen);
