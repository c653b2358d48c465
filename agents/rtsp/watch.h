/* watch.h: one camera under watch: from its turn to what its picture, or the lack of one, means. */
#pragma once

#include "agents/rtsp/agent.h"

/* Its turn has come: opens a session. */
void rtsp_watch_begin(struct rtsp_agent *a, struct rtsp_camera *c);
/* The camera goes, or its session no longer fits its row: what is open ends, and what comes of it is nobody's. */
void rtsp_watch_end(struct rtsp_agent *a, struct rtsp_camera *c);
/* What streams and workers tell. */
void rtsp_watch_keyframe(void *hint, struct rtsp_stream *s, struct rtsp_keyframe *take);
void rtsp_watch_packet(void *hint, struct rtsp_stream *s, const struct rtsp_rtp *packet);
void rtsp_watch_over(void *hint, struct rtsp_stream *s);
void rtsp_watch_tick(void *hint, struct rtsp_stream *s);
void rtsp_watch_look(void *hint, const struct rtsp_look *look);
