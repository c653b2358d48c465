/* keeper.h: whose time is over?  Looks at each piece of evidence when its retention ends: what a hold holds stays and is looked at again,
 * the rest is deleted, and the node told.  Nothing is deleted while the wall clock cannot be believed (base/steady.h), nor before its
 * event is durable, unless the node refused that event so often that it will never be: of a camera whose owner withdrew his consent.  So
 * that nothing escapes its end, what is told and cannot leave `pending` is deleted there. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/evidence/holds.h"
#include "agents/rtsp/evidence/jobs.h"
#include "agents/rtsp/evidence/store.h"
#include "agents/rtsp/evidence/teller.h"
#include "base/steady.h"

enum { RTSP_KEEPER_HELD_MS = 10 * 60 * 1000, RTSP_KEEPER_AGAIN_MS = 60 * 1000 };

struct rtsp_kept {
	char name[RTSP_ITEM_NAME_SIZE]; /* in the store; "": gone */
	enum rtsp_stage stage;          /* TOLD; PENDING: it lingers there (teller.h) */
	struct torap_wall stored;
	struct torap_mono look; /* not before */
	bool held;              /* when it was last looked at */
};

struct rtsp_keeper { /* zeros but for what is borrowed */
	struct rtsp_jobs *jobs;
	struct rtsp_store *store;
	struct rtsp_teller *teller;
	const struct rtsp_holds *holds; /* where it lies; may be replaced between calls */
	const int64_t *keep_us;
	/* private */
	struct rtsp_kept *list;      /* owned; by `stored` */
	uint32_t first, count, room; /* count: up to the end of the list */
	uint32_t at;                 /* being looked at */
	bool busy, closing;
	atomic_uint holds_read; /* how often */
	struct torap_steady steady;
	uint64_t deleted, held;
};

/* After the last of those that were found at the start. */
void rtsp_keeper_begin(struct rtsp_keeper *k, struct torap_mono now, struct torap_wall wall);
void rtsp_keeper_finish(struct rtsp_keeper *k);
/* False: memory ran out; it is found at the next start. */
bool rtsp_keeper_add(
	struct rtsp_keeper *k, enum rtsp_stage stage, const char *name, struct torap_wall stored);
/* The holds or the time have changed: all are looked at anew. */
void rtsp_keeper_look_again(struct rtsp_keeper *k);
void rtsp_keeper_tick(struct rtsp_keeper *k, struct torap_mono now, struct torap_wall wall);
