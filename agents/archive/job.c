#include "agents/archive/job.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/archive/cameras.h"
#include "agents/archive/config.h"
#include "agents/archive/fetch.h"
#include "agents/archive/segments.h"
#include "agents/soap/call.h"
#include "base/error.h"
#include "conf/secrets.h"
#include "loop/app.h"

static int no_memory(struct torap_error *err)
{
	return torap_errorf(err, -ENOMEM, "out of memory");
}

/* A copy of what may be missing.  False: memory ran out. */
static bool copy(char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	return *out || !text;
}

/* The folder of the camera: {recording} stands for its name at the recorder, which leads nowhere else. */
static int set_folder(struct archive_job *job, const struct archive_recorder *r, const char *recording,
	struct torap_error *err)
{
	static const char mark[] = "{recording}";
	const char *at = strstr(r->folder, mark);
	if (at && (!*recording || strstr(recording, "..") || recording[0] == '/'))
		return torap_errorf(
			err, -EINVAL, "its recording \"%s\" is no folder of %s", recording, r->name);
	int size = at ? asprintf(&job->folder, "%.*s%s%s", (int)(at - r->folder), r->folder, recording,
				at + strlen(mark))
		      : asprintf(&job->folder, "%s", r->folder);
	if (size < 0)
		job->folder = NULL;
	job->length_s = r->length_s;
	return job->folder && copy(&job->pattern, r->pattern) ? 0 : no_memory(err);
}

/* "viewer:geheim" */
static int set_secret(struct archive_job *job, const char *name, const struct torap_secrets *secrets,
	struct torap_error *err)
{
	if (!name || !*name)
		return 0;
	const struct torap_secret *s = torap_secrets_find(secrets, name);
	const char *colon = s ? strchr(s->text, ':') : NULL;
	if (!colon)
		return torap_errorf(err, -EINVAL, "the key file has no \"%s: USER:PASSWORD\"", name);
	job->user = strndup(s->text, (size_t)(colon - s->text));
	return job->user && copy(&job->password, colon + 1) ? 0 : no_memory(err);
}

/* Who and why are those of the last whole day, which is what the report's minutes tell of. */
static bool set_excuses(
	struct archive_job *job, const struct archive_camera *camera, const struct archive_config *config)
{
	struct torap_wall day = archive_last_day(job->began, config->utc_offset_s);
	const struct kit_place place = { .camera = camera->address,
		.site = camera->site,
		.recorder = camera->recorder,
		.switch_name = camera->switch_name,
		.street = camera->street,
		.region = camera->region };
	for (size_t i = 0; i < config->plan.count; i++) {
		const struct kit_planned *o = config->plan.list[i];
		if (!kit_planned_concerns(o, &place))
			continue;
		archive_spans_add(&job->excused, o->from, o->until);
		bool of_day = o->until.us > day.us && o->from.us < day.us + (int64_t)86400 * TORAP_US_PER_S;
		if (of_day && !job->who && (!copy(&job->who, o->who) || !copy(&job->why, o->why)))
			return false;
	}
	return !job->excused.failed;
}

static int fill(struct archive_job *job, const struct archive_camera *camera,
	const struct archive_config *config, const struct torap_secrets *secrets, struct torap_error *err)
{
	const struct archive_recorder *r = archive_config_recorder(config, camera->recorder);
	const struct archive_profile *p = archive_config_profile(config, camera->profile);
	job->camera = camera->number;
	job->utc_offset_s = config->utc_offset_s;
	job->patience_ms = config->patience_ms;
	job->demand = p ? p->demand : config->profiles[0].demand;
	job->demand.utc_offset_s = config->utc_offset_s;
	job->demand.since = camera->since;
	if (!copy(&job->address, camera->address) || !copy(&job->recorder, camera->recorder) ||
		!copy(&job->recording, camera->recording) || !set_excuses(job, camera, config))
		return no_memory(err);
	if (!*camera->recorder)
		return torap_errorf(err, -EINVAL, "its row in the registry names no recorder");
	if (!r)
		return torap_errorf(
			err, -EINVAL, "the configuration has no recorder \"%s\"", camera->recorder);
	if (!p)
		return torap_errorf(err, -EINVAL, "the configuration has no profile \"%s\"", camera->profile);
	if (r->folder)
		return set_folder(job, r, camera->recording, err);
	if (!copy(&job->url, r->url))
		return no_memory(err);
	int error = set_secret(job, r->key, secrets, err);
	return error ? error : soap_caller_create(&job->caller, config->connect_ms, config->answer_ms, err);
}

int archive_job_create(struct archive_job **out, const struct archive_camera *camera,
	const struct archive_config *config, const struct torap_secrets *secrets, struct torap_wall now,
	struct torap_error *err)
{
	struct archive_job *job = calloc(1, sizeof *job);
	if (!job)
		return no_memory(err);
	job->began = now;
	int r = fill(job, camera, config, secrets, err);
	if (r == -ENOMEM)
		archive_job_destroy(job);
	else
		*out = job; /* Also one that cannot be asked: it is reported. */
	return r;
}

struct archive_job *archive_job_destroy(struct archive_job *job)
{
	if (!job)
		return NULL;
	if (job->password)
		sodium_memzero(job->password, strlen(job->password));
	char *texts[] = { job->address, job->recorder, job->recording, job->url, job->user, job->password,
		job->folder, job->pattern, job->who, job->why };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		free(texts[i]);
	archive_spans_finish(&job->excused);
	soap_caller_destroy(job->caller);
	free(job);
	return NULL;
}

/* On a thread of the pool. */
static int read_folder(struct archive_job *job, struct archive_spans *held, struct torap_error *err)
{
	const struct archive_folder folder = { job->folder, job->pattern, job->utc_offset_s, job->length_s,
		&job->stopped };
	uint64_t files, others;
	job->gaps_known = true;
	return archive_segments_read(held, &folder, &files, &others, err);
}

static int ask_recorder(struct archive_job *job, struct archive_spans *held, struct torap_error *err)
{
	const int64_t term_us = (int64_t)(job->demand.term_days + 2) * 86400 * TORAP_US_PER_S;
	const struct archive_fetch fetch = {
		.source = { job->url, job->recording },
		.user = job->user,
		.password = job->password,
		.from = { job->began.us - term_us },
		.patience_ms = job->patience_ms,
		.now = torap_app_wall,
	};
	struct archive_holdings h;
	int r = archive_fetch(&h, job->caller, &fetch, err);
	if (r)
		return r;
	*held = h.spans;
	job->outcome = h.outcome;
	snprintf(job->reason, sizeof job->reason, "%s", h.reason);
	job->gaps_known = h.gaps_known;
	job->clock_known = h.clock_known;
	job->clock_offset_ms = h.clock_offset_ms;
	return 0;
}

static void audit(uv_work_t *work)
{
	struct archive_job *job = work->data;
	struct archive_spans held = { 0 };
	struct torap_error err;
	job->outcome = ARCHIVE_ANSWERED;
	int r = job->folder ? read_folder(job, &held, &err) : ask_recorder(job, &held, &err);
	if (r) {
		job->outcome = ARCHIVE_UNREACHABLE;
		snprintf(job->reason, sizeof job->reason, "%.*s", (int)sizeof job->reason - 1, err.text);
	}
	archive_audit(&job->report, &held, &job->excused, &job->demand, job->began);
	if (job->outcome != ARCHIVE_ANSWERED)
		job->report.verdict = ARCHIVE_UNKNOWN;
	archive_spans_finish(&held);
}

void archive_job_unknown(struct archive_job *job, enum archive_outcome outcome, const char *reason)
{
	struct archive_spans none = { 0 };
	archive_audit(&job->report, &none, &job->excused, &job->demand, job->began);
	job->report.verdict = ARCHIVE_UNKNOWN;
	job->outcome = outcome;
	job->spared = true;
	snprintf(job->reason, sizeof job->reason, "%.*s", (int)sizeof job->reason - 1, reason);
}

static void after(uv_work_t *work, int status)
{
	struct archive_job *job = work->data;
	(void)status; /* Nothing is cancelled: what runs is stopped, and says so. */
	job->done(job->hint, job);
}

void archive_job_start(struct archive_job *job, uv_loop_t *loop)
{
	job->work.data = job;
	uv_queue_work(loop, &job->work, audit, after);
}

void archive_job_stop(struct archive_job *job)
{
	atomic_store(&job->stopped, true);
	if (job->caller)
		soap_caller_stop(job->caller);
}

struct archive_facts archive_job_facts(const struct archive_job *job)
{
	return (struct archive_facts){
		.recorder = job->recorder,
		.reason = job->reason,
		.gaps_known = job->gaps_known,
		.clock_known = job->clock_known,
		.clock_offset_ms = job->clock_offset_ms,
		.who = job->who,
		.why = job->why,
	};
}
