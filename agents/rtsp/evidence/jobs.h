/* jobs.h: what blocks or takes its time (encoding a picture, flushing a file), done on libuv's threads, a few at a time and in order. */
#pragma once

#include <stdbool.h>
#include <uv.h>

enum { RTSP_JOBS_AT_ONCE = 2 };

struct rtsp_job { /* embedded first in what it is about */
	uv_work_t work;
	struct rtsp_job *next;
	struct rtsp_jobs *jobs;
	void (*run)(struct rtsp_job *job);  /* on a thread */
	void (*done)(struct rtsp_job *job); /* on the loop, once; frees it */
	bool dropped;                       /* it never ran: the process ends */
};

struct rtsp_jobs {
	uv_loop_t *loop;
	struct rtsp_job *first, **last;
	unsigned running, waiting;
	bool closing;
};

void rtsp_jobs_init(struct rtsp_jobs *j, uv_loop_t *loop);
/* Takes the job over. */
void rtsp_jobs_add(struct rtsp_jobs *j, struct rtsp_job *job);
/* Drops what waits.  What runs ends by itself, before the loop does. */
void rtsp_jobs_close(struct rtsp_jobs *j);
