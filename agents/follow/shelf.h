/* shelf.h: jobs on their way to the disk, and where they wait while it has no room.
 *
 *     made → committer → done
 *              `→ no room → put aside, with all that comes after it → once a second the first is tried again → room: all go on
 *
 * A job that leads (a welcome: later batches are judged by its grant and trust file) lets those behind it go only when it is flushed.
 * The order in which jobs were made holds on the disk, whatever was put aside in between.  Loop only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/committer.h"

struct follow_shelf;

/* The owner sets apply, done, drop and leads; it embeds this as its first member. */
struct follow_job {
	struct torap_commit_job job; /* .apply is the owner's */
	/* As torap_commit_job.done, but never for want of room. */
	void (*done)(struct follow_job *j, int result);
	void (*drop)(struct follow_job *j); /* the end came before there was room: frees it */
	bool leads;
	/* private */
	struct follow_shelf *shelf;
	uint64_t serial;
	struct follow_job *next;
};

struct follow_shelf {
	struct torap_committer *committer;
	/* private */
	struct follow_job *first;  /* put aside, in the order in which they were made */
	struct follow_job *leader; /* at the committer */
	size_t under_way;          /* at the committer */
	uint64_t serial, last_aside;
	bool full, behind, closing;
};

void follow_shelf_init(struct follow_shelf *s, struct torap_committer *committer);
/* Takes the job until its done or drop. */
void follow_shelf_submit(struct follow_shelf *s, struct follow_job *job);
/* Is there no room? */
bool follow_shelf_waits(const struct follow_shelf *s);
/* The same, or what was put aside for it is not all on the disk yet. */
bool follow_shelf_is_behind(const struct follow_shelf *s);
/* Once a second. */
void follow_shelf_try(struct follow_shelf *s);
/* The first job put aside; then `next`.  Not to be changed. */
const struct follow_job *follow_shelf_first(const struct follow_shelf *s);
/* From here on what finds no room is dropped, and so is what waits for it.  Before torap_committer_stop(). */
void follow_shelf_close(struct follow_shelf *s);
