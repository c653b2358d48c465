/* files.h: what the configuration names, and has to be good before anything begins: configuration, credentials, profiles, planned outages,
 * holds. */
#pragma once

#include "agents/kit/plan.h"
#include "agents/rtsp/config.h"
#include "agents/rtsp/credentials.h"
#include "agents/rtsp/evidence/holds.h"
#include "agents/rtsp/sight/profile.h"

struct torap_error;

struct rtsp_files { /* zeros: nothing is loaded */
	struct rtsp_config config;
	struct rtsp_credentials credentials;
	struct rtsp_profiles profiles;
	struct kit_plan plan;
	struct rtsp_holds holds;
};

/* 0, or a negative error with file, line and reason; rtsp_files_finish() copes with what was loaded until then. */
int rtsp_files_load(struct rtsp_files *f, const char *path, struct torap_error *err);
void rtsp_files_finish(struct rtsp_files *f);
