#include "agents/archive/agent.h"

#include <errno.h>
#include <string.h>

#include "agents/archive/job.h"
#include "agents/archive/page.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/yaml.h"
#include "loop/app.h"

enum { TICK_MS = 200 };

static struct archive_window window(const struct archive_agent *a)
{
	return (struct archive_window){ a->config.utc_offset_s, a->config.at_s, a->config.over_s };
}

/* Reports. */

static bool tell(struct archive_agent *a, const struct archive_job *job, const char *code)
{
	const struct archive_facts facts = archive_job_facts(job);
	const struct kit_tag tag = { job->camera, 0 };
	archive_observe(
		&a->scratch, job->address, code, &job->report, &facts, job->utc_offset_s, torap_app_wall());
	return kit_offer(a->kit, &a->scratch.o, tag) == 0;
}

static bool is_missing(enum archive_verdict v)
{
	return v == ARCHIVE_GAPS || v == ARCHIVE_BELOW_TERM || v == ARCHIVE_STORING_NOTHING;
}

static bool report(struct archive_agent *a, const struct archive_job *job)
{
	return tell(a, job, NULL) && (!is_missing(job->report.verdict) || tell(a, job, "not_kept"));
}

static void conclude(struct archive_agent *a, const struct archive_job *job)
{
	struct archive_camera *c = archive_cameras_find(&a->cameras, job->camera);
	struct archive_window w = window(a);
	struct torap_wall now = torap_app_wall();
	a->audits[job->outcome]++;
	if (job->outcome == ARCHIVE_UNAUTHORISED && !job->spared && job->reload == a->process->reloads &&
		archive_refusals_add(&a->refusals, job->recorder, job->reason, now))
		torap_warn("ARCHIVE-MEMORY", "no memory to remember that recorder %s refused our password",
			job->recorder);
	if (!c || a->process->closing)
		return;
	c->running = false;
	if (job->outcome == ARCHIVE_UNREACHABLE && !archive_camera_failed(c, &w, now))
		return;
	archive_camera_done(c, &w, now);
	a->verdicts[job->report.verdict]++;
	if (*job->reason)
		torap_info("ARCHIVE-UNKNOWN", "camera %s at recorder %s: %s: %s", job->address, job->recorder,
			archive_outcome_name(job->outcome), job->reason);
	if (!report(a, job))
		archive_camera_again(c, ARCHIVE_AGAIN_S, now); /* The node is away, or busy. */
}

static void on_job(void *hint, struct archive_job *job)
{
	struct archive_agent *a = hint;
	struct archive_job **link = &a->jobs;
	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	a->jobs_count--;
	conclude(a, job);
	archive_job_destroy(job);
}

static bool is_busy(void *hint, const struct archive_camera *camera)
{
	const struct archive_agent *a = hint;
	const struct archive_job *job = a->jobs;
	while (job && strcmp(job->recorder, camera->recorder) != 0)
		job = job->next;
	return job != NULL;
}

static void start(struct archive_agent *a, struct archive_camera *camera)
{
	struct archive_job *job;
	struct torap_error err;
	const struct archive_refusal *refusal =
		archive_refusals_find(&a->refusals, camera->recorder, torap_app_wall());
	int r = archive_job_create(&job, camera, &a->config, &a->secrets, torap_app_wall(), &err);
	if (r == -ENOMEM) {
		archive_camera_again(camera, ARCHIVE_AGAIN_S, torap_app_wall());
	} else if (r || refusal) {
		archive_job_unknown(
			job, r ? ARCHIVE_BROKEN : ARCHIVE_UNAUTHORISED, r ? err.text : refusal->reason);
		conclude(a, job);
		archive_job_destroy(job);
	} else {
		camera->running = true;
		job->done = on_job;
		job->hint = a;
		job->reload = a->process->reloads;
		job->next = a->jobs;
		a->jobs = job;
		a->jobs_count++;
		archive_job_start(job, a->process->loop);
	}
}

static void tell_refused(struct archive_agent *a)
{
	uint64_t count = archive_answers_untold(&a->answers, torap_app_mono());
	if (count)
		torap_warn("ARCHIVE-REFUSED",
			"the node refuses %llu reports for good, such as that of %s; the next ones are those of tomorrow",
			(unsigned long long)count, a->answers.last);
}

static void on_tick(void *agent)
{
	struct archive_agent *a = agent;
	struct archive_camera *camera;
	tell_refused(a);
	/* Nothing is asked that could not be told. */
	while (a->jobs_count < ARCHIVE_JOBS_MAX && kit_room(a->kit) > 2 * ARCHIVE_JOBS_MAX &&
		(camera = archive_cameras_due(&a->cameras, torap_app_wall(), is_busy, a)))
		start(a, camera);
}

/* The node. */

static void on_verdict(void *hint, struct kit_tag tag, enum kit_verdict verdict, const char *reason)
{
	struct archive_agent *a = hint;
	if (kit_taken(verdict))
		return;
	struct archive_camera *c = archive_cameras_find(&a->cameras, tag.who);
	if (!c || c->running)
		return;
	torap_info("ARCHIVE-NOT-TAKEN", "the report of camera %s was not taken: %s", c->address, reason);
	archive_answers_refused(&a->answers, c, reason, verdict == KIT_LATER, torap_app_wall());
}

static void on_rows(void *hint, const struct kit_row *rows, size_t count)
{
	struct archive_agent *a = hint;
	struct archive_window w = window(a);
	size_t without = 0, strange = 0;
	if (archive_cameras_set(&a->cameras, rows, count, &w, torap_app_wall())) {
		torap_fail(
			"ARCHIVE-ROWS", "no memory for %zu registry rows; the old ones stay in force", count);
		return;
	}
	for (size_t i = 0; i < a->cameras.count; i++) {
		const char *recorder = a->cameras.list[i].recorder;
		without += !*recorder;
		strange += *recorder && !archive_config_recorder(&a->config, recorder);
	}
	torap_info("ARCHIVE-ROWS", "the node's registry has %zu cameras", a->cameras.count);
	if (without)
		torap_warn("ARCHIVE-WITHOUT", "%zu cameras name no recorder: they are reported as unknown",
			without);
	if (strange)
		torap_warn("ARCHIVE-STRANGE",
			"%zu cameras name a recorder that %s does not have: they are reported as unknown",
			strange, a->config.kit.path);
}

/* Begin, reload and end. */

static int load(void *files, const char *path, struct torap_error *err)
{
	struct archive_files *f = files;
	int r = archive_config_load(&f->config, path, err);
	if (!r && f->config.keys)
		r = torap_secrets_load(&f->secrets, f->config.keys, err);
	return r;
}

static void unload(void *files)
{
	struct archive_files *f = files;
	torap_secrets_finish(&f->secrets);
	archive_config_finish(&f->config);
}

/* Each gets what the other had. */
static void exchange(struct archive_agent *a, struct archive_files *f)
{
	struct archive_files had = { a->config, a->secrets };
	a->config = f->config;
	a->secrets = f->secrets;
	*f = had;
}

static int begin(void *agent, struct kit_process *p, void *files, struct torap_error *err)
{
	struct archive_agent *a = agent;
	a->process = p;
	exchange(a, files);
	int r = kit_process_connect(p, &a->config.kit, err);
	a->kit = p->kit;
	if (!r)
		torap_notice("ARCHIVE-START", "%zu recorders", a->config.recorders_count);
	return r;
}

static int reload(void *agent, void *files, struct torap_error *err)
{
	struct archive_agent *a = agent;
	struct archive_files *f = files;
	const struct kit_config *now = &a->config.kit, *next = &f->config.kit;
	const struct torap_yaml_fixed fixed[] = { { "node", torap_yaml_same(now->node, next->node) },
		{ "metrics", torap_yaml_same(now->metrics, next->metrics) } };
	int r = torap_yaml_judge_fixed(fixed, sizeof fixed / sizeof *fixed, next->path, err);
	if (r)
		return r;
	exchange(a, f);
	archive_refusals_finish(&a->refusals);
	torap_notice("ARCHIVE-RELOADED", "%s: %zu recorders and %zu planned outages are in force",
		a->config.kit.path, a->config.recorders_count, a->config.plan.count);
	return 0;
}

static void stop_jobs(void *agent)
{
	struct archive_agent *a = agent;
	for (struct archive_job *job = a->jobs; job; job = job->next)
		archive_job_stop(job);
	a->kit = NULL; /* Jobs that end later must not tell it. */
}

static void finish(void *agent)
{
	struct archive_agent *a = agent;
	archive_cameras_finish(&a->cameras);
	archive_refusals_finish(&a->refusals);
	torap_secrets_finish(&a->secrets);
	archive_config_finish(&a->config);
}

const struct kit_agent archive_kit_agent = {
	.app = { .program = "torap-archive",
		.purpose = "asks recorders once a day what they keep of each camera, for a node on this host",
		.extra = "SIGHUP reads the configuration, the key file and the planned outages again." },
	.protocol = "rtsp",
	.log = { .start = "ARCHIVE-START",
		.stop = "ARCHIVE-STOP",
		.reload = "ARCHIVE-RELOAD",
		.node_up = "ARCHIVE-NODE-UP",
		.node_down = "ARCHIVE-NODE-DOWN",
		.stopping = "stopping; what is under way is given up, and asked again at the next start",
		.takes = "reports",
		.away = "nobody is asked until it is back" },
	.routes = archive_page_routes,
	.tick_ms = TICK_MS,
	.files_size = sizeof(struct archive_files),
	.load = load,
	.unload = unload,
	.open = begin,
	.reload = reload,
	.close = stop_jobs,
	.finish = finish,
	.on_tick = on_tick,
	.on_verdict = on_verdict,
	.on_rows = on_rows,
};
