/* decide.h: is a camera that has a fault one of many, and of which group?  Pure; explain.h has the numbers. */
#pragma once

#include "agents/rtsp/outage/outage.h"

enum rtsp_decision {
	RTSP_DECIDE_WAIT,  /* it is not known yet */
	RTSP_DECIDE_ALONE, /* nothing explains it, or it cannot wait any longer */
	RTSP_DECIDE_GROUP, /* *group explains it */
};

/* Of a camera that is held.  `now_or_never`: it is back already.  Not before `hold` is over while a group may still explain it,
 * not before twice that while one does and not all of it is known. */
enum rtsp_decision rtsp_decide(const struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault,
	bool now_or_never, struct torap_mono now, uint32_t *group);

/* In whose name they are told: a camera of the site that has most of them.  `times`: room for a
 * number for each slot. */
uint32_t rtsp_decide_first(
	const struct rtsp_outages *o, const uint32_t *slots, uint32_t count, uint32_t *times);

/* Why, most likely; of_most: what the reports of most of them say. */
enum rtsp_cause rtsp_decide_cause(
	enum rtsp_common common, const struct rtsp_what *what, enum rtsp_cause of_most);
