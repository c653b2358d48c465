/* config.h: the configuration of torap-rtsp.  deploy/rtsp/rtsp.yaml is an example with every key. */
#pragma once

#include <stdbool.h>

#include "agents/kit/config.h"
#include "agents/rtsp/evidence/evidence_config.h"
#include "agents/rtsp/outage/outage.h"
#include "agents/rtsp/schedule.h"
#include "agents/rtsp/talk/session.h"

struct torap_error;

struct rtsp_config {
	struct kit_config kit;
	char *credentials; /* file; NULL: no camera asks who we are; owned, as are all strings */
	char *profiles;    /* file; NULL: the default */
	char *planned;     /* file; NULL: nothing is planned */
	char *state;       /* file; NULL: what was learned ends with the process */
	bool held;         /* cameras of which the registry does not say: else sampled */
	enum rtsp_transport transport;
	struct rtsp_schedule_limits schedule;
	int64_t look_us; /* held: between two keyframes that are judged */
	int64_t trust_us; /* since a camera was judged good: so long it is believed by its bytes; 0: not at all */
	bool peek;        /* such a one is decoded in part, and then believed for twice as long */
	int64_t save_us; /* between two saves of the state */
	unsigned workers;
	struct rtsp_limits limits;
	struct rtsp_outage_limits outage;
	struct rtsp_evidence_config evidence;
};

/* Names in the file are relative to its folder.  0, or a negative error with file, line and reason. */
int rtsp_config_load(struct rtsp_config *out, const char *path, struct torap_error *err);
void rtsp_config_finish(struct rtsp_config *c);
