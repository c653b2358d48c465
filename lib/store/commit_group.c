#include "store/commit_group.h"

#include <string.h>

#include "base/error.h"
#include "store/committer.h"

enum { GROUP_BYTES = 32 << 20 }; /* of a transaction: what waits beyond goes into the next */

void torap_commit_jobs_clear(struct torap_commit_jobs *jobs)
{
	jobs->first = NULL;
	jobs->end = &jobs->first;
}

void torap_commit_jobs_push(struct torap_commit_jobs *jobs, struct torap_commit_job *job)
{
	job->next = NULL;
	*jobs->end = job;
	jobs->end = &job->next;
}

void torap_commit_jobs_append(struct torap_commit_jobs *to, struct torap_commit_jobs *from)
{
	if (!from->first)
		return;
	*to->end = from->first;
	to->end = from->end;
	torap_commit_jobs_clear(from);
}

void torap_commit_turns_clear(struct torap_commit_turns *turns)
{
	torap_commit_jobs_clear(&turns->urgent);
	torap_commit_jobs_clear(&turns->others);
	turns->others_had_theirs = false;
}

struct torap_commit_jobs *torap_commit_turn(struct torap_commit_turns *turns)
{
	if (turns->urgent.first)
		return &turns->urgent;
	turns->others_had_theirs = !turns->others_had_theirs && turns->others.first;
	return turns->others_had_theirs ? &turns->others : NULL;
}

/* Runs one job inside the transaction.  Returns its answer; TORAP_KV_FULL when the transaction must be given up; or negative. */
static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn, struct torap_error *err)
{
	int r = txn->failure ? txn->failure : job->apply(job, txn);
	if (txn->failure == TORAP_KV_FULL || r == TORAP_KV_FULL)
		return TORAP_KV_FULL;
	if (txn->failure)
		return torap_kv_commit(txn, err); /* Commits nothing: it says what failed. */
	return r < 0 ? torap_errorf(err, r, "cannot write: %s", strerror(-r)) : r;
}

/* May the group that begins with `first` go on with this one? */
static bool joins(const struct torap_commit_job *first, const struct torap_commit_job *job)
{
	return job == first || (job && !first->alone && !job->alone);
}

static void take_until(
	struct torap_commit_jobs *to, struct torap_commit_jobs *list, const struct torap_commit_job *end)
{
	torap_commit_jobs_clear(to);
	while (list->first != end) {
		struct torap_commit_job *job = list->first;
		list->first = job->next;
		torap_commit_jobs_push(to, job);
	}
	if (!end)
		torap_commit_jobs_clear(list);
}

int torap_commit_group_begin(struct torap_commit_group *g, struct torap_kv *kv,
	struct torap_commit_jobs *list, struct torap_error *err)
{
	struct torap_commit_job *first = list->first, *end = first;
	int r = 0;
	torap_kv_begin(&g->txn, kv, true);
	if (first->urgent)
		torap_kv_urgent(&g->txn);
	for (; joins(first, end) && !r && torap_kv_pending_bytes(&g->txn) < GROUP_BYTES; end = end->next) {
		end->result = apply(end, &g->txn, err);
		if (end->result < 0 || end->result == TORAP_KV_FULL)
			r = end->result;
	}
	take_until(&g->jobs, list, end);
	g->full = r == TORAP_KV_FULL;
	g->told = !r && first->urgent && torap_kv_redo(&g->txn);
	if (r)
		torap_kv_abort(&g->txn);
	return r < 0 ? r : 0;
}

static int run_alone(struct torap_kv *kv, struct torap_commit_job *job, struct torap_error *err)
{
	struct torap_kv_txn txn;
	int r = TORAP_KV_FULL;
	torap_kv_begin(&txn, kv, true);
	job->result = apply(job, &txn, err);
	if (job->result < 0)
		r = job->result;
	else if (job->result != TORAP_KV_FULL)
		r = torap_kv_commit(&txn, err);
	torap_kv_abort(&txn);
	if (r)
		job->result = r;
	return r < 0 ? r : 0;
}

int torap_commit_group_end(struct torap_commit_group *g, struct torap_error *err)
{
	int r = g->full ? TORAP_KV_FULL : torap_kv_commit(&g->txn, err);
	if (r != TORAP_KV_FULL)
		return r;
	r = 0; /* Somebody does not fit: nobody else shall suffer. */
	for (struct torap_commit_job *job = g->jobs.first; job && !r; job = job->next)
		r = run_alone(g->txn.kv, job, err);
	return r;
}
