/* Each held camera has a track (track.h), from its first packet on; a recording is that of a track, until its end has come.  Then a job makes a
 * clip of it. */
#include "agents/rtsp/evidence/evidence.h"

#include <errno.h>
#include <stdlib.h>

#include "agents/rtsp/evidence/clip.h"
#include "agents/rtsp/evidence/evidence_inside.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

static struct rtsp_track *track_of(struct rtsp_evidence *e, struct rtsp_camera *c)
{
	if (!c->track && (c->track = rtsp_track_create(&e->budget)))
		e->tracks++;
	return c->track;
}

void rtsp_record_forget(struct rtsp_evidence *e, struct rtsp_camera *c)
{
	if (!c->track)
		return;
	rtsp_occasion_finish(&c->track->occasion, &e->requests);
	c->track = rtsp_track_destroy(c->track);
	e->tracks--;
}

/* Half of the memory is for what may be needed, half for what is being recorded. */
static size_t share_of(const struct rtsp_evidence *e)
{
	size_t share = e->budget.most / 2 / (e->tracks ? e->tracks : 1);
	return share < 2 * RTSP_CHUNK_SIZE ? 2 * RTSP_CHUNK_SIZE : share;
}

void rtsp_evidence_packet(struct rtsp_evidence *e, struct rtsp_camera *c, const struct rtsp_video *video,
	const struct rtsp_rtp *packet)
{
	if (!e->closing && track_of(e, c))
		rtsp_track_packet(c->track, c->sessions, video, packet, share_of(e),
			rtsp_evidence_config_of(e)->before_us, torap_app_mono(), torap_app_wall());
}

static void no_clip(
	struct rtsp_evidence *e, struct rtsp_camera *c, struct rtsp_occasion *take, const char *reason)
{
	struct rtsp_item item = rtsp_evidence_item(c, RTSP_CLIP, take);
	rtsp_teller_missing(&e->teller, &item, reason, take, torap_app_mono());
}

void rtsp_record_give_up(struct rtsp_evidence *e, struct rtsp_camera *c, const char *reason)
{
	if (c->track && c->track->recording)
		no_clip(e, c, &c->track->occasion, reason);
	rtsp_record_forget(e, c);
}

void rtsp_record(struct rtsp_evidence *e, struct rtsp_camera *c, const struct rtsp_alarm *alarm,
	uint32_t alarms, uint64_t request, struct torap_mono now)
{
	struct torap_wall wall = torap_app_wall(), at = alarm->at.us < wall.us ? alarm->at : wall;
	struct torap_wall from = { at.us - rtsp_evidence_config_of(e)->before_us },
			  until = { at.us + rtsp_evidence_config_of(e)->after_us };
	struct torap_mono end = { now.us + (until.us > wall.us ? until.us - wall.us : 0) };
	struct rtsp_track *t = track_of(e, c);
	bool fresh = t && !t->recording;
	struct rtsp_occasion o = { 0 };
	bool good = t && (!fresh || e->recordings_count < RTSP_RECORDINGS_MAX) &&
		    rtsp_track_record(t, from, until, end);
	rtsp_occasion_add(good ? &t->occasion : &o, alarm, alarms, request, &e->requests);
	if (!good)
		no_clip(e, c, &o, "too many at once");
	else if (fresh)
		e->recordings[e->recordings_count++] = c->number;
}

struct clip_job {
	struct rtsp_job job;
	struct rtsp_evidence *evidence;
	uint64_t camera;
	struct rtsp_item item;
	struct rtsp_occasion occasion;
	struct rtsp_reel *reel; /* owned */
	uint64_t quota;
	int answer, result;
	struct torap_error err;
};

static void run_clip(struct rtsp_job *job)
{
	struct clip_job *j = (struct clip_job *)job;
	struct torap_writer mp4 = { 0 };
	j->answer = rtsp_clip(&mp4, &j->item, &j->reel->footage);
	if (!j->answer)
		j->result = rtsp_store_put(
			&j->evidence->store, &j->item, torap_bytes(mp4.data, mp4.size), j->quota, &j->err);
	torap_writer_finish(&mp4);
}

static const char *clip_reason(const struct clip_job *j)
{
	switch (j->answer) {
	case RTSP_CLIP_EMPTY:
		return j->reel->footage.ended == RTSP_GAP_NOT_HELD ? "it is not held any more"
								   : "no keyframe came in that time";
	case RTSP_CLIP_UNDECODABLE:
		return "what it sends cannot be decoded";
	case RTSP_CLIP_UNKNOWN:
		return "what it sends cannot be put into a file";
	default:
		return "no memory";
	}
}

static void on_clip(struct rtsp_job *job)
{
	struct clip_job *j = (struct clip_job *)job;
	struct rtsp_evidence *e = j->evidence;
	char name[RTSP_ITEM_NAME_SIZE];
	if (job->dropped || e->closing) {
		rtsp_occasion_finish(&j->occasion, &e->requests);
	} else if (j->answer || j->result) {
		const char *why =
			j->answer ? clip_reason(j) : rtsp_evidence_not_stored(e, j->result, &j->err);
		rtsp_teller_missing(&e->teller, &j->item, why, &j->occasion, torap_app_mono());
	} else {
		e->clips++;
		rtsp_teller_stored(
			&e->teller, rtsp_item_name(&j->item, name), &j->occasion, torap_app_mono());
	}
	rtsp_reel_destroy(j->reel);
	free(j);
}

static void cut(struct rtsp_evidence *e, struct rtsp_camera *c)
{
	struct rtsp_track *t = c->track;
	struct clip_job *j = calloc(1, sizeof *j);
	struct rtsp_reel *reel = rtsp_track_cut(t);
	struct rtsp_occasion o = t->occasion;
	t->occasion = (struct rtsp_occasion){ 0 };
	if (!j || !reel) {
		free(j);
		rtsp_reel_destroy(reel);
		no_clip(e, c, &o, "no memory");
		return;
	}
	j->evidence = e;
	j->camera = c->number;
	j->item = rtsp_evidence_item(c, RTSP_CLIP, &o);
	j->item.from = t->from;
	j->item.until = t->until;
	j->item.stored = torap_app_wall();
	j->occasion = o;
	j->reel = reel;
	/* Pictures before clips: the last tenth is for them alone. */
	j->quota = rtsp_evidence_config_of(e)->quota - rtsp_evidence_config_of(e)->quota / 10;
	j->job.run = run_clip;
	j->job.done = on_clip;
	rtsp_jobs_add(&e->jobs, &j->job);
}

void rtsp_recordings_tick(struct rtsp_evidence *e, struct torap_mono now)
{
	for (uint32_t i = 0; i < e->recordings_count;) {
		struct rtsp_camera *c = rtsp_cameras_find(&e->agent->cameras, e->recordings[i]);
		bool recording = c && c->track && c->track->recording;
		if (recording && !c->held) /* nothing comes any more that a clip could be made of */
			rtsp_track_end(c->track, RTSP_GAP_NOT_HELD);
		if (recording && !rtsp_track_due(c->track, now)) {
			i++;
			continue;
		}
		e->recordings[i] = e->recordings[--e->recordings_count];
		if (recording)
			cut(e, c);
		if (c && !c->held)
			rtsp_record_forget(e, c); /* its share of the memory is for those that are held */
	}
}
