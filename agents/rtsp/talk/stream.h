/* stream.h: sessions on the loop: name, TCP (and TLS for rtsps), two UDP ports where the camera wants them.
 *
 * A stream that is open has a descriptor, some 10 KiB, and the packets of the keyframe under way; no thread, no decoder.  It ends by
 * itself, or because it is told to leave; either way on_over is the last that is heard of it. */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "agents/rtsp/talk/session.h"

struct torap_error;
struct rtsp_stream;

struct rtsp_streams { /* all of a process; zeros but for what the caller sets */
	uv_loop_t *loop;
	void *hint;
	/* Takes the keyframe's data, or leaves them to be freed. */
	void (*on_keyframe)(void *hint, struct rtsp_stream *s, struct rtsp_keyframe *take);
	/* Each packet of the picture; NULL: nobody cares. */
	void (*on_packet)(void *hint, struct rtsp_stream *s, const struct rtsp_rtp *packet);
	/* The session is over, and is read for the last time. */
	void (*on_over)(void *hint, struct rtsp_stream *s);
	/* With each tick, while it is open. */
	void (*on_tick)(void *hint, struct rtsp_stream *s);
	/* private */
	struct rtsp_stream *first;
	unsigned count; /* on the list */
	char buffer[64 << 10];
};

struct rtsp_stream_options {
	uint64_t number; /* the caller's own name for it */
	const char *url, *user, *password;
	enum rtsp_transport transport;
	const struct rtsp_limits *limits;
	bool glance; /* rtsp_session_glance() */
};

/* 0, or a negative error: out of memory or descriptors.  on_over is never called before it has returned. */
int rtsp_stream_open(
	struct rtsp_stream **out, struct rtsp_streams *all, const struct rtsp_stream_options *options);
/* Says goodbye; on_over follows with the next tick or sooner. */
void rtsp_stream_leave(struct rtsp_stream *s);
/* It is of no use any more, for this reason; on_over follows likewise. */
void rtsp_stream_fail(struct rtsp_stream *s, enum rtsp_outcome outcome);
const struct rtsp_session *rtsp_stream_session(const struct rtsp_stream *s);
uint64_t rtsp_stream_number(const struct rtsp_stream *s);
/* From now on keyframes are wanted, or pass by. */
void rtsp_stream_want(struct rtsp_stream *s, bool wanted);

/* Looks at all deadlines: some ten times a second. */
void rtsp_streams_tick(struct rtsp_streams *all);
/* Ends all without a word to anybody; the memory goes with the loop. */
void rtsp_streams_close(struct rtsp_streams *all);
