#include "agents/rtsp/evidence/jobs.h"

void rtsp_jobs_init(struct rtsp_jobs *j, uv_loop_t *loop)
{
	*j = (struct rtsp_jobs){ .loop = loop };
	j->last = &j->first;
}

static struct rtsp_job *pop(struct rtsp_jobs *j)
{
	struct rtsp_job *job = j->first;
	if (job) {
		j->first = job->next;
		if (!j->first)
			j->last = &j->first;
		j->waiting--;
	}
	return job;
}

static void run(uv_work_t *work)
{
	struct rtsp_job *job = work->data;
	job->run(job);
}

static void begin_next(struct rtsp_jobs *j);

static void on_done(uv_work_t *work, int status)
{
	struct rtsp_job *job = work->data;
	struct rtsp_jobs *j = job->jobs;
	j->running--;
	job->dropped = status != 0;
	job->done(job);
	begin_next(j);
}

static void begin_next(struct rtsp_jobs *j)
{
	struct rtsp_job *job;
	while (!j->closing && j->running < RTSP_JOBS_AT_ONCE && (job = pop(j))) {
		j->running++;
		if (uv_queue_work(j->loop, &job->work, run, on_done)) {
			j->running--;
			job->dropped = true;
			job->done(job);
		}
	}
}

void rtsp_jobs_add(struct rtsp_jobs *j, struct rtsp_job *job)
{
	job->jobs = j;
	job->next = NULL;
	job->work.data = job;
	*j->last = job;
	j->last = &job->next;
	j->waiting++;
	begin_next(j);
}

void rtsp_jobs_close(struct rtsp_jobs *j)
{
	struct rtsp_job *job;
	j->closing = true;
	while ((job = pop(j))) {
		job->dropped = true;
		job->done(job);
	}
}
