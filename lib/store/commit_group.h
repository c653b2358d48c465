/* commit_group.h: jobs, a group of them after the other, each group through one transaction.  Private to lib/store.
 *
 * What the committer's thread does, without the thread: which jobs come next, what becomes of a group, when it may be told.  The thread
 * (committer.c) takes both steps of a group at once; the simulator has other things happen between them, and deaths. */
#pragma once

#include <stdbool.h>

#include "store/kv.h"

struct torap_commit_job;
struct torap_error;

struct torap_commit_jobs { /* in the order of submission */
	struct torap_commit_job *first, **end;
};
void torap_commit_jobs_clear(struct torap_commit_jobs *jobs);
void torap_commit_jobs_push(struct torap_commit_jobs *jobs, struct torap_commit_job *job);
/* Moves all of `from` to the end of `to`. */
void torap_commit_jobs_append(struct torap_commit_jobs *to, struct torap_commit_jobs *from);

struct torap_commit_turns {
	struct torap_commit_jobs urgent, others; /* taken, and not begun yet */
	bool others_had_theirs;
};
void torap_commit_turns_clear(struct torap_commit_turns *turns);
/* Whose the next group is: all that is urgent, then one group of the others.  NULL: first take what has come meanwhile, if anything. */
struct torap_commit_jobs *torap_commit_turn(struct torap_commit_turns *turns);

struct torap_commit_group {
	struct torap_commit_jobs jobs;
	bool told; /* durable, before its commit */
	/* private */
	bool full;
	struct torap_kv_txn txn;
};

/* Takes a group from the front of the list and applies it.  0, and told: hand its jobs back now; else they may be handed back after the end.
 * Negative, here and below: nobody knows what the disk holds, and err says why; the process must stop. */
int torap_commit_group_begin(struct torap_commit_group *g, struct torap_kv *kv,
	struct torap_commit_jobs *list, struct torap_error *err);
/* Commits it.  If it was full, each of its jobs had a transaction of its own. */
int torap_commit_group_end(struct torap_commit_group *g, struct torap_error *err);
