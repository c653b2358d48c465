/* An entry is read from the folder and compared with its digest (a job), offered to the node, and, when it is durable there, settled in the
 * folder (a job): then it goes.
 *
 * Killed before the node has it: it is read and offered again.  Killed when the node has it and the folder does not know: it is offered
 * again, and the node knows it by its repeat key, for a day.  The folder knows, and could not let it go: it is settled, and not offered. */
#include "agents/rtsp/evidence/teller.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
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
	struct torap_buffer *file; /* NULL: not read, or damaged */
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
	t->stuck -= e->durable;
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
	e->again = now;
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

/* Its time runs all the same: what waits for the node, or for its folder, is not kept for ever.  When that began must be known: what was
 * never read may be of today. */
static void say_it_lingers(struct rtsp_teller *t, struct rtsp_tell_entry *e)
{
	bool is_evidence = e->what == RTSP_TELL_STORED || e->what == RTSP_TELL_DAMAGED;
	if (e->lingers || !is_evidence || !e->stored.us || (!e->durable && e->refusals < UNWANTED))
		return;
	e->lingers = true;
	torap_warn("EVIDENCE-LINGERS", "%s: %s; it is tried on, until its time is over", e->name,
		e->durable ? "the node was told, and it cannot leave the folder `pending`"
			   : "it could not be told for an hour");
	t->on_lingers(t->hint, e->name, e->stored);
}

/* Comes again, ever later. */
static void put_off(struct rtsp_teller *t, struct torap_mono now)
{
	struct rtsp_tell_entry *e = t->current;
	unsigned doublings = e->refusals < DOUBLINGS_MAX ? e->refusals : DOUBLINGS_MAX;
	e->refusals++;
	say_it_lingers(t, e);
	e->again = torap_mono_add_ms(now, (int64_t)AGAIN_MS << doublings);
	t->current = NULL;
	if (e->what == RTSP_TELL_MISSING && e->refused.us && now.us - e->refused.us > give_up_us) {
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
	j->result = rtsp_store_settle(j->teller->store, j->what, j->name, &j->err);
}

static void on_settled(struct rtsp_job *job)
{
	struct tell_job *j = (struct tell_job *)job;
	struct rtsp_teller *t = j->teller;
	if (!t->current) {
		/* the process ends; the next one finds it marked */
	} else if (job->dropped) {
		put_off(t, torap_app_mono());
	} else if (j->result < 0 && j->result != -ENOENT) {
		torap_fail("EVIDENCE-FOLDER", "%s", j->err.text);
		put_off(t, torap_app_mono());
	} else {
		if (j->result == 0 && j->what != RTSP_TELL_DELETED)
			t->on_told(t->hint, j->name, j->stored);
		drop_current(t); /* -ENOENT: its time was over meanwhile, or it was taken away by hand */
	}
	free(j);
}

static void run_load(struct rtsp_job *job)
{
	struct tell_job *j = (struct tell_job *)job;
	if (j->what != RTSP_TELL_DELETED) {
		struct torap_error why;
		j->result = rtsp_store_load(j->teller->store, j->name, &j->item, &j->file, &j->err);
		if (j->result < 0 &&
			rtsp_store_get(j->teller->store, RTSP_STAGE_PENDING, j->name, &j->item, &why))
			j->item.stored.us = 0; /* not even its description can be read */
		return;
	}
	/* Killed between moving the description and removing the file, the file is still there: that it is gone is told only when it is. */
	j->result = rtsp_store_remove(j->teller->store, RTSP_STAGE_GONE, j->name, &j->err);
	if (!j->result)
		j->result = rtsp_store_get(j->teller->store, RTSP_STAGE_GONE, j->name, &j->item, &j->err);
}

/* What the file turned out to be decides what is told; it may be mended again before the node takes that. */
static void decide(struct rtsp_tell_entry *e, int loaded)
{
	const char *why = loaded == RTSP_STORE_NO_FILE ? "its file never came, or was taken away"
						       : "its file was altered in the folder";
	if (e->what == RTSP_TELL_DELETED)
		return;
	if (loaded && e->what != RTSP_TELL_DAMAGED)
		torap_warn("EVIDENCE-DAMAGED", "%s: %s; it is told as missing", e->name, why);
	e->what = loaded ? RTSP_TELL_DAMAGED : RTSP_TELL_STORED;
	snprintf(e->reason, sizeof e->reason, "%s", loaded ? why : "");
}

/* By what the folder says, the node has heard of it, be it from a process before this one. */
static bool is_durable(const struct rtsp_tell_entry *e, const struct rtsp_item *item)
{
	return e->what == RTSP_TELL_DELETED
		       ? item->told == RTSP_TELL_DELETED
		       : item->told == RTSP_TELL_STORED || item->told == RTSP_TELL_DAMAGED;
}

static void offer(struct rtsp_teller *t, struct kit *kit, const struct rtsp_item *item,
	struct torap_bytes picture, struct torap_mono now, struct torap_wall wall)
{
	struct rtsp_tell_entry *e = t->current;
	rtsp_telling_fill(&t->telling, e->what, item, e->reason, picture,
		e->what == RTSP_TELL_STORED ? item->stored : wall);
	t->offered = kit_offer(kit, &t->telling.o, (struct kit_tag){ 0, RTSP_TELLER_TAG }) == 0;
	if (!t->offered)
		put_off(t, now);
}

static void set_durable(struct rtsp_teller *t, struct torap_mono now);

static void on_loaded(struct rtsp_job *job)
{
	struct tell_job *j = (struct tell_job *)job;
	struct rtsp_teller *t = j->teller;
	struct rtsp_tell_entry *e = t->current;
	struct torap_mono now = torap_app_mono();
	if (!e) {
		/* the process ends */
	} else if (job->dropped) {
		put_off(t, now);
	} else if (j->result == -ENOENT) {
		drop_current(t); /* told already, or taken away by hand */
	} else if (j->result < 0) {
		torap_fail("EVIDENCE-FOLDER", "%s", j->err.text);
		e->stored = j->item.stored;
		put_off(t, now);
	} else if (is_durable(e, &j->item)) {
		e->stored = j->item.stored;
		e->what = j->item.told;
		set_durable(t, now);
	} else {
		bool picture = j->file && j->item.media == RTSP_SNAPSHOT;
		e->stored = j->item.stored;
		decide(e, j->result);
		offer(t, j->kit, &j->item, picture ? torap_buffer_bytes(j->file) : torap_bytes(NULL, 0), now,
			torap_app_wall());
	}
	torap_buffer_unref(j->file);
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

/* Nothing is offered any more, whatever the folder does; and who asked for it has it. */
static void set_durable(struct rtsp_teller *t, struct torap_mono now)
{
	t->current->durable = true;
	t->current->refusals = 0;
	t->stuck++;
	rtsp_occasion_finish(&t->current->occasion, t->requests);
	add_job(t, run_settle, on_settled, NULL, now);
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
	if (e->durable)
		add_job(t, run_settle, on_settled, NULL, now);
	else if (e->item)
		offer(t, kit, e->item, torap_bytes(NULL, 0), now, wall);
	else
		add_job(t, run_load, on_loaded, kit, now);
}

void rtsp_teller_verdict(struct rtsp_teller *t, enum kit_verdict verdict, struct torap_mono now)
{
	if (!t->current || !t->offered)
		return;
	t->offered = false;
	if (!kit_taken(verdict)) {
		t->refused++;
		if (verdict == KIT_LATER)
			t->current->refused = (struct torap_mono){ 0 };
		else if (!t->current->refused.us)
			t->current->refused = now;
		put_off(t, now);
		return;
	}
	t->told[t->current->what]++;
	if (t->current->item)
		drop_current(t);
	else
		set_durable(t, now);
}
