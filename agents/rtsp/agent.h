/* agent.h: the watching process: whose turn it is, sessions, workers, what a picture means, and the kit that carries reports to the node.
 *
 * Everything happens on the loop but decoding and measuring (pool.h). */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "agents/kit/kit.h"
#include "agents/kit/plan.h"
#include "agents/rtsp/cameras.h"
#include "agents/rtsp/config.h"
#include "agents/rtsp/counters.h"
#include "agents/rtsp/credentials.h"
#include "agents/rtsp/evidence/holds.h"
#include "agents/rtsp/observe.h"
#include "agents/rtsp/outage/outage.h"
#include "agents/rtsp/outage/outage_state.h"
#include "agents/rtsp/outbox.h"
#include "agents/rtsp/pool.h"
#include "agents/rtsp/sight/profile.h"
#include "agents/rtsp/schedule.h"
#include "agents/rtsp/state.h"
#include "agents/rtsp/talk/stream.h"

struct torap_error;
struct torap_http;
struct rtsp_evidence;

struct rtsp_agent {
	uv_loop_t *loop;
	struct rtsp_config config;
	struct rtsp_credentials credentials;
	struct rtsp_profiles profiles;
	struct kit_plan plan;
	struct rtsp_holds holds;
	struct rtsp_cameras cameras;
	struct rtsp_schedule schedule;
	struct rtsp_streams streams;
	struct rtsp_pool *pool;
	struct rtsp_outages outages;
	struct rtsp_outbox outbox;
	struct rtsp_counters counters;
	struct kit *kit;
	struct rtsp_evidence *evidence; /* NULL: not configured */
	struct torap_http *http;
	uv_timer_t timer;
	struct rtsp_saving saving, saving_faults;
	struct torap_mono saved_at, faults_saved_at;
	uint64_t changes_saved; /* outbox.changes that FILE.faults holds */
	char *faults;           /* owned: FILE.faults */
	char *outages_file;     /* owned: FILE.outages */
	struct rtsp_outage_saving saving_outages;
	uint64_t outages_saved; /* outages.changes that FILE.outages holds */
	struct torap_mono stepped_at;
	bool timing, closing, has_rows;
	uint32_t keyless;                /* cameras whose key_name is not in the file */
	struct rtsp_observation scratch; /* the one that is being offered */
};

/* What the configuration names, and has to be good before anything begins. */
struct rtsp_files {
	struct rtsp_config config;
	struct rtsp_credentials credentials;
	struct rtsp_profiles profiles;
	struct kit_plan plan;
	struct rtsp_holds holds;
};
int rtsp_files_load(struct rtsp_files *out, const char *path, struct torap_error *err);
void rtsp_files_finish(struct rtsp_files *f);

/* Takes over the files (leaves zeros).  After a failure run the loop once more to its end, then rtsp_agent_finish(). */
int rtsp_agent_open(struct rtsp_agent *a, uv_loop_t *loop, struct rtsp_files *files, struct torap_error *err);
/* Reads the files again.  A bad one is refused, and the old ones stay in force. */
void rtsp_agent_reload(struct rtsp_agent *a);
/* Saves the state, says goodbye to cameras, and leaves the loop. */
void rtsp_agent_close(struct rtsp_agent *a);
/* After the loop has ended. */
void rtsp_agent_finish(struct rtsp_agent *a);
