/* message.h: what comes from a camera over TCP, taken apart: answers, requests, and packets between them (RFC 2326).  Pure, and every
 * length is bounded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
	RTSP_HEAD_MAX = 8192,
	RTSP_BODY_MAX = 32768,
	RTSP_UNIT_MAX = 4 + 65535, /* a packet with its header: more than a head and a body together */
};

enum rtsp_unit_sort {
	RTSP_UNIT_MORE,    /* not complete: more bytes are needed */
	RTSP_UNIT_PACKET,  /* `$`, channel, length, packet */
	RTSP_UNIT_ANSWER,  /* status, head, body */
	RTSP_UNIT_REQUEST, /* of the camera: method, head, body */
	RTSP_UNIT_GARBAGE, /* no RTSP */
	RTSP_UNIT_ENDLESS, /* a head or body beyond the limits */
};

struct rtsp_unit {
	enum rtsp_unit_sort sort;
	size_t size; /* bytes that it took, blank lines before it included */
	uint8_t channel;
	struct torap_bytes packet;
	unsigned status;
	struct torap_bytes method, head, body; /* `head`: the lines after the first */
};

void rtsp_unit_take(struct rtsp_unit *out, struct torap_bytes in);
/* The value of the nth (from 0) header of the name, without blanks around. */
bool rtsp_header(struct torap_bytes head, const char *name, unsigned nth, struct torap_bytes *value);
/* A parameter of a value such as "RTP/AVP;unicast;interleaved=0-1": what follows "name=", to the next semicolon. */
bool rtsp_parameter(struct torap_bytes value, const char *name, struct torap_bytes *out);
/* Digits at the begin of the text; how many were read.  0: none, or more than fits. */
size_t rtsp_number(struct torap_bytes text, uint32_t *out);
