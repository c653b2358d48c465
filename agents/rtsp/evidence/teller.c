/* An entry is read from the folder (a job), offered to the node, and, when it is durable there, settled in the folder (a job): then it
 * goes. */
#include "agents/rtsp/evidence/teller.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

enum { AGAIN_MS = 1000, DOUBLINGS_MAX = 8, UNWANTED = 20 /* refusals: within an hour */ };
static const int64_t give_up_us = 86400 * (int64_t)TORAP_US_PER_S;

struct tell_job {
	struct rtsp_job job;
	struct rtsp_teller *teller;
	struct kit *kit;
	enum rtsp_told_of what;
	char name[RTSP_ITEM_NAME_SIZE];
	struct rtsp_item item;
	struct torap_writer file;
	struct torap_wall stored;
	int result;
	struct torap_error err;
};

void rtsp_teller_init(struct rtsp_teller *t)
{
	t->last = &t->first;
}

static void drop(struct rtsp_teller *t, struct rtsp_tell_entry *e)
{
	rtsp_occasion_finish(&e->occasion, t->requests);
	free(e->item);
	free(e);
	t->count--;
}

static void drop_current(struct rtsp_teller *t)
{
	drop(t, t->current);
	t->current = NULL;
}

void rtsp_teller_finish(struct rtsp_teller *t)
{
	while (t->first) {
		struct rtsp_tell_entry *e = t->first;
		t->first = e->next;
		drop(t, e);
	}
	if (t->current)
		drop_current(t);
}

static void push(struct rtsp_teller *t, struct rtsp_tell_entry *e)
{
	e->next = NULL;
	*t->last = e;
	t->last = &e->next;
}

static struct rtsp_tell_entry *add(struct rtsp_teller *t, enum rtsp_told_of what, const char *name,
	const char *reason, struct torap_mono now)
{
	struct rtsp_tell_entry *e = t->count < RTSP_TELLS_MAX ? calloc(1, sizeof *e) : NULL;
	if (!e) {
		t->lost++;
		return NULL;
	}
	e->what = what;
	e->since = e->again = now;
	snprintf(e->name, sizeof e->name, "%s", name);
	snprintf(e->reason, sizeof e->reason, "%s", reason);
	push(t, e);
	t->count++;
	return e;
}

/* With no entry it is told after the next start: it lies in `pending`. */
static void take_occasion(struct rtsp_teller *t, struct rtsp_tell_entry *e, struct rtsp_occasion *take)
{
	if (e)
		e->occasion = *take;
	else
		rtsp_occasion_finish(take, t->requests);
	*take = (struct rtsp_occasion){ 0 };
}

void rtsp_teller_stored(
	struct rtsp_teller *t, const char *name, struct rtsp_occasion *take, struct torap_mono now)
{
	take_occasion(t, add(t, RTSP_TELL_STORED, name, "", now), take);
}

void rtsp_teller_missing(struct rtsp_teller *t, const struct rtsp_item *item, const char *reason,
	struct rtsp_occasion *take, struct torap_mono now)
{
	struct rtsp_item *copy = malloc(sizeof *copy);
	struct rtsp_tell_entry *e = copy ? add(t, RTSP_TELL_MISSING, "", reason, now) : NULL;
	torap_warn("EVIDENCE-MISSING", "camera %s: no %s of an alarm of its site: %s", item->camera,
		item->media == RTSP_CLIP ? "clip" : "picture", reason);
	if (e) {
		*copy = *item;
		e->item = copy;
	} else {
		free(copy);
	}
	take_occasion(t, e, take);
}

void rtsp_teller_deleted(struct rtsp_teller *t, const char *name, const char *reason, struct torap_mono now)
{
	(void)add(t, RTSP_TELL_DELETED, name, reason, now);
}

/* Comes again, ever later. */
static void put_off(struct rtsp_teller *t, struct torap_mono now)
{
	struct rtsp_tell_entry *e = t->current;
	unsigned doublings = e->refusals < DOUBLINGS_MAX ? e->refusals : DOUBLINGS_MAX;
	if (++e->refusals == UNWANTED && e->what == RTSP_TELL_STORED)
		t->on_unwanted(t->hint, e->name, e->stored);
	e->again = torap_mono_add_ms(now, (int64_t)AGAIN_MS << doublings);
	t->current = NULL;
	if (e->what == RTSP_TELL_MISSING && now.us - e->since.us > give_up_us) {
		t->lost++;
		drop(t, e);
	} else {
		push(t, e);
	}
}

/* Jobs. */

static void run_settle(struct rtsp_job *job)
{
	struct tell_job *j = (struct tell_job *)job;
	j->result = j->what == RTSP_TELL_STORED ? rtsp_store_told(j->teller->store, j->name, &j->err)
						: rtsp_store_forget(j->teller->store, j->name, &j->err);
}

static void on_settled(struct rtsp_job *job)
{
	struct tell_job *j = (struct tell_job *)job;
	struct rtsp_teller *t = j->teller;
	if (!job->dropped) {
		if (j->result) /* it is told once more after the next start, and known as a repeat */
			torap_fail("EVIDENCE-FOLDER", "%s", j->err.text);
		if (j->what == RTSP_TELL_STORED)
			t->on_told(t->hint, j->name, j->stored);
	}
	if (t->current)
		drop_current(t);
	free(j);
}

static void run_load(struct rtsp_job *job)
{
	struct tell_job *j = (struct tell_job *)job;
	bool stored = j->what == RTSP_TELL_STORED;
	if (!stored) { /* of a crash in between there may be something left */
		j->result = rtsp_store_remove(j->teller->store, RTSP_STAGE_GONE, j->name, &j->err);
		if (j->result)
			return;
	}
	j->result = rtsp_store_get(j->teller->store, stored ? RTSP_STAGE_PENDING : RTSP_STAGE_GONE, j->name,
		&j->item, NULL, &j->err);
	if (j->result == 0 && stored && j->item.media == RTSP_SNAPSHOT)
		j->result = rtsp_store_get(
			j->teller->store, RTSP_STAGE_PENDING, j->name, &j->item, &j->file, &j->err);
}

static void offer(struct rtsp_teller *t, struct kit *kit, const struct rtsp_item *item,
	struct torap_bytes picture, struct torap_mono now, struct torap_wall wall)
{
	struct rtsp_tell_entry *e = t->current;
	e->stored = item->stored;
	rtsp_telling_fill(&t->telling, e->what, item, e->reason, picture,
		e->what == RTSP_TELL_STORED && item->stored.us ? item->stored : wall);
	t->offered = kit_offer(kit, &t->telling.o, (struct kit_tag){ 0, RTSP_TELLER_TAG }) == 0;
	if (!t->offered)
		put_off(t, now);
}

static void on_loaded(struct rtsp_job *job)
{
	struct tell_job *j = (struct tell_job *)job;
	struct rtsp_teller *t = j->teller;
	struct torap_mono now = torap_app_mono();
	if (job->dropped || !t->current) {
		/* the process ends */
	} else if (j->result == -ENOENT) {
		drop_current(t); /* told already, or taken away by hand */
	} else if (j->result) {
		torap_fail("EVIDENCE-FOLDER", "%s", j->err.text);
		put_off(t, now);
	} else {
		offer(t, j->kit, &j->item, torap_bytes(j->file.data, j->file.size), now, torap_app_wall());
	}
	torap_writer_finish(&j->file);
	free(j);
}

static void add_job(struct rtsp_teller *t, void (*run)(struct rtsp_job *job),
	void (*done)(struct rtsp_job *job), struct kit *kit, struct torap_mono now)
{
	struct tell_job *j = calloc(1, sizeof *j);
	if (!j) {
		put_off(t, now);
		return;
	}
	j->kit = kit;
	j->job.run = run;
	j->job.done = done;
	j->teller = t;
	j->what = t->current->what;
	j->stored = t->current->stored;
	snprintf(j->name, sizeof j->name, "%s", t->current->name);
	rtsp_jobs_add(t->jobs, &j->job);
}

void rtsp_teller_step(struct rtsp_teller *t, struct kit *kit, struct torap_mono now, struct torap_wall wall)
{
	if (t->current || !kit_room(kit))
		return;
	struct rtsp_tell_entry **at = &t->first;
	while (*at && !torap_mono_reached((*at)->again, now))
		at = &(*at)->next;
	struct rtsp_tell_entry *e = *at;
	if (!e)
		return;
	*at = e->next;
	if (!e->next)
		t->last = at;
	t->current = e;
	if (e->item)
		offer(t, kit, e->item, torap_bytes(NULL, 0), now, wall);
	else
		add_job(t, run_load, on_loaded, kit, now);
}

void rtsp_teller_verdict(struct rtsp_teller *t, bool taken, struct torap_mono now)
{
	if (!t->current || !t->offered)
		return;
	t->offered = false;
	if (!taken) {
		t->refused++;
		put_off(t, now);
		return;
	}
	t->told[t->current->what]++;
	if (t->current->item)
		drop_current(t);
	else
		add_job(t, run_settle, on_settled, NULL, now);
}
