#include "agents/rtsp/evidence/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

enum { ROOM_FIRST = 256 };

struct keep_job {
	struct rtsp_job job;
	struct rtsp_keeper *keeper;
	char name[RTSP_ITEM_NAME_SIZE];
	enum rtsp_stage stage;
	struct rtsp_item item;
	unsigned holds; /* those by which it was judged */
	int result;
	struct torap_error err;
};

static int compare(const void *a, const void *b)
{
	const struct rtsp_kept *x = a, *y = b;
	return x->stored.us < y->stored.us ? -1 : x->stored.us > y->stored.us;
}

void rtsp_keeper_begin(struct rtsp_keeper *k, struct torap_mono now, struct torap_wall wall)
{
	struct torap_wall last = { 0 };
	if (k->count)
		qsort(k->list, k->count, sizeof *k->list, compare);
	if (k->count)
		last = k->list[k->count - 1].stored;
	torap_steady_init(&k->steady, now, wall, last);
}

void rtsp_keeper_finish(struct rtsp_keeper *k)
{
	k->closing = true;
	free(k->list);
	k->list = NULL;
	k->count = k->room = k->first = 0;
}

/* Those in front that are gone give their room back. */
static void compact(struct rtsp_keeper *k)
{
	while (k->first < k->count && !*k->list[k->first].name)
		k->first++;
	if (!k->first || k->first < k->count / 2 || k->busy)
		return;
	memmove(k->list, k->list + k->first, (k->count - k->first) * sizeof *k->list);
	k->count -= k->first;
	k->first = 0;
}

bool rtsp_keeper_add(struct rtsp_keeper *k, enum rtsp_stage stage, const char *name, struct torap_wall stored)
{
	if (k->closing)
		return false;
	compact(k);
	if (k->count == k->room) {
		uint32_t room = k->room ? 2 * k->room : ROOM_FIRST;
		struct rtsp_kept *list = reallocarray(k->list, room, sizeof *list);
		if (!list)
			return false;
		k->list = list;
		k->room = room;
	}
	/* In its place: told late, or stored while the clock was ahead, it holds up nobody. */
	uint32_t at = k->count++;
	for (; at > k->first && k->list[at - 1].stored.us > stored.us; at--)
		k->list[at] = k->list[at - 1];
	if (k->busy && at <= k->at)
		k->at++;
	k->list[at] = (struct rtsp_kept){ .stage = stage, .stored = stored };
	snprintf(k->list[at].name, sizeof k->list[at].name, "%s", name);
	return true;
}

void rtsp_keeper_look_again(struct rtsp_keeper *k)
{
	atomic_fetch_add(&k->holds_read, 1);
	for (uint32_t i = k->first; i < k->count; i++)
		k->list[i].look = (struct torap_mono){ 0 };
}

/* Looking and deleting: two jobs, for a hold is judged on the loop, where holds are read, and the description that it is judged by lies on the
 * disk.  One piece at a time: what is due can wait, pictures and clips that share the threads cannot. */

static void let_go(struct keep_job *j, struct rtsp_kept *e, int64_t again_ms)
{
	struct rtsp_keeper *k = j->keeper;
	if (again_ms)
		e->look = torap_mono_add_ms(torap_app_mono(), again_ms);
	else
		*e->name = 0;
	k->busy = false;
	free(j);
	compact(k); /* The next with the next tick, which looks at the clock first. */
}

static void run_remove(struct rtsp_job *job)
{
	struct keep_job *j = (struct keep_job *)job;
	/* Holds that came while it waited for its turn: it is looked at anew, for what is deleted does not come back. */
	j->result = atomic_load(&j->keeper->holds_read) != j->holds ? -EAGAIN : 0;
	if (!j->result)
		j->result = rtsp_store_remove(j->keeper->store, j->stage, j->name, &j->err);
}

static void on_removed(struct rtsp_job *job)
{
	struct keep_job *j = (struct keep_job *)job;
	struct rtsp_keeper *k = j->keeper;
	if (job->dropped || k->closing) {
		free(j);
		return;
	}
	struct rtsp_kept *e = &k->list[k->at];
	if (j->result == -EAGAIN) {
		let_go(j, e, 1);
		return;
	}
	if (j->result) {
		torap_fail("EVIDENCE-FOLDER", "%s", j->err.text);
		let_go(j, e, RTSP_KEEPER_AGAIN_MS);
		return;
	}
	k->deleted++;
	rtsp_teller_deleted(k->teller, j->name, "retention", torap_app_mono());
	let_go(j, e, 0);
}

static void run_look(struct rtsp_job *job)
{
	struct keep_job *j = (struct keep_job *)job;
	j->result = rtsp_store_get(j->keeper->store, j->stage, j->name, &j->item, &j->err);
}

static void on_looked(struct rtsp_job *job)
{
	struct keep_job *j = (struct keep_job *)job;
	struct rtsp_keeper *k = j->keeper;
	if (job->dropped || k->closing) {
		free(j);
		return;
	}
	struct rtsp_kept *e = &k->list[k->at];
	const struct rtsp_hold *hold =
		j->result ? NULL : rtsp_holds_find(k->holds, &j->item, torap_app_wall());
	k->held -= e->held;
	e->held = hold != NULL;
	k->held += e->held;
	/* Taken away by hand; or it lingered in `pending` and has left it: then it is listed once more, as told. */
	if (j->result == -ENOENT) {
		let_go(j, e, 0);
	} else if (j->result) {
		torap_fail("EVIDENCE-FOLDER", "%s", j->err.text);
		let_go(j, e, RTSP_KEEPER_AGAIN_MS);
	} else if (hold) {
		torap_debug("EVIDENCE-HELD", "%s: held by %s (%s)", j->name, hold->who, hold->why);
		let_go(j, e, RTSP_KEEPER_HELD_MS);
	} else {
		j->holds = atomic_load(&k->holds_read);
		j->job.run = run_remove;
		j->job.done = on_removed;
		rtsp_jobs_add(k->jobs, &j->job);
	}
}

static void look_at_next(struct rtsp_keeper *k, struct torap_mono now, struct torap_wall wall)
{
	uint32_t i = k->first;
	if (k->busy || k->closing || k->steady.waiting)
		return;
	for (; i < k->count && k->list[i].stored.us + *k->keep_us <= wall.us; i++)
		if (*k->list[i].name && torap_mono_reached(k->list[i].look, now))
			break;
	if (i == k->count || k->list[i].stored.us + *k->keep_us > wall.us)
		return;
	struct keep_job *j = calloc(1, sizeof *j);
	if (!j)
		return; /* with the next tick */
	k->at = i;
	k->busy = true;
	j->keeper = k;
	j->stage = k->list[i].stage;
	memcpy(j->name, k->list[i].name, sizeof j->name);
	j->job.run = run_look;
	j->job.done = on_looked;
	rtsp_jobs_add(k->jobs, &j->job);
}

void rtsp_keeper_tick(struct rtsp_keeper *k, struct torap_mono now, struct torap_wall wall)
{
	if (torap_steady_look(&k->steady, now, wall))
		look_at_next(k, now, wall);
}
