/* agent.h: the process that asks recorders once a day what they hold of each camera, and tells its node.
 *
 *     registry rows → cameras: who is due → job: asked and judged on a thread → report → node; refused: once more, later
 *
 * At most ARCHIVE_JOBS_MAX at once, and one at a recorder. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "agents/archive/answers.h"
#include "agents/archive/audit.h"
#include "agents/archive/cameras.h"
#include "agents/archive/config.h"
#include "agents/archive/observe.h"
#include "agents/archive/profile_g.h"
#include "agents/archive/refusals.h"
#include "agents/kit/kit.h"
#include "conf/secrets.h"

struct archive_job;
struct torap_error;
struct torap_http;

enum {
	ARCHIVE_JOBS_MAX = 4,
	ARCHIVE_OUTCOMES = ARCHIVE_BROKEN + 1,
	ARCHIVE_VERDICTS = ARCHIVE_STORING_NOTHING + 1
};

struct archive_agent {
	uv_loop_t *loop;
	struct archive_config config;
	struct torap_secrets secrets;
	struct archive_cameras cameras;
	struct kit *kit;
	struct torap_http *http;
	uv_timer_t timer;
	bool timing, closing;
	struct archive_job *jobs; /* that run */
	size_t jobs_count;
	struct archive_refusals refusals; /* since the last reload */
	struct archive_observation scratch;
	uint64_t audits[ARCHIVE_OUTCOMES], verdicts[ARCHIVE_VERDICTS];
	struct archive_answers answers;
	uint64_t lost; /* kit_counters.lost when the last verdict came */
	uint64_t reloads, reloads_refused;
};

/* Takes over the configuration and secrets (leaves zeros).  After a failure run the loop once more to its end, then
 * archive_agent_finish(). */
int archive_agent_open(struct archive_agent *a, uv_loop_t *loop, struct archive_config *config,
	struct torap_secrets *secrets, struct torap_error *err);
/* Reads configuration and secrets again.  A bad file, or a change that needs a restart, is refused, and the old ones stay in force. */
void archive_agent_reload(struct archive_agent *a);
void archive_agent_close(struct archive_agent *a);
/* After the loop has ended. */
void archive_agent_finish(struct archive_agent *a);
