/* evidence_inside.h: what the parts of evidence know of each other: wishes.c (pictures), recordings.c (clips), evidence.c (the rest). */
#pragma once

#include "agents/rtsp/agent.h"
#include "agents/rtsp/evidence/evidence.h"
#include "agents/rtsp/evidence/jobs.h"
#include "agents/rtsp/evidence/keeper.h"
#include "agents/rtsp/evidence/store.h"
#include "agents/rtsp/evidence/teller.h"
#include "agents/rtsp/evidence/track.h"

struct rtsp_wish; /* wishes.c */

enum rtsp_refusal { RTSP_REFUSAL_QUOTA, RTSP_REFUSAL_DISK, RTSP_REFUSAL_FOLDER, RTSP_REFUSALS };

struct rtsp_evidence {
	struct rtsp_agent *agent;
	struct rtsp_jobs jobs;
	struct rtsp_store store;
	struct rtsp_requests requests;
	struct rtsp_teller teller;
	struct rtsp_keeper keeper;
	bool closing;
	uint64_t unknown; /* cameras that were asked for and are none of ours */
	uint64_t refusals[RTSP_REFUSALS];

	struct rtsp_wish *wishes;
	uint32_t wishes_count;
	size_t bytes; /* of keyframes with jobs */
	uint64_t pictures;

	struct rtsp_budget budget;
	uint32_t tracks;
	uint64_t recordings[RTSP_RECORDINGS_MAX]; /* cameras by number */
	uint32_t recordings_count;
	uint64_t clips;
};

static inline const struct rtsp_evidence_config *rtsp_evidence_config_of(const struct rtsp_evidence *e)
{
	return &e->agent->config.evidence;
}
/* One of this camera for this occasion; digest, size and times are still to be filled. */
struct rtsp_item rtsp_evidence_item(
	const struct rtsp_camera *c, enum rtsp_media media, const struct rtsp_occasion *occasion);
/* Counts and logs an answer of rtsp_store_put() that is not 0.  Returns the reason, for the event. */
const char *rtsp_evidence_not_stored(struct rtsp_evidence *e, int result, const struct torap_error *err);

/* A picture of the camera is wanted; shared with who wants one already. */
void rtsp_wish_for(struct rtsp_evidence *e, struct rtsp_camera *c, const struct rtsp_alarm *alarm,
	uint32_t alarms, uint64_t request, struct torap_mono now);
void rtsp_wishes_tick(struct rtsp_evidence *e, struct torap_mono now);
/* There will be no picture: that is told, for each alarm that it was for. */
void rtsp_wish_give_up(struct rtsp_evidence *e, struct rtsp_camera *c, const char *reason);
void rtsp_wishes_finish(struct rtsp_evidence *e);

/* A clip of the camera is wanted; one that is being recorded goes on for it. */
void rtsp_record(struct rtsp_evidence *e, struct rtsp_camera *c, const struct rtsp_alarm *alarm,
	uint32_t alarms, uint64_t request, struct torap_mono now);
void rtsp_recordings_tick(struct rtsp_evidence *e, struct torap_mono now);
void rtsp_record_forget(struct rtsp_evidence *e, struct rtsp_camera *c);
/* The same; and if a clip is under way, that there will be none is told. */
void rtsp_record_give_up(struct rtsp_evidence *e, struct rtsp_camera *c, const char *reason);
