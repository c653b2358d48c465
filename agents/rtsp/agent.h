/* agent.h: the watching process: whose turn it is, sessions, workers, what a picture means, and the kit that carries reports to the node.
 *
 * Everything happens on the loop but decoding and measuring (pool.h). */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "agents/kit/process.h"
#include "agents/rtsp/cameras.h"
#include "agents/rtsp/counters.h"
#include "agents/rtsp/files.h"
#include "agents/rtsp/unsaved.h"
#include "agents/rtsp/observe.h"
#include "agents/rtsp/outage/outage.h"
#include "agents/rtsp/outage/outage_state.h"
#include "agents/rtsp/outbox.h"
#include "agents/rtsp/pool.h"
#include "agents/rtsp/schedule.h"
#include "agents/rtsp/state.h"
#include "agents/rtsp/talk/stream.h"

struct rtsp_evidence;

struct rtsp_agent {
	struct kit_process *process;
	uv_loop_t *loop; /* the process's, as is the kit */
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
	struct torap_mono outbox_told; /* that some were lost */
	struct rtsp_counters counters;
	uint32_t strain; /* watch.h: 0 to RTSP_STRAIN_MAX */
	struct kit *kit;
	struct rtsp_evidence *evidence; /* NULL: not configured */
	struct rtsp_saving saving, saving_faults;
	struct torap_mono saved_at;
	struct rtsp_unsaved unsaved_faults; /* outbox.changes, in FILE.faults */
	char *faults;                       /* owned: FILE.faults */
	char *outages_file;                 /* owned: FILE.outages */
	struct rtsp_outage_saving saving_outages;
	struct rtsp_unsaved unsaved_outages; /* outages.changes, in FILE.outages */
	bool outages_read;                   /* FILE.outages was, and may be replaced */
	struct torap_mono stepped_at;
	bool has_rows;
	uint32_t keyless;                /* cameras whose key_name is not in the file */
	struct rtsp_observation scratch; /* the one that is being offered */
};

extern const struct kit_agent rtsp_kit_agent; /* of a struct rtsp_agent of zeros */
