/* course.h: the course of one outage of many: it is new, cameras join and leave it, it is told, is over, and goes when that is durable; what did
 * not get through is told again.  Inside of outage.h.  A pointer to an outage holds until the next rtsp_course_new(). */
#pragma once

#include "agents/rtsp/outage/outage.h"

/* NULL: no memory. */
struct rtsp_outage *rtsp_course_new(struct rtsp_outages *o, enum rtsp_common common, const char *name);
/* Its place in the list. */
uint32_t rtsp_course_place(const struct rtsp_outages *o, const struct rtsp_outage *outage);
bool rtsp_course_is_open(const struct rtsp_outage *outage);
/* The open one that explains the camera, which fails; the most specific.  NULL: none. */
struct rtsp_outage *rtsp_course_of(struct rtsp_outages *o, uint32_t slot);

void rtsp_course_join(
	struct rtsp_outages *o, struct rtsp_outage *outage, struct rtsp_member *m, struct torap_mono now);
/* The camera is back. */
void rtsp_course_leave(struct rtsp_outages *o, uint32_t slot, struct torap_mono now);
/* In whose name it is told, when the camera that it was is gone: any other. */
void rtsp_course_choose_first(struct rtsp_outages *o, uint32_t place);
void rtsp_course_start(struct rtsp_outages *o, struct rtsp_outage *outage);
/* Whatever is due: of a place that is free, nothing. */
void rtsp_course_step(struct rtsp_outages *o, struct rtsp_outage *outage, struct rtsp_now now);
