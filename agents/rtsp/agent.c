#include "agents/rtsp/agent.h"

#include <errno.h>
#include <math.h>

#include "agents/rtsp/decode.h"
#include "agents/rtsp/evidence/evidence.h"
#include "agents/rtsp/keep.h"
#include "agents/rtsp/outage/mass.h"
#include "agents/rtsp/outage/tell.h"
#include "agents/rtsp/page.h"
#include "agents/rtsp/watch.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/yaml.h"
#include "loop/app.h"

enum { TICK_MS = 100, LOOKS_BUSY = RTSP_LOOKS_MAX / 4 };

/* The node. */

static enum rtsp_answer answer_of(enum kit_verdict v)
{
	return kit_taken(v) ? RTSP_TAKEN : v == KIT_LATER ? RTSP_LATER : RTSP_REFUSED;
}

static void on_verdict(void *hint, struct kit_tag tag, enum kit_verdict verdict, const char *reason)
{
	struct rtsp_agent *a = hint;
	if (!tag.what)
		return; /* a sign of life */
	if (!tag.who) {
		rtsp_evidence_verdict(a->evidence, verdict);
		return;
	}
	if (!kit_taken(verdict))
		torap_debug("RTSP-REFUSED", "a report was refused (%s) and is told again", reason);
	rtsp_outbox_verdict(&a->outbox, &a->cameras, tag.what, answer_of(verdict), torap_app_mono());
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
	if (!a->has_rows)
		rtsp_keep_load(a);
	if (rtsp_tell_rows(a))
		torap_fail("RTSP-ROWS",
			"no memory for what cameras have in common; outages are found by what they had before");
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
		int r = kit_offer(a->kit, &a->scratch.o, (struct kit_tag){ c->number, number });
		if (r)
			rtsp_outbox_verdict(&a->outbox, &a->cameras, number,
				r == KIT_TOO_BIG ? RTSP_REFUSED : RTSP_LATER, now);
	}
}

/* No looks while the workers have enough to do: a camera whose keyframe they have no room for would send on for nothing. */
static void begin_turns(struct rtsp_agent *a, struct torap_mono now)
{
	uint32_t slot;
	a->strain = rtsp_strain_next(a->strain, rtsp_pool_waiting(a->pool) >= LOOKS_BUSY);
	while ((slot = rtsp_schedule_take(&a->schedule, now, rtsp_pool_waiting(a->pool) < LOOKS_BUSY)) !=
		RTSP_NOBODY) {
		struct rtsp_camera *c = a->cameras.slots[slot];
		if (c->number)
			rtsp_watch_begin(a, c);
		else /* gone, and there was no memory for a schedule without it */
			rtsp_schedule_done(&a->schedule, slot, true, false, 0, now);
	}
}

static void on_tick(void *agent)
{
	struct rtsp_agent *a = agent;
	struct torap_mono now = torap_app_mono();
	rtsp_streams_tick(&a->streams);
	begin_turns(a, now);
	rtsp_tell_step(a, now);
	offer_reports(a, now);
	if (a->evidence)
		rtsp_evidence_tick(a->evidence, now);
	rtsp_keep_step(a, now);
}

/* Begin, reload and end. */

static int load(void *files, const char *path, struct torap_error *err)
{
	return rtsp_files_load(files, path, err);
}

static void unload(void *files)
{
	rtsp_files_finish(files);
}

/* Each gets what the other had. */
static void exchange(struct rtsp_agent *a, struct rtsp_files *f)
{
	struct rtsp_files had = { a->config, a->credentials, a->profiles, a->plan, a->holds };
	a->config = f->config;
	a->credentials = f->credentials;
	a->profiles = f->profiles;
	a->plan = f->plan;
	a->holds = f->holds;
	*f = had;
}

static void init_streams(struct rtsp_agent *a)
{
	a->streams.loop = a->loop;
	a->streams.hint = a;
	a->streams.on_keyframe = rtsp_watch_keyframe;
	a->streams.on_over = rtsp_watch_over;
	a->streams.on_tick = rtsp_watch_tick;
	if (a->config.evidence.folder && a->config.evidence.clips)
		a->streams.on_packet = rtsp_watch_packet;
}

static int open_all(void *agent, struct kit_process *p, void *files, struct torap_error *err)
{
	struct rtsp_agent *a = agent;
	a->process = p;
	a->loop = p->loop;
	exchange(a, files);
	a->schedule.limits = a->config.schedule;
	init_streams(a);
	rtsp_tell_init(a);
	rtsp_decode_init();
	p->on_request = a->config.evidence.folder ? on_request : NULL;
	int r = rtsp_schedule_init(&a->schedule, 0, 0);
	r = r ? r : rtsp_keep_init(a);
	if (r)
		return torap_errorf(err, r, "out of memory");
	r = a->config.evidence.folder ? rtsp_evidence_open(&a->evidence, a, err) : 0;
	r = r ? r : rtsp_pool_open(&a->pool, a->loop, a->config.workers, a, rtsp_watch_look, err);
	r = r ? r : kit_process_connect(p, &a->config.kit, err);
	a->kit = p->kit;
	if (!r)
		torap_notice("RTSP-START", "watching for the node at %s", a->config.kit.node);
	return r;
}

static int judge_fixed(const struct rtsp_config *now, const struct rtsp_config *next, struct torap_error *err)
{
	const struct torap_yaml_fixed fixed[] = {
		{ "node", torap_yaml_same(now->kit.node, next->kit.node) },
		{ "state", torap_yaml_same(now->state, next->state) },
		{ "metrics", torap_yaml_same(now->kit.metrics, next->kit.metrics) },
		{ "watch.workers", now->workers == next->workers },
		{ "watch.mode", now->held == next->held },
		{ "evidence", rtsp_evidence_config_fits(&now->evidence, &next->evidence) },
	};
	return torap_yaml_judge_fixed(fixed, sizeof fixed / sizeof *fixed, next->kit.path, err);
}

static int reload(void *agent, void *files, struct torap_error *err)
{
	struct rtsp_agent *a = agent;
	struct rtsp_files *f = files;
	int r = judge_fixed(&a->config, &f->config, err);
	if (r)
		return r;
	exchange(a, f);
	kit_plan_at(&a->plan, torap_app_wall());
	a->outages.limits = a->config.outage;
	a->schedule.limits = a->config.schedule;
	/* What was good may not be by another profile. */
	for (uint32_t i = 0; i < a->cameras.count; i++)
		a->cameras.slots[a->cameras.by_address[i]]->impressions.good_at.us = 0;
	if (set_profiles(a))
		torap_warn("RTSP-PROFILE",
			"cameras name a profile that is not in the file; they get the default");
	count_keyless(a);
	if (a->evidence)
		rtsp_evidence_reload(a->evidence);
	torap_notice("RTSP-RELOADED",
		"%s: limits, profiles, %zu credentials and %zu planned outages are in force",
		a->config.kit.path, a->credentials.count, a->plan.count);
	return 0;
}

/* Saves the state and says goodbye to cameras. */
static void close_all(void *agent)
{
	struct rtsp_agent *a = agent;
	rtsp_keep_last(a);
	rtsp_evidence_close(a->evidence);
	rtsp_streams_close(&a->streams);
	rtsp_pool_close(a->pool);
	a->pool = NULL;
	a->kit = NULL;
}

static void finish(void *agent)
{
	struct rtsp_agent *a = agent;
	struct rtsp_files files = { 0 };
	a->evidence = rtsp_evidence_destroy(a->evidence);
	exchange(a, &files);
	rtsp_files_finish(&files);
	rtsp_cameras_finish(&a->cameras);
	rtsp_schedule_finish(&a->schedule);
	rtsp_outbox_finish(&a->outbox);
	rtsp_outages_finish(&a->outages);
	rtsp_keep_finish(a);
}

const struct kit_agent rtsp_kit_agent = {
	.app = { .program = "torap-rtsp",
		.purpose = "watches cameras that speak RTSP, for a node on this host",
		.extra =
			"--check-evidence DIR computes the digests of an evidence folder anew (exit status 0: sound, 1: not, 2: it "
			"cannot be read).\n"
			"SIGHUP reads the configuration's limits, evidence's keep, quota and snapshot_max, the profiles, the "
			"credentials, the planned outages and the holds again." },
	.protocol = "rtsp",
	.log = { .start = "RTSP-START",
		.stop = "RTSP-STOP",
		.reload = "RTSP-RELOAD",
		.node_up = "RTSP-NODE-UP",
		.node_down = "RTSP-NODE-DOWN",
		.stopping = "stopping; what was learned is saved",
		.takes = "observations",
		.away = "reports wait for it" },
	.routes = rtsp_page_routes,
	.tick_ms = TICK_MS,
	.files_size = sizeof(struct rtsp_files),
	.load = load,
	.unload = unload,
	.open = open_all,
	.reload = reload,
	.close = close_all,
	.finish = finish,
	.on_tick = on_tick,
	.on_verdict = on_verdict,
	.on_rows = on_rows,
};
