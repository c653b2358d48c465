/* counters.h: what the agent counts.  Cameras can provoke each of these, so they are numbers and not log lines. */
#pragma once

#include <stdint.h>

#include "agents/rtsp/sight/fault.h"

struct rtsp_counters {
	uint64_t attempts;
	uint64_t outcomes[RTSP_OUTCOMES]; /* how they ended */
	uint64_t looks, undecoded;        /* keyframes that were decoded, or could not be */
	uint64_t sub_looks;               /* of these, of cameras' smaller streams */
	uint64_t sub_failures;            /* attempts at these that failed */
	uint64_t spared;                  /* keyframes that were believed by their bytes */
	uint64_t peeks;                   /* keyframes that were decoded in part, at first */
	uint64_t suspicions, confirmed;   /* of these: decoded whole, and no good pictures then */
	uint64_t skipped;                 /* keyframes that the workers had no room for */
	uint64_t sights[RTSP_FAULTS];     /* pictures by what was seen: good ones too */
	uint64_t starts[RTSP_FAULTS], ends[RTSP_FAULTS];
	uint64_t local; /* attempts that failed for want of memory or descriptors here */
	uint64_t saves, saves_failed;
};
