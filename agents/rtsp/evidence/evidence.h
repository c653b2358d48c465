/* evidence.h: pictures for alarms: what the node asks for becomes files in the evidence folder and observations that name them.
 *
 *     request → a wish for each camera → keyframe (of its session, or of one out of turn) → JPEG → folder → event with the picture
 *             → a recording of each held one: what its track kept, and what comes → MP4 → folder → event
 *
 * A camera has one wish at a time: whoever asks meanwhile shares what comes of it. */
#pragma once

#include <stdbool.h>

#include "agents/kit/kit.h"
#include "agents/rtsp/cameras.h"
#include "agents/rtsp/evidence/evidence_config.h"
#include "agents/rtsp/sight/fault.h"
#include "agents/rtsp/talk/session.h"

struct rtsp_agent;
struct rtsp_evidence;
struct torap_error;
struct torap_writer;

enum {
	RTSP_WISHES_MAX = 4096,
	RTSP_WISH_MS = 60 * 1000,       /* so long a camera is tried */
	RTSP_WISH_BYTES_MAX = 32 << 20, /* of keyframes that wait to become pictures */
	RTSP_RECORDINGS_MAX = 1024,
	RTSP_WISH_AGAIN_MS = 2000, /* after a failure */
};

/* The agent's configuration has `evidence`.  Opens the folder, and what lies there untold. */
int rtsp_evidence_open(struct rtsp_evidence **out, struct rtsp_agent *agent, struct torap_error *err);
/* Nothing more is begun.  Accepts NULL. */
void rtsp_evidence_close(struct rtsp_evidence *e);
/* After the loop has ended.  Accepts NULL, returns NULL. */
struct rtsp_evidence *rtsp_evidence_destroy(struct rtsp_evidence *e);
/* The configuration or the files it names were read anew. */
void rtsp_evidence_reload(struct rtsp_evidence *e);

void rtsp_evidence_request(struct rtsp_evidence *e, const Torap__AgentRequest *request);
/* A keyframe of a camera that has a wish; looks only. */
void rtsp_evidence_keyframe(
	struct rtsp_evidence *e, struct rtsp_camera *c, const struct rtsp_keyframe *keyframe);
/* An attempt is over, and its next turn is set. */
void rtsp_evidence_concluded(struct rtsp_evidence *e, struct rtsp_camera *c, bool failed);
/* The camera goes, or its row has changed (`stays`). */
void rtsp_evidence_gone(struct rtsp_evidence *e, struct rtsp_camera *c, bool stays);
/* A packet of a held camera's picture. */
void rtsp_evidence_packet(struct rtsp_evidence *e, struct rtsp_camera *c, const struct rtsp_video *video,
	const struct rtsp_rtp *packet);
void rtsp_evidence_verdict(struct rtsp_evidence *e, enum kit_verdict verdict);
void rtsp_evidence_tick(struct rtsp_evidence *e, struct torap_mono now);
void rtsp_evidence_metrics(const struct rtsp_evidence *e, struct torap_writer *body);
