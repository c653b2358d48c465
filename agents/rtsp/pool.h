/* pool.h: the few threads that decode and measure.  The loop sees two queues: looks that wait, and looks that are done.
 *
 * What waits is bounded in number and bytes; a look beyond it is not taken, and its camera shows itself again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agents/rtsp/sight/measure.h"
#include "base/bytes.h"

struct torap_error;
struct rtsp_pool;

enum { RTSP_LOOKS_MAX = 256, RTSP_LOOK_BYTES_MAX = 48 << 20 };

struct rtsp_look { /* a keyframe, and what it showed */
	struct rtsp_look *next;
	uint64_t number; /* the caller's own name for whose it is */
	struct rtsp_shot shot;
	uint8_t *data; /* the look's */
	size_t size;
	bool decoded; /* else it cannot be, and `measure` says nothing */
	int64_t took_us;
	struct rtsp_measure measure;
};

/* `on_done` runs on the loop, and looks only. */
int rtsp_pool_open(struct rtsp_pool **out, uv_loop_t *loop, unsigned threads, void *hint,
	void (*on_done)(void *hint, const struct rtsp_look *look), struct torap_error *err);
/* Takes the data over.  False, and the data stay the caller's: too much waits, or memory ran out. */
bool rtsp_pool_add(
	struct rtsp_pool *p, uint64_t number, const struct rtsp_shot *shot, struct torap_writer *take);
/* More waits than they get done soon; `urgent`: than may wait at all before nobody begins. */
bool rtsp_pool_behind(const struct rtsp_pool *p, bool urgent);
unsigned rtsp_pool_waiting(const struct rtsp_pool *p); /* and in work */
uint64_t rtsp_pool_busy_us(
	const struct rtsp_pool *p); /* what all threads worked so far, of looks that are done */
/* Waits for the looks in work (some 10 ms), forgets the others.  The memory goes with the loop.  Accepts NULL. */
void rtsp_pool_close(struct rtsp_pool *p);
