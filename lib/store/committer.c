#include "store/committer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "store/commit_group.h"
#include "store/kv.h"

/* A job is submitted and waits in `queue` or, urgent, in `urgent`; the thread takes a group into a transaction, commits, and puts it to
 * `finished`; the loop collects it.  All lists keep the order of submission, and a group is always a run of one of them, so `done` comes in that
 * order too.  What is submitted while a commit runs waits for the next: first all that is urgent, then one group of the others
 * (commit_group.h). */

enum { COMMITTER_EXIT_STATUS = 70 /* EX_SOFTWARE: the state of the disk is not known */ };

struct torap_committer {
	struct torap_kv *kv;
	void (*wake)(void *hint);
	void *hint;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t submitted, landed; /* something in queue, or stopping; something in finished */
	struct torap_commit_jobs urgent, queue, finished; /* under the mutex, as are these: */
	size_t waiting;
	bool stopping;
};

static void live_or_die(int r, const struct torap_error *err)
{
	if (r >= 0)
		return;
	torap_fail("STORE-FAILED",
		"%s; this process ends, and the next opens the store with what was flushed", err->text);
	_exit(COMMITTER_EXIT_STATUS);
}

/* Hands them to the loop. */
static void hand_back(struct torap_committer *c, struct torap_commit_jobs *jobs)
{
	pthread_mutex_lock(&c->mutex);
	torap_commit_jobs_append(&c->finished, jobs);
	pthread_mutex_unlock(&c->mutex);
	pthread_cond_signal(&c->landed);
	c->wake(c->hint);
}

static void run_group(struct torap_committer *c, struct torap_commit_jobs *list)
{
	struct torap_commit_group group;
	struct torap_error err;
	live_or_die(torap_commit_group_begin(&group, c->kv, list, &err), &err);
	bool told = group.told;
	if (told) {
		hand_back(c, &group.jobs);
		sched_yield(); /* The loop often waits for this processor, also when another is idle; the commit can wait. */
	}
	live_or_die(torap_commit_group_end(&group, &err), &err);
	if (!told)
		hand_back(c, &group.jobs);
}

/* One piece: who comes meanwhile waits for no more. */
static bool has_more_to_prepare(struct torap_committer *c)
{
	struct torap_error err;
	int r = torap_kv_idle(c->kv, &err);
	live_or_die(r, &err);
	return r > 0;
}

static void *run(void *hint)
{
	struct torap_committer *c = hint;
	struct torap_commit_turns turns;
	torap_commit_turns_clear(&turns);
	bool idle = false; /* nothing is left to be done before somebody comes */
	for (;;) {
		pthread_mutex_lock(&c->mutex);
		while (idle && !c->urgent.first && !c->queue.first && !c->stopping)
			pthread_cond_wait(&c->submitted, &c->mutex);
		torap_commit_jobs_append(&turns.urgent, &c->urgent);
		torap_commit_jobs_append(&turns.others, &c->queue);
		bool stopping = c->stopping;
		pthread_mutex_unlock(&c->mutex);
		struct torap_commit_jobs *list = torap_commit_turn(&turns);
		idle = !list && (stopping || !has_more_to_prepare(c));
		if (idle && stopping)
			return NULL;
		for (; list; list = torap_commit_turn(&turns))
			run_group(c, list);
	}
}

/* Signals are the loop's. */
static int start_thread(struct torap_committer *c)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&c->thread, NULL, run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rc)
		pthread_setname_np(c->thread, "committer");
	return rc;
}

int torap_committer_start(struct torap_committer **out, struct torap_kv *kv, void (*wake)(void *hint),
	void *hint, struct torap_error *err)
{
	struct torap_committer *c = calloc(1, sizeof *c);
	if (!c)
		return torap_errorf(err, -ENOMEM, "committer: out of memory");
	c->kv = kv;
	c->wake = wake;
	c->hint = hint;
	torap_commit_jobs_clear(&c->urgent);
	torap_commit_jobs_clear(&c->queue);
	torap_commit_jobs_clear(&c->finished);
	pthread_mutex_init(&c->mutex, NULL); /* With default attributes these three cannot fail. */
	pthread_cond_init(&c->submitted, NULL);
	pthread_cond_init(&c->landed, NULL);
	int rc = start_thread(c);
	if (rc) {
		free(c);
		return torap_errorf(err, -rc, "committer: cannot start its thread: %s", strerror(rc));
	}
	*out = c;
	return 0;
}

void torap_committer_submit(struct torap_committer *c, struct torap_commit_job *job)
{
	pthread_mutex_lock(&c->mutex);
	assert(!c->stopping);
	torap_commit_jobs_push(job->urgent ? &c->urgent : &c->queue, job);
	c->waiting++;
	pthread_mutex_unlock(
		&c->mutex); /* First: else the thread that is woken stops at once, for the mutex. */
	pthread_cond_signal(&c->submitted);
}

size_t torap_committer_collect(struct torap_committer *c)
{
	struct torap_commit_jobs jobs;
	torap_commit_jobs_clear(&jobs);
	pthread_mutex_lock(&c->mutex);
	torap_commit_jobs_append(&jobs, &c->finished);
	pthread_mutex_unlock(&c->mutex);

	size_t count = 0;
	while (jobs.first) {
		struct torap_commit_job *job = jobs.first;
		jobs.first = job->next; /* Before done(): the job may be freed or submitted again there. */
		pthread_mutex_lock(&c->mutex);
		c->waiting--;
		pthread_mutex_unlock(&c->mutex);
		job->done(job, job->result);
		count++;
	}
	return count;
}

size_t torap_committer_waiting(struct torap_committer *c)
{
	pthread_mutex_lock(&c->mutex);
	size_t waiting = c->waiting;
	pthread_mutex_unlock(&c->mutex);
	return waiting;
}

static void wait_for_finished(struct torap_committer *c)
{
	pthread_mutex_lock(&c->mutex);
	while (!c->finished.first)
		pthread_cond_wait(&c->landed, &c->mutex);
	pthread_mutex_unlock(&c->mutex);
}

struct torap_committer *torap_committer_stop(struct torap_committer *c)
{
	if (!c)
		return NULL;
	while (torap_committer_waiting(c)) { /* Also for what a `done` submits now. */
		wait_for_finished(c);
		torap_committer_collect(c);
	}
	pthread_mutex_lock(&c->mutex);
	c->stopping = true;
	pthread_cond_signal(&c->submitted);
	pthread_mutex_unlock(&c->mutex);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->submitted);
	pthread_cond_destroy(&c->landed);
	pthread_mutex_destroy(&c->mutex);
	free(c);
	return NULL;
}
