/* lib/store/committer.h without its thread: groups, FULL and the answers as there.  A flush that fails ends the process: the disk has all of
 * the transaction or nothing, which is what LMDB promises (unit/lib/store). */
#include "sim/process.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "store/committer.h"
#include "store/kv.h"

enum { GROUP_BYTES = 32 << 20 };

struct job_list {
	struct torap_commit_job *first, **end;
};

struct torap_committer {
	struct sim_process *process;
	struct torap_kv *kv;
	void (*wake)(void *hint);
	void *hint;
	struct job_list urgent, queue, finished;
	size_t waiting;
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

static struct torap_commit_job *list_pop(struct job_list *list)
{
	struct torap_commit_job *job = list->first;
	if (!job)
		return NULL;
	list->first = job->next;
	if (!list->first)
		list->end = &list->first;
	return job;
}

int torap_committer_start(struct torap_committer **out, struct torap_kv *kv, void (*wake)(void *hint),
	void *hint, struct torap_error *err)
{
	struct torap_committer *c = calloc(1, sizeof *c);
	assert(c);
	(void)err;
	*c = (struct torap_committer){ .process = sim_here, .kv = kv, .wake = wake, .hint = hint };
	list_clear(&c->urgent);
	list_clear(&c->queue);
	list_clear(&c->finished);
	sim_here->committer = *out = c;
	return 0;
}

void torap_committer_submit(struct torap_committer *c, struct torap_commit_job *job)
{
	list_push(job->urgent ? &c->urgent : &c->queue, job);
	c->waiting++;
}

size_t torap_committer_waiting(struct torap_committer *c)
{
	return c->waiting;
}

size_t torap_committer_collect(struct torap_committer *c)
{
	struct job_list jobs = c->finished;
	size_t count = 0;
	if (!jobs.first)
		return 0;
	list_clear(&c->finished);
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
		for (struct torap_commit_job *job;
			(job = list_pop(&c->urgent)) || (job = list_pop(&c->queue));)
			list_push(&c->finished, job);
		for (struct torap_commit_job *job = c->finished.first; job; job = job->next)
			job->result = TORAP_KV_FULL;
		torap_committer_collect(c);
	}
}

/* --- a group --- */

/* False: the flush failed. */
static bool commit(struct torap_committer *c, struct torap_kv_txn *txn, int *result)
{
	struct sim_world *w = c->process->world;
	struct torap_error err;
	if (!txn->failure && sim_fault(w, SIM_FLUSH)) {
		bool has_it = sim_random(w, 2);
		sim_note(w, "%s: a flush fails; the disk has %s", c->process->name,
			has_it ? "all of it" : "nothing");
		if (has_it)
			torap_kv_commit(txn, &err);
		torap_kv_abort(txn);
		return false;
	}
	*result = torap_kv_commit(txn, &err);
	return true;
}

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	int r = txn->failure ? txn->failure : job->apply(job, txn);
	if (txn->failure == TORAP_KV_FULL || r == TORAP_KV_FULL)
		return TORAP_KV_FULL;
	if (r < 0)
		sim_fail(sim_here->world, "%s cannot write: %d", sim_here->name, r);
	return r;
}

static bool run_alone(struct torap_committer *c, struct torap_commit_job *job)
{
	struct torap_kv_txn txn;
	int r = TORAP_KV_FULL;
	bool lives = true;
	torap_kv_begin(&txn, c->kv, true);
	job->result = apply(job, &txn);
	if (job->result != TORAP_KV_FULL)
		lives = commit(c, &txn, &r);
	torap_kv_abort(&txn);
	if (r)
		job->result = r;
	return lives;
}

static bool joins(const struct torap_commit_job *first, const struct torap_commit_job *job)
{
	return job == first || (job && !first->alone && !job->alone);
}

/* Takes a group off the list; *lives: the process goes on. */
static struct job_list run_group(struct torap_committer *c, struct job_list *list, bool *lives)
{
	struct torap_kv_txn txn;
	struct torap_commit_job *first = list->first, *end = first;
	struct job_list group;
	int r = 0;
	list_clear(&group);
	torap_kv_begin(&txn, c->kv, true);
	for (; joins(first, end) && !r && torap_kv_pending_bytes(&txn) < GROUP_BYTES; end = end->next) {
		end->result = apply(end, &txn);
		if (end->result == TORAP_KV_FULL)
			r = TORAP_KV_FULL;
	}
	if (!r)
		*lives = commit(c, &txn, &r);
	torap_kv_abort(&txn);
	for (struct torap_commit_job *job = first; r && *lives && job != end; job = job->next)
		*lives = run_alone(c, job);
	while (list->first != end)
		list_push(&group, list_pop(list));
	return group;
}

bool sim_committer_run(struct sim_process *p)
{
	struct torap_committer *c = p->committer;
	bool lives = true;
	if (!c->urgent.first && !c->queue.first)
		return true;
	if (p->disk_full)
		sim_store_room(c->kv, sim_random(p->world, 24));
	while ((c->urgent.first || c->queue.first) && lives) {
		struct job_list group = run_group(c, c->urgent.first ? &c->urgent : &c->queue, &lives);
		for (struct torap_commit_job *job; (job = list_pop(&group));)
			list_push(&c->finished, job);
		lives = lives && !sim_fault(p->world, SIM_CRASH);
	}
	sim_store_room(c->kv, SIZE_MAX);
	if (lives)
		c->wake(c->hint);
	return lives;
}
