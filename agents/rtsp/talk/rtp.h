/* rtp.h: a packet of the picture (RFC 3550), and the camera's clock in its sender reports.  Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/time.h"

struct rtsp_rtp {
	uint8_t payload;
	bool marker; /* the last packet of a frame */
	uint16_t sequence;
	uint32_t time, source;
	struct torap_bytes body;
};

/* False: it is none. */
bool rtsp_rtp_read(struct rtsp_rtp *out, struct torap_bytes packet);

struct rtsp_sender_report {
	struct torap_wall clock; /* of the camera */
	uint32_t time;           /* what its RTP clock shows then */
};
/* The first one of a compound packet.  False: there is none, or one without a time. */
bool rtsp_sender_report_read(struct rtsp_sender_report *out, struct torap_bytes packet);
/* Writes a receiver report without a word to say: some cameras end a session that sends none.  Returns its size. */
enum { RTSP_RECEIVER_REPORT_SIZE = 8 };
void rtsp_receiver_report_write(uint8_t out[static RTSP_RECEIVER_REPORT_SIZE], uint32_t source);
