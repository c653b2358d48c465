/* A wish waits for its camera's next keyframe, or for what its track has; then a job makes a picture of it. */
#include "agents/rtsp/evidence/evidence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/evidence/clip.h"
#include "agents/rtsp/evidence/evidence_inside.h"
#include "agents/rtsp/evidence/snapshot.h"
#include "agents/rtsp/frame.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

enum { ATTEMPTS_MAX = 5 };

struct rtsp_wish {
	struct rtsp_wish *next;
	uint64_t camera; /* number */
	struct rtsp_occasion occasion;
	struct rtsp_occasion
		later; /* alarms that came while it was working: what is made does not name them */
	struct torap_mono begun, again;
	unsigned attempts;
	bool working; /* a keyframe is being made a picture */
};

/* Wishes. */

/* The camera's next keyframe, or its turn now; it has that anyway when it is looked at by its smaller stream (watch.c). */
static void press(struct rtsp_evidence *e, struct rtsp_camera *c, struct torap_mono now)
{
	if (c->stream && !c->sub)
		rtsp_stream_want(c->stream, true);
	else if (!c->stream && torap_mono_reached(c->wish->again, now))
		rtsp_schedule_hurry(&e->agent->schedule, rtsp_camera_slot(c), now);
}

static void free_wish(struct rtsp_evidence *e, struct rtsp_camera *c, struct rtsp_wish *w)
{
	struct rtsp_wish **at = &e->wishes;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	e->wishes_count--;
	if (c)
		c->wish = NULL;
	rtsp_occasion_finish(&w->occasion, &e->requests);
	rtsp_occasion_finish(&w->later, &e->requests);
	free(w);
}

/* Those that came too late to be named get a picture of their own. */
static void end_wish(struct rtsp_evidence *e, struct rtsp_camera *c, struct rtsp_wish *w)
{
	struct torap_mono now = torap_app_mono();
	if (!w->later.alarms_count) {
		free_wish(e, c, w);
		return;
	}
	rtsp_occasion_finish(&w->occasion, &e->requests);
	w->occasion = w->later;
	w->later = (struct rtsp_occasion){ 0 };
	w->begun = w->again = now;
	w->attempts = 0;
	press(e, c, now);
}

/* Tells that there is no picture. */
static void fail_wish(struct rtsp_evidence *e, struct rtsp_camera *c, struct rtsp_wish *w, const char *reason)
{
	struct rtsp_item item = rtsp_evidence_item(c, RTSP_SNAPSHOT, &w->occasion);
	rtsp_teller_missing(&e->teller, &item, reason, &w->occasion, torap_app_mono());
	end_wish(e, c, w);
}

/* Pictures. */

struct picture_job {
	struct rtsp_job job;
	struct rtsp_evidence *evidence;
	uint64_t camera;
	struct rtsp_item item;
	enum rtsp_codec codec;
	uint8_t *data; /* owned */
	size_t size, most;
	struct rtsp_reel *
		reel; /* owned; then `data` is made of its newest keyframe, unless that is older than `oldest` */
	struct torap_wall oldest;
	uint64_t quota;
	bool decoded;
	int result;
	struct torap_error err;
};

static bool find_newest(struct picture_job *p)
{
	struct torap_writer key = { 0 };
	bool good =
		rtsp_clip_newest(&key, &p->item, &p->reel->footage) == 0 && p->item.from.us >= p->oldest.us;
	p->data = key.data;
	p->size = key.size;
	return good;
}

static void run_picture(struct rtsp_job *job)
{
	struct picture_job *p = (struct picture_job *)job;
	struct torap_writer jpeg = { 0 };
	p->decoded = (!p->reel || find_newest(p)) && rtsp_snapshot(&jpeg, &p->item.width, &p->item.height,
							     p->codec, p->data, p->size, p->most);
	if (p->decoded)
		p->result = rtsp_store_put(
			&p->evidence->store, &p->item, torap_bytes(jpeg.data, jpeg.size), p->quota, &p->err);
	torap_writer_finish(&jpeg);
}

static void conclude(struct rtsp_evidence *e, struct rtsp_camera *c, struct picture_job *p)
{
	struct rtsp_wish *w = c->wish;
	struct torap_mono now = torap_app_mono();
	char name[RTSP_ITEM_NAME_SIZE];
	w->working = false;
	if (!p->decoded && p->reel) { /* nothing was kept: the next that comes, then */
		press(e, c, now);
	} else if (!p->decoded) {
		w->again = now;
		if (++w->attempts == ATTEMPTS_MAX)
			fail_wish(e, c, w, "what it sends cannot be decoded");
	} else if (p->result) {
		fail_wish(e, c, w, rtsp_evidence_not_stored(e, p->result, &p->err));
	} else {
		e->pictures++;
		rtsp_teller_stored(&e->teller, rtsp_item_name(&p->item, name), &w->occasion, now);
		end_wish(e, c, w);
	}
}

static void on_picture(struct rtsp_job *job)
{
	struct picture_job *p = (struct picture_job *)job;
	struct rtsp_evidence *e = p->evidence;
	struct rtsp_camera *c = rtsp_cameras_find(&e->agent->cameras, p->camera);
	if (!p->reel)
		e->bytes -= p->size;
	if (!job->dropped && !e->closing && c && c->wish)
		conclude(e, c, p);
	rtsp_reel_destroy(p->reel);
	free(p->data);
	free(p);
}

static struct picture_job *make_picture(struct rtsp_evidence *e, const struct rtsp_keyframe *k)
{
	struct picture_job *p = calloc(1, sizeof *p);
	uint8_t *data = p ? malloc(k->data.size + RTSP_FRAME_PADDING) : NULL;
	if (!data) {
		free(p);
		return NULL;
	}
	memcpy(data, k->data.data, k->data.size);
	p->evidence = e;
	p->data = data;
	p->size = k->data.size;
	p->codec = k->shot.codec;
	return p;
}

static void begin_picture(
	struct rtsp_evidence *e, struct rtsp_camera *c, struct picture_job *p, struct torap_wall taken)
{
	c->wish->working = true;
	p->camera = c->number;
	p->item = rtsp_evidence_item(c, RTSP_SNAPSHOT, &c->wish->occasion);
	p->item.from = p->item.until = taken;
	p->item.stored = torap_app_wall();
	p->most = rtsp_evidence_config_of(e)->snapshot_max;
	p->quota = rtsp_evidence_config_of(e)->quota;
	p->job.run = run_picture;
	p->job.done = on_picture;
	rtsp_jobs_add(&e->jobs, &p->job);
}

void rtsp_evidence_keyframe(
	struct rtsp_evidence *e, struct rtsp_camera *c, const struct rtsp_keyframe *keyframe)
{
	struct rtsp_wish *w = c->wish;
	if (e->closing || w->working || e->bytes + keyframe->data.size > RTSP_WISH_BYTES_MAX)
		return; /* the next one, then */
	struct picture_job *p = make_picture(e, keyframe);
	if (!p)
		return;
	e->bytes += p->size;
	begin_picture(e, c, p, keyframe->shot.arrived_wall);
}

/* What a held camera sent last, if its track has it. */
static void look_back(struct rtsp_evidence *e, struct rtsp_camera *c)
{
	struct rtsp_reel *reel = rtsp_track_look(c->track);
	struct picture_job *p = reel ? calloc(1, sizeof *p) : NULL;
	struct torap_wall now = torap_app_wall();
	if (!p) {
		rtsp_reel_destroy(reel);
		press(e, c, torap_app_mono());
		return;
	}
	p->evidence = e;
	p->reel = reel;
	p->codec = reel->footage.codec;
	p->oldest.us = now.us - rtsp_evidence_config_of(e)->before_us;
	begin_picture(e, c, p, now);
}

void rtsp_wish_for(struct rtsp_evidence *e, struct rtsp_camera *c, const struct rtsp_alarm *alarm,
	uint32_t alarms, uint64_t request, struct torap_mono now)
{
	struct rtsp_wish *w = c->wish;
	if (!w) {
		w = e->wishes_count < RTSP_WISHES_MAX ? calloc(1, sizeof *w) : NULL;
		if (!w) {
			struct rtsp_occasion o = { 0 };
			rtsp_occasion_add(&o, alarm, alarms, request, &e->requests);
			struct rtsp_item item = rtsp_evidence_item(c, RTSP_SNAPSHOT, &o);
			rtsp_teller_missing(&e->teller, &item, "too many at once", &o, now);
			return;
		}
		w->camera = c->number;
		w->begun = w->again = now;
		w->next = e->wishes;
		e->wishes = w;
		e->wishes_count++;
		c->wish = w;
	}
	rtsp_occasion_add(w->working ? &w->later : &w->occasion, alarm, alarms, request, &e->requests);
	if (w->working)
		return;
	if (c->term.us && torap_app_wall().us >= c->term.us)
		fail_wish(e, c, w, "its term is over");
	else if (c->track)
		look_back(e, c);
	else
		press(e, c, now);
}

void rtsp_evidence_concluded(struct rtsp_evidence *e, struct rtsp_camera *c, bool failed)
{
	struct rtsp_wish *w = c->wish;
	struct torap_mono now = torap_app_mono();
	if (w->working)
		return;
	w->again = failed ? torap_mono_add_ms(now, RTSP_WISH_AGAIN_MS) : now;
	if (failed && ++w->attempts == ATTEMPTS_MAX)
		fail_wish(e, c, w, rtsp_outcome_name(c->outcome));
}

void rtsp_wishes_tick(struct rtsp_evidence *e, struct torap_mono now)
{
	for (struct rtsp_wish *w = e->wishes, *next; w; w = next) {
		struct rtsp_camera *c = rtsp_cameras_find(&e->agent->cameras, w->camera);
		next = w->next;
		if (!c)
			free_wish(e, NULL, w);
		else if (w->working)
			continue;
		else if (now.us - w->begun.us > RTSP_WISH_MS * (int64_t)TORAP_US_PER_MS)
			fail_wish(e, c, w,
				c->tried && c->outcome != RTSP_OUTCOME_PICTURE ? rtsp_outcome_name(c->outcome)
									       : "no keyframe came in time");
		else
			press(e, c, now);
	}
}

void rtsp_wish_give_up(struct rtsp_evidence *e, struct rtsp_camera *c, const char *reason)
{
	while (c->wish) /* twice, if there are alarms that came later */
		fail_wish(e, c, c->wish, reason);
}

void rtsp_wishes_finish(struct rtsp_evidence *e)
{
	while (e->wishes)
		free_wish(e, rtsp_cameras_find(&e->agent->cameras, e->wishes->camera), e->wishes);
}
