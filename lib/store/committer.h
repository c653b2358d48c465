/* committer.h: the one writing thread, with group commit.
 *
 * Urgent jobs go first, in groups of their own, and their `done` comes after one flush instead of the two of a commit (torap_kv_redo()); their
 * commit follows.  So of two jobs the later may be done first if it is urgent and the other is not: who needs an order keeps to one kind.
 *
 * The loop submits jobs; the thread takes all that wait, runs each job's `apply` in one transaction, commits (one flush for all),
 * and hands them back; `wake` is called on the committer's thread when finished jobs wait (use torap_wake_send()), and the loop then
 * calls torap_committer_collect(), which runs each `done` on the loop, in the order of submission (of either kind).  What is submitted while a
 * commit runs waits for the next; so does what lies beyond 32 MiB of changes, so that memory stays bounded.
 *
 * When `apply` of some job says FULL, the others must not suffer: the transaction is aborted, jobs run again one by one, each in
 * a transaction of its own, and only those that still do not fit are done with TORAP_KV_FULL.
 * Any other failure, of an apply, a write or a flush: the state of the disk is unknown.  The process ends at once with exit
 * status 70 after a log line STORE-FAILED; at the next start the store opens with what was flushed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct torap_error;
struct torap_kv;
struct torap_kv_txn;
struct torap_committer;

struct torap_commit_job {
	/* On the committer's thread.  Must only read what the loop will not touch until `done`.  May run more than once (see FULL).
	 * Returns 0, or a positive answer of its own, which undoes nothing, or what a torap_kv call returned. */
	int (*apply)(struct torap_commit_job *job, struct torap_kv_txn *txn);
	/* On the loop.  Result: what apply returned, after the flush; or TORAP_KV_FULL.  The job is the caller's again. */
	void (*done)(struct torap_commit_job *job, int result);
	bool urgent; /* somebody waits for it: before others, and by the shorter way */
	bool alone; /* in a transaction of its own, though it costs a flush more: what it may do, no other job may; not for urgent ones */
	/* private */
	struct torap_commit_job *next;
	int result;
};

int torap_committer_start(struct torap_committer **out, struct torap_kv *kv, void (*wake)(void *hint),
	void *hint, struct torap_error *err);
/* Any thread, as long as it comes back before torap_committer_stop() is called.  Takes a job whose memory the caller keeps alive until `done`. */
void torap_committer_submit(struct torap_committer *c, struct torap_commit_job *job);
/* Loop only.  Runs `done` of all finished jobs.  Returns how many. */
size_t torap_committer_collect(struct torap_committer *c);
size_t torap_committer_waiting(struct torap_committer *c); /* jobs submitted and not yet collected */
/* Commits what was submitted, runs the remaining `done`s, ends the thread.  Accepts NULL.  Returns NULL. */
struct torap_committer *torap_committer_stop(struct torap_committer *c);
