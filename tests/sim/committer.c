/* lib/store/committer.h without its thread.  Its groups are the real ones (commit_group.h); between the two steps of one that was told, the
 * process goes on, or dies.  Who reads then waits: so the second step comes at once. */
#include "sim/process.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "sim/store.h"
#include "store/commit_group.h"
#include "store/committer.h"
#include "store/kv.h"

enum { ROWS_LEFT_MAX = 24, BETWEEN_TIMES = 5 };

struct torap_committer {
	struct sim_process *process;
	struct torap_kv *kv;
	void (*wake)(void *hint);
	void *hint;
	struct torap_commit_jobs urgent, queue, finished;
	struct torap_commit_turns turns;
	struct torap_commit_group group;
	bool is_between; /* it was told, and is not committed */
	size_t waiting;
};

int torap_committer_start(struct torap_committer **out, struct torap_kv *kv, void (*wake)(void *hint),
	void *hint, struct torap_error *err)
{
	struct torap_committer *c = calloc(1, sizeof *c);
	assert(c);
	(void)err;
	*c = (struct torap_committer){ .process = sim_here, .kv = kv, .wake = wake, .hint = hint };
	torap_commit_jobs_clear(&c->urgent);
	torap_commit_jobs_clear(&c->queue);
	torap_commit_jobs_clear(&c->finished);
	torap_commit_turns_clear(&c->turns);
	torap_commit_jobs_clear(&c->group.jobs);
	sim_here->committer = *out = c;
	return 0;
}

void torap_committer_submit(struct torap_committer *c, struct torap_commit_job *job)
{
	torap_commit_jobs_push(job->urgent ? &c->urgent : &c->queue, job);
	c->waiting++;
}

size_t torap_committer_waiting(struct torap_committer *c)
{
	return c->waiting;
}

size_t torap_committer_collect(struct torap_committer *c)
{
	struct torap_commit_jobs jobs;
	size_t count = 0;
	torap_commit_jobs_clear(&jobs);
	torap_commit_jobs_append(&jobs, &c->finished);
	for (struct torap_commit_job *job; (job = jobs.first); count++) {
		jobs.first = job->next;
		c->waiting--;
		job->done(job, job->result);
	}
	return count;
}

struct torap_committer *torap_committer_stop(struct torap_committer *c)
{
	if (!c)
		return NULL;
	sim_committer_drop(c->process);
	c->process->committer = NULL;
	free(c);
	return NULL;
}

void sim_committer_drop(struct sim_process *p)
{
	struct torap_committer *c = p->committer;
	while (c->waiting) { /* Also for what a `done` submits now. */
		torap_commit_jobs_append(&c->finished, &c->group.jobs); /* of one that failed */
		torap_commit_jobs_append(&c->finished, &c->turns.urgent);
		torap_commit_jobs_append(&c->finished, &c->turns.others);
		torap_commit_jobs_append(&c->finished, &c->urgent);
		torap_commit_jobs_append(&c->finished, &c->queue);
		for (struct torap_commit_job *job = c->finished.first; job; job = job->next)
			job->result = TORAP_KV_FULL;
		torap_committer_collect(c);
	}
}

/* --- a group --- */

/* The real one ends its process here. */
static bool lives(struct torap_committer *c, int r, const struct torap_error *err)
{
	if (r < 0 && !c->process->dead && !c->process->disk_failed)
		sim_fail(c->process->world, "%s ends, and no flush has failed: %s", c->process->name,
			err->text);
	c->process->dead |= r < 0;
	return r >= 0;
}

static void hand_back(struct torap_committer *c)
{
	torap_commit_jobs_append(&c->finished, &c->group.jobs);
	c->wake(c->hint);
}

static bool begin_group(struct torap_committer *c, struct torap_commit_jobs *list)
{
	struct torap_error err;
	sim_store_deletes(c->process->store, list->first->alone);
	if (!lives(c, torap_commit_group_begin(&c->group, c->kv, list, &err), &err))
		return false;
	c->is_between = c->group.told;
	c->process->world->told_early += c->group.told;
	if (c->group.told)
		hand_back(c);
	return true;
}

static bool end_group(struct torap_committer *c)
{
	struct torap_error err;
	c->is_between = false;
	if (!lives(c, torap_commit_group_end(&c->group, &err), &err))
		return false;
	if (!c->group.told)
		hand_back(c);
	return true;
}

static struct torap_commit_jobs *next(struct torap_committer *c)
{
	struct torap_commit_jobs *list = torap_commit_turn(&c->turns);
	if (list)
		return list;
	torap_commit_jobs_append(&c->turns.urgent, &c->urgent);
	torap_commit_jobs_append(&c->turns.others, &c->queue);
	return torap_commit_turn(&c->turns);
}

/* More often than elsewhere, for this is what the redo is there for: somebody was told, and perhaps has told others. */
static bool dies_between(struct sim_world *w)
{
	bool dies = false;
	for (int i = 0; i < BETWEEN_TIMES && !dies; i++)
		dies = sim_fault(w, SIM_CRASH);
	return dies;
}

/* Until nothing waits, or one was told, and other things happen before its commit. */
static bool run(struct torap_committer *c)
{
	struct sim_world *w = c->process->world;
	if (c->is_between && (dies_between(w) || !end_group(c)))
		return false;
	for (struct torap_commit_jobs *list; (list = next(c));) {
		if (!begin_group(c, list))
			return false;
		if (c->is_between && sim_random(w, 2))
			return true;
		if (!end_group(c) || sim_fault(w, SIM_CRASH))
			return false;
	}
	return true;
}

bool sim_committer_run(struct sim_process *p)
{
	struct torap_committer *c = p->committer;
	if (p->disk_full)
		sim_store_room(p->store, sim_random(p->world, ROWS_LEFT_MAX));
	bool goes_on = run(c);
	sim_store_room(p->store, SIZE_MAX);
	return goes_on;
}

void sim_committer_wait(struct sim_process *p)
{
	struct torap_committer *c = p->committer;
	if (c && c->is_between && !p->dead)
		end_group(c); /* If it fails, the process dies when its callback returns. */
	else if (!p->dead)
		sim_fail(p->world, "%s waits for a commit that nobody makes", p->name);
	if (c && (p->dead || *p->world->failure))
		atomic_store(&c->kv->ahead, false);
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);

/* Nobody else here waits for a thread: it is a reader that waits for the commit. */
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	(void)condition;
	pthread_mutex_unlock(mutex);
	sim_committer_wait(sim_here);
	pthread_mutex_lock(mutex);
	return 0;
}
