/* requests.h: what the node has asked, until all of it is durable or told as missing.  Pure.
 *
 * The node sends a request again after each hello, so a number that is known, be it as done, is not begun anew. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum { RTSP_REQUESTS_MAX = 1024 };

struct rtsp_request {
	uint64_t id;   /* 0: free */
	uint32_t open; /* what is not durable yet */
	bool said;     /* the node has been told that it is done */
	struct torap_mono done_at;
};

struct rtsp_requests { /* zeros: none */
	struct rtsp_request list[RTSP_REQUESTS_MAX];
	uint32_t count;  /* known */
	uint32_t unsaid; /* done, and the node has not been told */
	uint64_t full;   /* that there was no room for: the node finds out by itself */
};

enum rtsp_requests_answer { RTSP_REQUEST_NEW, RTSP_REQUEST_KNOWN, RTSP_REQUEST_FULL };
/* New: it is held open once, by the caller.  Known and done: the node is told again. */
enum rtsp_requests_answer rtsp_requests_begin(struct rtsp_requests *r, uint64_t id, struct torap_mono now);
/* False: it is not known. */
bool rtsp_requests_hold(struct rtsp_requests *r, uint64_t id);
void rtsp_requests_release(struct rtsp_requests *r, uint64_t id);
/* A request that is done and has not been said; 0: none. */
uint64_t rtsp_requests_next(const struct rtsp_requests *r);
void rtsp_requests_said(struct rtsp_requests *r, uint64_t id, struct torap_mono now);
