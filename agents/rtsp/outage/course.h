/* course.h: the course of one outage of many: it is new, cameras join it and come back, it is over, and goes when the last report of it is durable.  Inside
 * of outage.h. */
#pragma once

#include "agents/rtsp/outage/outage.h"

/* NULL: no memory.  It must get a share. */
struct rtsp_outage *rtsp_course_new(
	struct rtsp_outages *o, enum rtsp_common common, const char *name, const struct rtsp_what *what);
/* When its last share has gone: it goes. */
void rtsp_course_release(struct rtsp_outages *o, struct rtsp_outage *outage);
/* The open one that explains that the camera has the fault, which it has; the most specific.  NULL: none. */
struct rtsp_outage *rtsp_course_of(const struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault);

/* False: there is no memory, or its plan is over this very moment. */
bool rtsp_course_join(
	struct rtsp_outages *o, struct rtsp_outage *outage, uint32_t slot, struct torap_mono now);
/* The camera is back: it has the fault no more. */
void rtsp_course_back(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault, struct torap_mono now);
/* The camera is not in it any more. */
void rtsp_course_forget(struct rtsp_outages *o, const struct rtsp_member *m, struct torap_mono now);
/* Whatever is due of this share.  True: something was told. */
bool rtsp_course_step(struct rtsp_outages *o, struct rtsp_share *share, struct rtsp_now now);
