/* state.h: what outlives a restart, in two files, each replaced as a whole: what cameras are like (FILE), and which faults the node knows
 * to be open (FILE.faults).
 *
 *     "torap-rtsp baselines 2\n" or "torap-rtsp faults 2\n", then for each camera: a digest (16 bytes) of what follows, the size of that
 *     (4), the address and the baseline or the health, each with its size (4); then for baselines since when the camera looks where it looks
 *     (8), for faults which of them were planned (4)
 *
 * Written in slices of a turn of the loop each, and flushed on a thread of the loop's pool, for the first may have 80 MiB.  A record that
 * is damaged is left out when it is read: that camera is learned anew.  The second holds only what is durable at the node: a change that
 * was not told yet is found and told again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agents/rtsp/cameras.h"

struct torap_error;

enum { RTSP_STATE_SLICE = 128 /* cameras */, RTSP_STATE_RECORD_MAX = 8192 };
enum rtsp_state_part { RTSP_STATE_BASELINES, RTSP_STATE_FAULTS };

/* Gives the cameras what the file knows of them.  *known, *damaged: records.  0 also when there is no file yet. */
int rtsp_state_load(enum rtsp_state_part part, const char *path, const struct rtsp_cameras *cameras,
	struct rtsp_now now, uint32_t *known, uint32_t *damaged, struct torap_error *err);

struct rtsp_saving { /* zeros: nothing is being saved */
	bool active;
	enum rtsp_state_part part;
	int fd;
	uint32_t slot;
	char *path, *fresh; /* owned; `fresh` is written and renamed */
	uv_work_t work;
	int result;
	void (*on_done)(struct rtsp_saving *s, int result); /* 0 or a negative errno */
	void *hint;
};

/* Begins; on_done runs later, unless it could not begin: a negative error. */
int rtsp_saving_begin(
	struct rtsp_saving *s, enum rtsp_state_part part, const char *path, struct torap_error *err);
/* A slice.  When the last is written the rest happens on a thread. */
void rtsp_saving_step(struct rtsp_saving *s, uv_loop_t *loop, const struct rtsp_cameras *cameras);
/* Gives it up, unless a thread has it already: then it ends by itself, on the loop. */
void rtsp_saving_abandon(struct rtsp_saving *s);
/* All at once, for the end of the process. */
int rtsp_state_save(enum rtsp_state_part part, const char *path, const struct rtsp_cameras *cameras,
	struct torap_error *err);
