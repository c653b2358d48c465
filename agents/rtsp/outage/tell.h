/* tell.h: from what health finds out of a camera to what waits for the node: what was planned is excused, what fails together is one
 * outage, the rest is told as it is.
 *
 * A fault that begins while something is planned for its camera is told as planned, and so is its end.  One that outlasts the plan ends as planned
 * and begins anew, unexcused, when the plan is over. */
#pragma once

#include "agents/rtsp/agent.h"

/* Once, before anything is told. */
void rtsp_tell_init(struct rtsp_agent *a);
/* The registry's rows have changed; with the first that there is memory for, also what outlived a restart is read.  0, or -ENOMEM: outages stay
 * as they are, without cameras that are gone; new ones are told by themselves; the file of outages stays until it was read. */
int rtsp_tell_rows(struct rtsp_agent *a);
/* What health says of the camera. */
void rtsp_tell(
	struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_report *reports, unsigned count);
/* A picture that arrived then was judged, or an attempt failed. */
void rtsp_tell_seen(struct rtsp_agent *a, const struct rtsp_camera *c, const struct rtsp_verdict *verdict,
	struct torap_mono arrived);
void rtsp_tell_failed(struct rtsp_agent *a, const struct rtsp_camera *c, enum rtsp_outcome outcome);
/* Now and then: what can be decided now, which plans are over, and the file of open outages. */
void rtsp_tell_step(struct rtsp_agent *a, struct torap_mono now);
/* At the end: at once, or when the thread that writes an older state is done: the loop waits for it. */
void rtsp_tell_save(struct rtsp_agent *a);
