#include "store/committer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "store/kv.h"

/* A job is submitted and waits in `queue` or, urgent, in `urgent`; the thread takes a group into a transaction, commits, and puts it to
 * `finished`; the loop collects it.  All lists keep the order of submission, and a group is always a run of one of them, so `done` comes in that
 * order too.  What is submitted while a commit runs waits for the next: first all that is urgent, then one group of the others. */

enum {
	COMMITTER_EXIT_STATUS = 70,       /* EX_SOFTWARE: the state of the disk is not known */
	COMMITTER_GROUP_BYTES = 32 << 20, /* of a transaction: what waits beyond goes into the next */
};

struct job_list {
	struct torap_commit_job *first, **end;
};

struct torap_committer {
	struct torap_kv *kv;
	void (*wake)(void *hint);
	void *hint;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t submitted, landed;        /* something in queue, or stopping; something in finished */
	struct job_list urgent, queue, finished; /* under the mutex, as are these: */
	size_t waiting;
	bool stopping;
};

static void list_clear(struct job_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void list_push(struct job_list *list, struct torap_commit_job *job)
{
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

/* Moves all of `from` to the end of `to`. */
static void list_append(struct job_list *to, struct job_list *from)
{
	if (!from->first)
		return;
	*to->end = from->first;
	to->end = from->end;
	list_clear(from);
}

static _Noreturn void die(const char *what, const char *why)
{
	torap_fail("STORE-FAILED",
		"%s: %s; this process ends, and the next opens the store with what was flushed", what, why);
	_exit(COMMITTER_EXIT_STATUS);
}

static void commit(struct torap_kv_txn *txn, int *result)
{
	struct torap_error err;
	*result = torap_kv_commit(txn, &err);
	if (*result && *result != TORAP_KV_FULL)
		die("commit", err.text);
}

/* Runs one job inside the transaction.  Returns its answer, TORAP_KV_FULL when the transaction must be given up. */
static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	int r = txn->failure ? txn->failure : job->apply(job, txn);
	if (txn->failure == TORAP_KV_FULL || r == TORAP_KV_FULL)
		return TORAP_KV_FULL;
	if (txn->failure) {
		struct torap_error err;
		torap_kv_commit(txn, &err); /* Commits nothing: it says what failed. */
		die("write", err.text);
	}
	if (r < 0)
		die("write", strerror(-r));
	return r;
}

static void run_alone(struct torap_committer *c, struct torap_commit_job *job)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, c->kv, true);
	job->result = apply(job, &txn);
	int r = TORAP_KV_FULL;
	if (job->result != TORAP_KV_FULL)
		commit(&txn, &r);
	torap_kv_abort(&txn);
	if (r)
		job->result = r;
}

/* May the group that begins with `first` go on with this one? */
static bool joins(const struct torap_commit_job *first, const struct torap_commit_job *job)
{
	return job == first || (job && !first->alone && !job->alone);
}

/* Hands the jobs from first up to end to the loop. */
static void hand_back(struct torap_committer *c, struct torap_commit_job *first, struct torap_commit_job *end)
{
	pthread_mutex_lock(&c->mutex);
	while (first != end) {
		struct torap_commit_job *job = first;
		first = job->next;
		list_push(&c->finished, job);
	}
	pthread_cond_signal(&c->landed);
	pthread_mutex_unlock(&c->mutex);
	c->wake(c->hint);
}

/* Runs a group from the front of the list in one transaction, and hands it back.  The list then begins with the first job that was not taken
 * into it. */
static void run_group(struct torap_committer *c, struct job_list *list)
{
	struct torap_commit_job *first = list->first, *end = first;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, c->kv, true);
	if (first->urgent)
		torap_kv_urgent(&txn);
	int r = 0;
	for (; joins(first, end) && !r && torap_kv_pending_bytes(&txn) < COMMITTER_GROUP_BYTES;
		end = end->next) {
		end->result = apply(end, &txn);
		if (end->result == TORAP_KV_FULL)
			r = TORAP_KV_FULL;
	}
	list->first = end;
	if (!end)
		list_clear(list);
	bool told = !r && first->urgent && torap_kv_redo(&txn);
	if (told)
		hand_back(c, first, end);
	if (!r)
		commit(&txn, &r);
	torap_kv_abort(&txn);
	if (r) /* Somebody does not fit: nobody else shall suffer. */
		for (struct torap_commit_job *job = first; job != end; job = job->next)
			run_alone(c, job);
	if (!told)
		hand_back(c, first, end);
}

/* One piece: who comes meanwhile waits for no more. */
static bool has_more_to_prepare(struct torap_committer *c)
{
	struct torap_error err;
	int r = torap_kv_idle(c->kv, &err);
	if (r < 0)
		die("write", err.text);
	return r > 0;
}

static void *run(void *hint)
{
	struct torap_committer *c = hint;
	struct job_list urgent, others;
	list_clear(&urgent);
	list_clear(&others);
	bool idle = false; /* nothing is left to be done before somebody comes */
	for (;;) {
		pthread_mutex_lock(&c->mutex);
		while (idle && !c->urgent.first && !c->queue.first && !c->stopping)
			pthread_cond_wait(&c->submitted, &c->mutex);
		list_append(&urgent, &c->urgent);
		list_append(&others, &c->queue);
		bool stopping = c->stopping;
		pthread_mutex_unlock(&c->mutex);
		idle = !urgent.first && !others.first && (stopping || !has_more_to_prepare(c));
		if (idle && stopping)
			return NULL;
		while (urgent.first)
			run_group(c, &urgent);
		if (others.first)
			run_group(c, &others);
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
	list_clear(&c->urgent);
	list_clear(&c->queue);
	list_clear(&c->finished);
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
	list_push(job->urgent ? &c->urgent : &c->queue, job);
	c->waiting++;
	pthread_cond_signal(&c->submitted);
	pthread_mutex_unlock(&c->mutex);
}

size_t torap_committer_collect(struct torap_committer *c)
{
	struct job_list jobs;
	list_clear(&jobs);
	pthread_mutex_lock(&c->mutex);
	list_append(&jobs, &c->finished);
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
