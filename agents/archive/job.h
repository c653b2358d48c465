/* job.h: one audit of one camera, on a thread of libuv's pool: asks the recorder or reads its folder, and judges.
 *
 * It holds copies of all that it needs: the configuration and the registry may change meanwhile. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agents/archive/audit.h"
#include "agents/archive/observe.h"
#include "agents/archive/profile_g.h"

struct archive_camera;
struct archive_config;
struct soap_caller;
struct torap_error;
struct torap_secrets;

struct archive_job {
	/* What is asked. */
	uint64_t camera;                      /* its number */
	char *address, *recorder, *recording; /* owned, as are all strings */
	char *url, *user, *password;          /* url NULL: a folder */
	char *folder, *pattern;
	uint32_t length_s;
	int32_t utc_offset_s;
	uint32_t patience_ms;
	struct archive_demand demand;
	struct archive_spans excused;
	char *who, *why; /* of the first outage that excuses */
	struct torap_wall began;
	struct soap_caller *caller;
	atomic_bool stopped;

	/* What came of it. */
	enum archive_outcome outcome;
	bool spared; /* it was never asked */
	char reason[256];
	struct archive_report report;
	bool gaps_known, clock_known;
	int64_t clock_offset_ms;

	uv_work_t work;
	uint64_t reload; /* the owner's: which configuration it was made by */
	void (*done)(void *hint, struct archive_job *job); /* on the loop; the job is the caller's again */
	void *hint;
	struct archive_job *next; /* the owner's */
};

/* 0, -ENOMEM, or -EINVAL: the camera's recorder, profile or secret is not there; err says which. */
int archive_job_create(struct archive_job **out, const struct archive_camera *camera,
	const struct archive_config *config, const struct torap_secrets *secrets, struct torap_wall now,
	struct torap_error *err);
/* Not while it runs.  Accepts NULL, returns NULL. */
struct archive_job *archive_job_destroy(struct archive_job *job);
void archive_job_start(struct archive_job *job, uv_loop_t *loop);
/* What runs ends within a second. */
void archive_job_stop(struct archive_job *job);
/* A job that was never started: what it says when it cannot be asked. */
void archive_job_unknown(struct archive_job *job, enum archive_outcome outcome, const char *reason);
/* What stands beside its report. */
struct archive_facts archive_job_facts(const struct archive_job *job);
