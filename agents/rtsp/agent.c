#include "agents/rtsp/agent.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/decode.h"
#include "agents/rtsp/outage/mass.h"
#include "agents/rtsp/evidence/evidence.h"
#include "agents/rtsp/page.h"
#include "agents/rtsp/outage/tell.h"
#include "agents/rtsp/watch.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/yaml.h"
#include "loop/app.h"
#include "loop/http.h"

enum { TICK_MS = 100, FAULTS_MS = 500, LOOKS_BUSY = RTSP_LOOKS_MAX / 4 };

int rtsp_files_load(struct rtsp_files *out, const char *path, struct torap_error *err)
{
	struct rtsp_files f = { 0 };
	int r = rtsp_config_load(&f.config, path, err);
	if (!r && f.config.credentials)
		r = rtsp_credentials_load(&f.credentials, f.config.credentials, err);
	if (!r)
		r = rtsp_profiles_load(&f.profiles, f.config.profiles, err);
	if (!r)
		r = kit_plan_load(&f.plan, f.config.planned, err);
	if (!r && f.config.evidence.holds)
		r = rtsp_holds_load(&f.holds, f.config.evidence.holds, err);
	if (r) {
		rtsp_files_finish(&f);
		return r;
	}
	*out = f;
	return 0;
}

void rtsp_files_finish(struct rtsp_files *f)
{
	rtsp_config_finish(&f->config);
	rtsp_credentials_finish(&f->credentials);
	rtsp_profiles_finish(&f->profiles);
	kit_plan_finish(&f->plan);
	rtsp_holds_finish(&f->holds);
}

/* The node. */

static void on_verdict(void *hint, struct kit_tag tag, enum kit_verdict verdict, const char *reason)
{
	struct rtsp_agent *a = hint;
	if (!tag.what)
		return; /* a sign of life */
	if (!tag.who) {
		rtsp_evidence_verdict(a->evidence, kit_taken(verdict));
		return;
	}
	if (!kit_taken(verdict))
		torap_debug("RTSP-REFUSED", "a report was refused (%s) and is told again", reason);
	rtsp_outbox_verdict(&a->outbox, &a->cameras, tag.what, kit_taken(verdict), torap_app_mono());
}

/* Profiles by name; what has none of its name gets the default.  How many that are. */
static uint32_t set_profiles(struct rtsp_agent *a)
{
	uint32_t unknown = 0;
	for (uint32_t i = 0; i < a->cameras.count; i++) {
		struct rtsp_camera *c = a->cameras.slots[a->cameras.by_address[i]];
		c->profile = rtsp_profiles_find(&a->profiles, c->profile_name);
		if (!c->profile) {
			c->profile = rtsp_profiles_find(&a->profiles, NULL);
			unknown++;
		}
	}
	return unknown;
}

static void count_keyless(struct rtsp_agent *a)
{
	a->keyless = 0;
	for (uint32_t i = 0; i < a->cameras.count; i++) {
		const struct rtsp_camera *c = a->cameras.slots[a->cameras.by_address[i]];
		a->keyless += *c->key_name && !rtsp_credentials_find(&a->credentials, c->key_name);
	}
	if (a->keyless)
		torap_warn("RTSP-KEYLESS",
			"%u cameras name a credential that is not in the file; they are asked without one",
			a->keyless);
}

/* A share of the period that is far from those of its neighbours in the list, whatever their number: cameras of one recorder often
 * stand one after the other. */
static double share_of(uint32_t slot)
{
	double whole;
	return modf(slot * 0.6180339887498949, &whole);
}

/* For the cameras as they are now; who was in it keeps its turn. */
static int make_schedule(struct rtsp_agent *a)
{
	struct rtsp_schedule made = { .limits = a->config.schedule };
	struct torap_mono now = torap_app_mono();
	if (rtsp_schedule_init(&made, a->cameras.room, a->cameras.recorders))
		return -ENOMEM;
	for (uint32_t i = 0; i < a->cameras.count; i++) {
		uint32_t slot = a->cameras.by_address[i];
		uint32_t recorder = a->cameras.slots[slot]->recorder_number;
		if (slot < a->schedule.room && a->schedule.turns[slot].state != RTSP_TURN_OFF)
			rtsp_schedule_move(&made, &a->schedule, slot, recorder);
		else
			rtsp_schedule_add(&made, slot, recorder, share_of(slot), now);
	}
	rtsp_schedule_finish(&a->schedule);
	a->schedule = made;
	return 0;
}

static void load_part(struct rtsp_agent *a, enum rtsp_state_part part, const char *path)
{
	struct torap_error err;
	uint32_t known, damaged;
	struct rtsp_now now = { torap_app_mono(), torap_app_wall() };
	if (rtsp_state_load(part, path, &a->cameras, now, &known, &damaged, &err))
		torap_fail("RTSP-STATE", "%s; what it holds is found out anew", err.text);
	else if (damaged)
		torap_warn("RTSP-STATE", "%s: %u records are damaged; what they held is found out anew", path,
			damaged);
	else
		torap_info("RTSP-STATE", "%s: knows %u cameras", path, known);
}

static void on_request(void *hint, const Torap__AgentRequest *request)
{
	const struct rtsp_agent *a = hint;
	rtsp_evidence_request(a->evidence, request);
}

static void on_gone(void *hint, struct rtsp_camera *camera, bool stays)
{
	const struct rtsp_agent *a = hint;
	if (a->evidence)
		rtsp_evidence_gone(a->evidence, camera, stays);
	rtsp_watch_end(hint, camera);
}

static void on_rows(void *hint, const struct kit_row *rows, size_t count)
{
	struct rtsp_agent *a = hint;
	if (rtsp_cameras_set(&a->cameras, rows, count, a->config.held, on_gone, a)) {
		torap_fail("RTSP-ROWS", "no memory for %zu registry rows; the old ones stay in force", count);
		return;
	}
	uint32_t unknown = set_profiles(a);
	if (!a->has_rows && a->config.state) {
		load_part(a, RTSP_STATE_BASELINES, a->config.state);
		load_part(a, RTSP_STATE_FAULTS, a->faults);
	}
	if (rtsp_tell_rows(a, !a->has_rows))
		torap_fail("RTSP-ROWS", "no memory for what cameras have in common; outages are not found");
	a->has_rows = true;
	count_keyless(a);
	if (make_schedule(a))
		torap_fail("RTSP-ROWS", "no memory for the turns of %u cameras", a->cameras.count);
	torap_info("RTSP-ROWS", "the node's registry has %u cameras", a->cameras.count);
	if (a->cameras.left_out)
		torap_warn("RTSP-ROWS", "%zu registry rows are no cameras, or there is no memory for them",
			a->cameras.left_out);
	if (unknown)
		torap_warn("RTSP-PROFILE",
			"%u cameras name a profile that is not in the file; they get the default", unknown);
}

static void on_link(void *hint, bool up, const char *reason)
{
	struct rtsp_agent *a = hint;
	if (up)
		torap_notice("RTSP-NODE-UP", "the node at %s takes observations", a->config.node);
	else if (!a->closing)
		torap_warn("RTSP-NODE-DOWN", "the node at %s is away (%s); reports wait for it",
			a->config.node, reason);
}

/* The clock. */

static void offer_reports(struct rtsp_agent *a, struct torap_mono now)
{
	uint64_t from = 0, number;
	struct rtsp_told *t;
	while (a->outbox.count && kit_room(a->kit) &&
		(t = rtsp_outbox_next(&a->outbox, &a->cameras, &from, &number, now))) {
		const struct rtsp_camera *c = rtsp_cameras_find(&a->cameras, t->camera);
		if (t->mass)
			rtsp_observe_mass(&a->scratch, c->address, t->mass, t->at);
		else
			rtsp_observe(&a->scratch, c->address, &t->report, t->at);
		if (t->mass ? t->mass->planned != NULL : t->report.excused)
			rtsp_observe_excuse(&a->scratch, t->mass ? t->mass->planned : t->report.planned);
		if (kit_offer(a->kit, &a->scratch.o, (struct kit_tag){ c->number, number }))
			rtsp_outbox_verdict(&a->outbox, &a->cameras, number, false, now);
	}
}

static void on_saved(struct rtsp_saving *s, int result)
{
	struct rtsp_agent *a = s->hint;
	a->counters.saves += result == 0;
	a->counters.saves_failed += result != 0;
	if (result)
		torap_fail("RTSP-STATE", "%s%s cannot be written: %s; the old one stays", a->config.state,
			s->part == RTSP_STATE_FAULTS ? ".faults" : "", strerror(-result));
}

static void begin_save(
	struct rtsp_agent *a, struct rtsp_saving *saving, enum rtsp_state_part part, const char *path)
{
	struct torap_error err;
	if (!rtsp_saving_begin(saving, part, path, &err))
		return;
	torap_fail("RTSP-STATE", "%s; the old one stays", err.text);
	a->counters.saves_failed++;
}

/* What was learned now and then, open faults soon after they changed. */
static void save(struct rtsp_agent *a, struct torap_mono now)
{
	if (!a->config.state || !a->has_rows)
		return;
	if (a->saving.active) {
		rtsp_saving_step(&a->saving, a->loop, &a->cameras);
	} else if (now.us - a->saved_at.us >= a->config.save_us) {
		a->saved_at = now;
		begin_save(a, &a->saving, RTSP_STATE_BASELINES, a->config.state);
	}
	if (a->saving_faults.active) {
		rtsp_saving_step(&a->saving_faults, a->loop, &a->cameras);
	} else if (a->changes_saved != a->outbox.changes &&
		   now.us - a->faults_saved_at.us >= FAULTS_MS * TORAP_US_PER_MS) {
		a->faults_saved_at = now;
		a->changes_saved = a->outbox.changes;
		begin_save(a, &a->saving_faults, RTSP_STATE_FAULTS, a->faults);
	}
}

/* Nobody begins while the workers have enough to do: a camera whose keyframe they have no room for would send on for nothing. */
static void begin_turns(struct rtsp_agent *a, struct torap_mono now)
{
	uint32_t slot;
	while (rtsp_pool_waiting(a->pool) < LOOKS_BUSY &&
		(slot = rtsp_schedule_take(&a->schedule, now)) != RTSP_NOBODY) {
		struct rtsp_camera *c = a->cameras.slots[slot];
		if (c->number)
			rtsp_watch_begin(a, c);
		else /* gone, and there was no memory for a schedule without it */
			rtsp_schedule_done(&a->schedule, slot, true, false, 0, now);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct rtsp_agent *a = timer->data;
	struct torap_mono now = torap_app_mono();
	rtsp_streams_tick(&a->streams);
	begin_turns(a, now);
	rtsp_tell_step(a, now);
	offer_reports(a, now);
	if (a->evidence)
		rtsp_evidence_tick(a->evidence, now);
	save(a, now);
}

/* Begin, reload and end. */

static int open_all(struct rtsp_agent *a, struct torap_error *err)
{
	struct kit_options options = {
		.agent = "torap-rtsp",
		.protocol = "rtsp",
		.endpoint = a->config.node,
		.hint = a,
		.on_verdict = on_verdict,
		.on_rows = on_rows,
		.on_link = on_link,
		.on_request = a->config.evidence.folder ? on_request : NULL,
	};
	int r = a->config.evidence.folder ? rtsp_evidence_open(&a->evidence, a, err) : 0;
	r = r ? r : rtsp_pool_open(&a->pool, a->loop, a->config.workers, a, rtsp_watch_look, err);
	r = r ? r : kit_open(&a->kit, a->loop, &options, err);
	if (!r && a->config.metrics)
		r = torap_http_open(&a->http, a->loop, a->config.metrics, rtsp_page_routes, a, err);
	return r;
}

int rtsp_agent_open(struct rtsp_agent *a, uv_loop_t *loop, struct rtsp_files *files, struct torap_error *err)
{
	memset(a, 0, sizeof *a);
	a->loop = loop;
	a->config = files->config;
	a->credentials = files->credentials;
	a->profiles = files->profiles;
	a->plan = files->plan;
	a->holds = files->holds;
	*files = (struct rtsp_files){ 0 };
	a->schedule.limits = a->config.schedule;
	a->saving.hint = a->saving_faults.hint = a;
	a->saving.on_done = a->saving_faults.on_done = on_saved;
	a->saved_at = torap_app_mono();
	a->streams.loop = loop;
	a->streams.hint = a;
	a->streams.on_keyframe = rtsp_watch_keyframe;
	a->streams.on_over = rtsp_watch_over;
	a->streams.on_tick = rtsp_watch_tick;
	rtsp_tell_init(a);
	if (a->config.evidence.folder && a->config.evidence.clips)
		a->streams.on_packet = rtsp_watch_packet;
	rtsp_decode_init();
	int r = rtsp_schedule_init(&a->schedule, 0, 0);
	if (a->config.state && asprintf(&a->faults, "%s.faults", a->config.state) < 0) {
		a->faults = NULL;
		r = -ENOMEM;
	}
	if (a->config.state && asprintf(&a->outages_file, "%s.outages", a->config.state) < 0) {
		a->outages_file = NULL;
		r = -ENOMEM;
	}
	r = r ? torap_errorf(err, r, "out of memory") : open_all(a, err);
	if (r) {
		rtsp_agent_close(a);
		return r;
	}
	uv_timer_init(loop, &a->timer);
	a->timer.data = a;
	a->timing = true;
	uv_timer_start(&a->timer, on_tick, TICK_MS, TICK_MS);
	return 0;
}

static int judge_fixed(const struct rtsp_agent *a, const struct rtsp_config *now, struct torap_error *err)
{
	const struct rtsp_config *old = &a->config;
	const struct torap_yaml_fixed fixed[] = {
		{ "node", torap_yaml_same(old->node, now->node) },
		{ "state", torap_yaml_same(old->state, now->state) },
		{ "metrics", torap_yaml_same(old->metrics, now->metrics) },
		{ "watch.workers", old->workers == now->workers },
		{ "watch.mode", old->held == now->held },
		{ "evidence", rtsp_evidence_config_fits(&old->evidence, &now->evidence) },
	};
	return torap_yaml_judge_fixed(fixed, sizeof fixed / sizeof *fixed, now->path, err);
}

void rtsp_agent_reload(struct rtsp_agent *a)
{
	struct torap_error err;
	struct rtsp_files files = { 0 };
	int r = rtsp_files_load(&files, a->config.path, &err);
	r = r ? r : judge_fixed(a, &files.config, &err);
	if (r) {
		torap_fail("RTSP-RELOAD", "%s; the old configuration stays in force", err.text);
		a->counters.reloads_refused++;
		rtsp_files_finish(&files);
		return;
	}
	struct rtsp_files old = { a->config, a->credentials, a->profiles, a->plan, a->holds };
	a->config = files.config;
	a->credentials = files.credentials;
	a->profiles = files.profiles;
	a->plan = files.plan;
	a->holds = files.holds;
	rtsp_files_finish(&old);
	kit_plan_at(&a->plan, torap_app_wall());
	a->outages.limits = a->config.outage;
	a->schedule.limits = a->config.schedule;
	if (set_profiles(a))
		torap_warn("RTSP-PROFILE",
			"cameras name a profile that is not in the file; they get the default");
	count_keyless(a);
	if (a->evidence)
		rtsp_evidence_reload(a->evidence);
	a->counters.reloads++;
	torap_notice("RTSP-RELOADED",
		"%s: limits, profiles, %zu credentials and %zu planned outages are in force", a->config.path,
		a->credentials.count, a->plan.count);
}

static void save_last(struct rtsp_agent *a)
{
	struct torap_error err;
	rtsp_saving_abandon(&a->saving);
	rtsp_saving_abandon(&a->saving_faults);
	if (!a->config.state || !a->has_rows)
		return;
	/* One that a thread has is as good as ours. */
	if (!a->saving.active && rtsp_state_save(RTSP_STATE_BASELINES, a->config.state, &a->cameras, &err))
		torap_fail("RTSP-STATE", "%s; the old one stays", err.text);
	if (!a->saving_faults.active && rtsp_state_save(RTSP_STATE_FAULTS, a->faults, &a->cameras, &err))
		torap_fail("RTSP-STATE", "%s; the old one stays", err.text);
	rtsp_tell_save(a);
}

void rtsp_agent_close(struct rtsp_agent *a)
{
	if (a->closing)
		return;
	a->closing = true;
	save_last(a);
	rtsp_evidence_close(a->evidence);
	rtsp_streams_close(&a->streams);
	rtsp_pool_close(a->pool);
	torap_http_close(a->http);
	kit_close(a->kit, NULL, NULL);
	if (a->timing)
		uv_close((uv_handle_t *)&a->timer, NULL);
	a->pool = NULL;
	a->http = NULL;
	a->kit = NULL;
	a->timing = false;
}

void rtsp_agent_finish(struct rtsp_agent *a)
{
	struct rtsp_files files = { a->config, a->credentials, a->profiles, a->plan, a->holds };
	a->evidence = rtsp_evidence_destroy(a->evidence);
	rtsp_files_finish(&files);
	rtsp_cameras_finish(&a->cameras);
	rtsp_schedule_finish(&a->schedule);
	rtsp_outbox_finish(&a->outbox);
	rtsp_outages_finish(&a->outages);
	free(a->faults);
	free(a->outages_file);
	a->faults = a->outages_file = NULL;
}
