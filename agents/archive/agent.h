/* agent.h: the process that asks recorders once a day what they hold of each camera, and tells its node.
 *
 *     registry rows → cameras: who is due → job: asked and judged on a thread → report → node; refused: once more, later
 *
 * At most ARCHIVE_JOBS_MAX at once, and one at a recorder. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agents/archive/answers.h"
#include "agents/archive/audit.h"
#include "agents/archive/cameras.h"
#include "agents/archive/config.h"
#include "agents/archive/observe.h"
#include "agents/archive/profile_g.h"
#include "agents/archive/refusals.h"
#include "agents/kit/process.h"
#include "conf/secrets.h"

struct archive_job;

enum {
	ARCHIVE_JOBS_MAX = 4,
	ARCHIVE_OUTCOMES = ARCHIVE_BROKEN + 1,
	ARCHIVE_VERDICTS = ARCHIVE_STORING_NOTHING + 1
};

/* What the configuration names, and has to be good before anything begins. */
struct archive_files {
	struct archive_config config;
	struct torap_secrets secrets;
};

struct archive_agent {
	struct kit_process *process;
	struct archive_config config;
	struct torap_secrets secrets;
	struct archive_cameras cameras;
	struct kit *kit;          /* the process's */
	struct archive_job *jobs; /* that run */
	size_t jobs_count;
	struct archive_refusals refusals; /* since the last reload */
	struct archive_observation scratch;
	uint64_t audits[ARCHIVE_OUTCOMES], verdicts[ARCHIVE_VERDICTS];
	struct archive_answers answers;
};

extern const struct kit_agent archive_kit_agent; /* of a struct archive_agent of zeros */
