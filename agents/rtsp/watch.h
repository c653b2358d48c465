/* watch.h: one camera under watch: from its turn to what its picture, or the lack of one, means. */
#pragma once

#include "agents/rtsp/agent.h"

/* How much longer than `watch.trust` cameras are believed, for even so there is more to decode than the workers can: up to twice as long.  That all
 * are looked at in their period goes before that each is decoded in its time. */
enum { RTSP_STRAIN_MAX = 10000 };
/* Each 100 ms; held_up: turns had to wait for the workers.  From none to most in ten seconds, and back in eight minutes: what then is to be
 * decoded again shall not fall due at once. */
static inline uint32_t rtsp_strain_next(uint32_t strain, bool held_up)
{
	if (!held_up)
		return strain > 2 ? strain - 2 : 0;
	return strain < RTSP_STRAIN_MAX - 100 ? strain + 100 : RTSP_STRAIN_MAX;
}
static inline int64_t rtsp_trust_us(const struct rtsp_agent *a)
{
	return a->config.trust_us + a->config.trust_us / RTSP_STRAIN_MAX * a->strain;
}

/* Who is peeked at is believed twice as long as `watch.trust` anyway, and no longer than that. */
static inline int64_t rtsp_trust_peeked_us(const struct rtsp_agent *a)
{
	return 2 * a->config.trust_us;
}

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
