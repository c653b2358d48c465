/* pool.h: the few threads that decode and measure.  The loop sees two queues: looks that wait, and looks that are done.
 *
 * What waits is bounded in number and bytes; a look beyond it is not taken, and its camera shows itself again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agents/rtsp/sight/familiar.h"
#include "agents/rtsp/sight/measure.h"
#include "base/bytes.h"

struct torap_error;
struct rtsp_pool;

enum { RTSP_LOOKS_MAX = 256, RTSP_LOOK_BYTES_MAX = 48 << 20 };

struct rtsp_seen {
	struct rtsp_measure measure; /* of a whole picture */
	struct rtsp_upper upper;     /* of that, or of what a peek showed */
	enum rtsp_likeness likeness; /* why it is decoded, when it was peeked at */
	bool peeked;
};

struct rtsp_look { /* a keyframe, and what it showed */
	struct rtsp_look *next;
	uint64_t number; /* the caller's own name for whose it is */
	struct rtsp_shot shot;
	uint8_t *data; /* the look's */
	size_t size;
	size_t part; /* to be decoded first, for a peek; 0: all of it at once */
	struct rtsp_familiar familiar;
	bool alike;   /* by a peek: the rest was not decoded */
	bool decoded; /* else it cannot be, or need not, and `seen` says little of what it shows */
	int64_t took_us;
	struct rtsp_seen seen;
};

enum rtsp_need {          /* of a keyframe to be decoded */
	RTSP_NEED_NONE,   /* nobody misses it */
	RTSP_NEED_SOME,   /* sooner than others */
	RTSP_NEED_PEEK,   /* only in part */
	RTSP_NEED_URGENT, /* before there is more than may wait at all */
};

/* `on_done` runs on the loop, and looks only. */
int rtsp_pool_open(struct rtsp_pool **out, uv_loop_t *loop, unsigned threads, void *hint,
	void (*on_done)(void *hint, const struct rtsp_look *look), struct torap_error *err);
/* Takes the data over.  False, and the data stay the caller's: too much waits, or memory ran out. */
bool rtsp_pool_add(
	struct rtsp_pool *p, uint64_t number, const struct rtsp_shot *shot, struct torap_writer *take);
/* The same, but it is peeked at first: decoded only if its first `part` bytes are not like what is familiar. */
bool rtsp_pool_peek(struct rtsp_pool *p, uint64_t number, const struct rtsp_shot *shot,
	struct torap_writer *take, size_t part, const struct rtsp_familiar *familiar);
/* More waits than lets one more be decoded that is needed so much. */
bool rtsp_pool_behind(const struct rtsp_pool *p, enum rtsp_need need);
unsigned rtsp_pool_waiting(const struct rtsp_pool *p); /* and in work */
uint64_t rtsp_pool_busy_us(
	const struct rtsp_pool *p); /* what all threads worked so far, of looks that are done */
/* Waits for the looks in work (some 10 ms), forgets the others.  The memory goes with the loop.  Accepts NULL. */
void rtsp_pool_close(struct rtsp_pool *p);
