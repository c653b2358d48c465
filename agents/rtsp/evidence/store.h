/* store.h: the evidence folder.  Blocks: for a thread that may; any of them, one at a time within.
 *
 *     DIR/aa/bb….jpg                 the file by its BLAKE2b-256 digest
 *     DIR/aa/bb….ID.json             what it is (item.h); one for each camera and alarm that it serves
 *     DIR/pending/aabb….ID.json      the same, until the node has said that its event is durable
 *     DIR/pending/aabb….ID.gone.json its time is over, and the node has not been told yet
 *
 * Stored is: described in `pending`, then the file put in its place, both flushed.  Killed in between, the description finds no file,
 * and goes at the next start; killed later, the event is told at the next start.  So nothing lies in the folder of which no event
 * speaks, and no event speaks of what was not there. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/evidence/item.h"

struct torap_error;

struct rtsp_store {
	char *dir; /* owned */
	int lock_fd;
	pthread_mutex_t lock;
	_Atomic uint64_t bytes, files; /* media that lie there */
};

enum rtsp_stage { RTSP_STAGE_PENDING, RTSP_STAGE_TOLD, RTSP_STAGE_GONE };

/* Makes the folder when it is not there, and clears away what a crash has left half done.  -EBUSY: another process has it. */
int rtsp_store_open(struct rtsp_store *s, const char *dir, struct torap_error *err);
void rtsp_store_close(struct rtsp_store *s);

/* Shows each description; the names are those of rtsp_item_name().  A file that cannot be read is counted in *strange and left alone. */
int rtsp_store_walk(struct rtsp_store *s, uint64_t *strange, void *hint,
	void (*show)(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item),
	struct torap_error *err);

/* Fills the item's digest and size.  0, or a negative error: -ENOSPC, -EDQUOT, -EIO…; nothing of it is there then. */
int rtsp_store_put(
	struct rtsp_store *s, struct rtsp_item *item, struct torap_bytes file, struct torap_error *err);
/* Its description, and its file if `file` is given (free with torap_writer_finish()).  -ENOENT: it is gone. */
int rtsp_store_get(struct rtsp_store *s, enum rtsp_stage stage, const char *name, struct rtsp_item *item,
	struct torap_writer *file, struct torap_error *err);
/* Its event is durable. */
int rtsp_store_told(struct rtsp_store *s, const char *name, struct torap_error *err);
/* Its time is over: the file goes, unless it serves another one; `stage` says where its description lies.  The description stays until its
 * event is durable, too: rtsp_store_forget(). */
int rtsp_store_remove(struct rtsp_store *s, enum rtsp_stage stage, const char *name, struct torap_error *err);
int rtsp_store_forget(struct rtsp_store *s, const char *name, struct torap_error *err);

/* For people: computes each digest anew.  Writes a line for each that is wrong, missing or described nowhere, and a last one that sums up.
 * 0: all is well; 1: not so; 2: the folder cannot be read. */
int rtsp_store_check(const char *dir);
