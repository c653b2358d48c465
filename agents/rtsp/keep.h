/* keep.h: what outlives a restart (state.h), kept: read with the first rows, saved now and then, and once more at the end. */
#pragma once

#include "agents/rtsp/agent.h"

/* Names the files.  0 or -ENOMEM. */
int rtsp_keep_init(struct rtsp_agent *a);
/* The cameras are those of the first rows. */
void rtsp_keep_load(struct rtsp_agent *a);
/* What was learned now and then, open faults soon after they changed. */
void rtsp_keep_step(struct rtsp_agent *a, struct torap_mono now);
/* Changes of faults and outages that are not on the disk yet; 0 also when nothing is to be kept. */
uint64_t rtsp_keep_unsaved(const struct rtsp_agent *a);
/* All at once. */
void rtsp_keep_last(struct rtsp_agent *a);
void rtsp_keep_finish(struct rtsp_agent *a);
