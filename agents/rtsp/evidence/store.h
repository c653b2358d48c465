/* store.h: the evidence folder.  Blocks: for a thread that may; any of them, one at a time within.
 *
 *     DIR/aa/bb….jpg                 the file by its BLAKE2b-256 digest
 *     DIR/aa/bb….ID.json             what it is (item.h); one for each camera and alarm that it serves
 *     DIR/pending/aabb….ID.json      the same, until the node has said that its event is durable
 *     DIR/pending/aabb….ID.gone.json its time is over, and the node has not been told yet
 *
 * Stored is: described in `pending`, then the file put in its place, both flushed.  So nothing lies in the folder of which no event
 * speaks: what is described is told at the next start, as what it is or as damaged.  And no event speaks of what was not there: each file
 * is read and compared with its digest right before it is told.
 *
 * What the node was told is written into the description before that leaves `pending`: what cannot leave is not told a second time, however
 * long that takes.  (The node itself forgets after a day what it has heard.) */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/evidence/folder.h"
#include "agents/rtsp/evidence/item.h"

struct torap_buffer;
struct torap_error;

struct rtsp_store {
	char *dir; /* owned */
	int lock_fd;
	pthread_mutex_t lock;
	_Atomic uint64_t bytes, files; /* media that lie there */
};

enum rtsp_store_answer {
	RTSP_STORE_OVER_QUOTA = 1, /* nothing of it is there */
	RTSP_STORE_DAMAGED,        /* its file is not what its digest and description say */
	RTSP_STORE_NO_FILE,        /* it never came, or was taken away */
};

/* Makes the folder when it is not there, and clears away what a crash has left half written.  -EBUSY: another process has it. */
int rtsp_store_open(struct rtsp_store *s, const char *dir, struct torap_error *err);
void rtsp_store_close(struct rtsp_store *s);

/* Shows each description; the names are those of rtsp_item_name().  Of a file that is none (it is left alone), `item` is NULL, and `name`
 * says which and why. */
int rtsp_store_walk(struct rtsp_store *s, void *hint,
	void (*show)(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item),
	struct torap_error *err);

/* Fills the item's digest and size, and takes out alarms for which this file of this camera is there already, unless these are all: then nothing
 * is done.  0, RTSP_STORE_OVER_QUOTA when the folder would hold more than `quota` bytes, or a negative error:
 * -ENOSPC, -EIO…; nothing of it is there then. */
int rtsp_store_put(struct rtsp_store *s, struct rtsp_item *item, struct torap_bytes file, uint64_t quota,
	struct torap_error *err);
/* Its description.  -ENOENT: it is gone. */
int rtsp_store_get(struct rtsp_store *s, enum rtsp_stage stage, const char *name, struct rtsp_item *item,
	struct torap_error *err);
/* What is pending, to be told: its description, and its file, which is what its digest says; *out is one reference.  RTSP_STORE_DAMAGED or
 * RTSP_STORE_NO_FILE: the description alone. */
int rtsp_store_load(struct rtsp_store *s, const char *name, struct rtsp_item *item, struct torap_buffer **out,
	struct torap_error *err);
/* The event that says `what` of it is durable.  STORED: it is one of those that are told.  DAMAGED: so it is, for what is left of a file may
 * still show something, and goes when its time is over; RTSP_STORE_NO_FILE when nothing is left, and the description is gone, too.
 * DELETED: forgotten.  After a negative error it may be tried again; -ENOENT: it is gone. */
int rtsp_store_settle(
	struct rtsp_store *s, enum rtsp_told_of what, const char *name, struct torap_error *err);
/* Its time is over: the file goes, unless it serves another one; `stage` says where its description lies.  The description stays until its
 * event is durable, too. */
int rtsp_store_remove(struct rtsp_store *s, enum rtsp_stage stage, const char *name, struct torap_error *err);

/* store_check.c.  For people: computes each digest anew.  Writes a line for each that is wrong, missing or described nowhere, and a last one
 * that sums up.  0: all is well; 1: not so; 2: the folder cannot be read. */
int rtsp_store_check(const char *dir);
