#include "agents/rtsp/evidence/evidence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agents/rtsp/evidence/evidence_inside.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"
#include "loop/metric.h"

static const struct {
	const char *label, *reason;
} refusals[RTSP_REFUSALS] = {
	[RTSP_REFUSAL_QUOTA] = { "quota", "the quota is used up" },
	[RTSP_REFUSAL_DISK] = { "disk", "the disk is full" },
	[RTSP_REFUSAL_FOLDER] = { "folder", "the folder cannot be written" },
};

struct rtsp_item rtsp_evidence_item(
	const struct rtsp_camera *c, enum rtsp_media media, const struct rtsp_occasion *o)
{
	struct rtsp_item item = { .media = media };
	snprintf(item.camera, sizeof item.camera, "%s", c->address);
	snprintf(item.site, sizeof item.site, "%s", c->site);
	rtsp_occasion_describe(o, &item);
	return item;
}

const char *rtsp_evidence_not_stored(struct rtsp_evidence *e, int result, const struct torap_error *err)
{
	enum rtsp_refusal why = result == RTSP_STORE_OVER_QUOTA ? RTSP_REFUSAL_QUOTA
				: torap_error_is_room(-result)  ? RTSP_REFUSAL_DISK
								: RTSP_REFUSAL_FOLDER;
	e->refusals[why]++;
	if (result < 0)
		torap_fail("EVIDENCE-FOLDER", "%s", err->text);
	return refusals[why].reason;
}

/* Requests. */

/* A camera that the rows which came so far do not name, or that we cannot watch. */
static void tell_unknown(struct rtsp_evidence *e, const Torap__AgentRequest *request, size_t i,
	const struct rtsp_alarm *alarm, struct torap_mono now)
{
	struct rtsp_occasion o = { 0 };
	struct rtsp_item item = { .media = RTSP_SNAPSHOT };
	e->unknown++;
	snprintf(item.camera, sizeof item.camera, "%s", request->addresses[i]);
	snprintf(item.site, sizeof item.site, "%s", request->site);
	rtsp_occasion_add(&o, alarm, request->alarms, request->id, &e->requests);
	rtsp_occasion_describe(&o, &item);
	rtsp_teller_missing(&e->teller, &item, "no camera that is watched here", &o, now);
}

void rtsp_evidence_request(struct rtsp_evidence *e, const Torap__AgentRequest *request)
{
	struct torap_mono now = torap_app_mono();
	struct rtsp_alarm alarm = {
		.seq = request->alarm_seq, .kind = request->alarm_kind, .at.us = request->alarm_at_us
	};
	snprintf(alarm.stream, sizeof alarm.stream, "%s", request->alarm_stream);
	if (e->closing || rtsp_requests_begin(&e->requests, request->id, now) != RTSP_REQUEST_NEW)
		return;
	torap_info("EVIDENCE-ASKED", "site %s: an alarm; %zu cameras are asked what they see", request->site,
		request->n_addresses);
	for (size_t i = 0; i < request->n_addresses; i++) {
		struct rtsp_camera *c = rtsp_cameras_named(&e->agent->cameras, request->addresses[i]);
		if (!c) {
			tell_unknown(e, request, i, &alarm, now);
			continue;
		}
		rtsp_wish_for(e, c, &alarm, request->alarms, request->id, now);
		if (c->held && rtsp_evidence_config_of(e)->clips)
			rtsp_record(e, c, &alarm, request->alarms, request->id, now);
	}
	rtsp_requests_release(&e->requests, request->id);
}

void rtsp_evidence_gone(struct rtsp_evidence *e, struct rtsp_camera *c, bool stays)
{
	static const char gone[] = "its row has left the registry";
	if (!stays) { /* What the registry does not know any more is asked for nothing. */
		rtsp_wish_give_up(e, c, gone);
		rtsp_record_give_up(e, c, gone);
		return;
	}
	/* Of a camera that stays, a clip under way is kept: it goes on with what the new session sends, or, when the camera is only sampled
	 * from now on, ends with the next tick, which knows the new row. */
	if (c->track && !c->track->recording)
		rtsp_record_forget(e, c);
}

/* Time. */

static void say_done(struct rtsp_evidence *e, struct torap_mono now)
{
	uint64_t id;
	while ((id = rtsp_requests_next(&e->requests)) && kit_done(e->agent->kit, id))
		rtsp_requests_said(&e->requests, id, now);
}

void rtsp_evidence_tick(struct rtsp_evidence *e, struct torap_mono now)
{
	rtsp_wishes_tick(e, now);
	rtsp_recordings_tick(e, now);
	rtsp_keeper_tick(&e->keeper, now, torap_app_wall());
	rtsp_teller_step(&e->teller, e->agent->kit, now, torap_app_wall());
	say_done(e, now);
}

void rtsp_evidence_verdict(struct rtsp_evidence *e, enum kit_verdict verdict)
{
	struct torap_mono now = torap_app_mono();
	rtsp_teller_verdict(&e->teller, verdict, now);
	rtsp_teller_step(&e->teller, e->agent->kit, now, torap_app_wall());
}

/* Begin and end. */

static void on_told(void *hint, const char *name, struct torap_wall stored)
{
	struct rtsp_evidence *e = hint;
	(void)rtsp_keeper_add(&e->keeper, RTSP_STAGE_TOLD, name, stored);
}

static void on_lingers(void *hint, const char *name, struct torap_wall stored)
{
	struct rtsp_evidence *e = hint;
	(void)rtsp_keeper_add(&e->keeper, RTSP_STAGE_PENDING, name, stored);
}

static void on_found(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item)
{
	struct rtsp_evidence *e = hint;
	struct rtsp_occasion none = { 0 };
	/* Who asked for what is pending is not known any more: the node, if it still waits, asks again. */
	if (!item)
		torap_warn("EVIDENCE-STRANGE", "%s; it is left alone", name);
	else if (stage == RTSP_STAGE_TOLD)
		(void)rtsp_keeper_add(&e->keeper, RTSP_STAGE_TOLD, name, item->stored);
	else if (stage == RTSP_STAGE_PENDING)
		rtsp_teller_stored(&e->teller, name, &none, torap_app_mono());
	else if (stage == RTSP_STAGE_GONE)
		rtsp_teller_deleted(&e->teller, name, "retention", torap_app_mono());
}

int rtsp_evidence_open(struct rtsp_evidence **out, struct rtsp_agent *agent, struct torap_error *err)
{
	struct rtsp_evidence *e = calloc(1, sizeof *e);
	if (!e)
		return torap_errorf(err, -ENOMEM, "out of memory");
	e->agent = agent;
	e->budget.most = agent->config.evidence.memory;
	rtsp_jobs_init(&e->jobs, agent->loop);
	e->teller = (struct rtsp_teller){ .jobs = &e->jobs,
		.store = &e->store,
		.requests = &e->requests,
		.hint = e,
		.on_told = on_told,
		.on_lingers = on_lingers };
	rtsp_teller_init(&e->teller);
	e->keeper = (struct rtsp_keeper){ .jobs = &e->jobs,
		.store = &e->store,
		.teller = &e->teller,
		.holds = &agent->holds,
		.keep_us = &agent->config.evidence.keep_us };
	int r = rtsp_store_open(&e->store, agent->config.evidence.folder, err);
	r = r ? r : rtsp_store_walk(&e->store, e, on_found, err);
	if (r) {
		rtsp_evidence_destroy(e);
		return r;
	}
	torap_notice("EVIDENCE-OPEN", "%s: %llu files of evidence, %u of whose events are pending",
		e->store.dir, (unsigned long long)e->store.files, e->teller.count);
	rtsp_keeper_begin(&e->keeper, torap_app_mono(), torap_app_wall());
	*out = e;
	return 0;
}

void rtsp_evidence_reload(struct rtsp_evidence *e)
{
	rtsp_keeper_look_again(&e->keeper);
}

void rtsp_evidence_close(struct rtsp_evidence *e)
{
	if (!e || e->closing)
		return;
	e->closing = true;
	rtsp_teller_finish(&e->teller);
	rtsp_keeper_finish(&e->keeper);
	rtsp_jobs_close(&e->jobs);
}

struct rtsp_evidence *rtsp_evidence_destroy(struct rtsp_evidence *e)
{
	if (!e)
		return NULL;
	rtsp_teller_finish(&e->teller);
	rtsp_keeper_finish(&e->keeper);
	rtsp_wishes_finish(e);
	for (uint32_t i = 0; i < e->agent->cameras.room; i++)
		if (e->agent->cameras.slots[i])
			rtsp_record_forget(e, e->agent->cameras.slots[i]);
	rtsp_store_close(&e->store);
	free(e);
	return NULL;
}

/* What HTTP shows. */

void rtsp_evidence_metrics(const struct rtsp_evidence *e, struct torap_writer *body)
{
	const struct rtsp_teller *t = &e->teller;
	torap_metric_one(body, "torap_rtsp_evidence_bytes", "gauge", "What the evidence folder holds.",
		(double)e->store.bytes);
	torap_metric_one(body, "torap_rtsp_evidence_files", "gauge", "How many files that is.",
		(double)e->store.files);
	torap_metric_one(body, "torap_rtsp_evidence_held", "gauge",
		"Such whose time is over, and that a hold keeps.", (double)e->keeper.held);
	torap_metric_one(body, "torap_rtsp_evidence_wishes", "gauge",
		"Cameras of which a picture is wanted now.", e->wishes_count);
	torap_metric_one(body, "torap_rtsp_evidence_requests_refused_total", "counter",
		"Requests of the node that there was no room for.", (double)e->requests.full);
	torap_metric_one(body, "torap_rtsp_evidence_unknown_total", "counter",
		"Cameras that were asked for and are not in the registry's rows.", (double)e->unknown);
	torap_metric_one(
		body, "torap_rtsp_evidence_recordings", "gauge", "Clips under way.", e->recordings_count);
	torap_metric_one(body, "torap_rtsp_evidence_memory_bytes", "gauge",
		"What held cameras sent last, and clips under way.", (double)e->budget.used);
	torap_metric_one(body, "torap_rtsp_evidence_packets_refused_total", "counter",
		"Packets that there was no memory for: gaps in clips.", (double)e->budget.refused);
	torap_metric_head(
		body, "torap_rtsp_evidence_told_total", "counter", "Events that are durable at the node.");
	torap_metric_labelled(
		body, "torap_rtsp_evidence_told_total", "what", "stored", (double)t->told[RTSP_TELL_STORED]);
	torap_metric_labelled(body, "torap_rtsp_evidence_told_total", "what", "missing",
		(double)t->told[RTSP_TELL_MISSING]);
	torap_metric_labelled(body, "torap_rtsp_evidence_told_total", "what", "damaged",
		(double)t->told[RTSP_TELL_DAMAGED]);
	torap_metric_labelled(body, "torap_rtsp_evidence_told_total", "what", "deleted",
		(double)t->told[RTSP_TELL_DELETED]);
	torap_metric_one(body, "torap_rtsp_evidence_untold", "gauge", "Events that are not durable yet.",
		t->count - t->stuck);
	torap_metric_one(body, "torap_rtsp_evidence_stuck", "gauge",
		"Such that are durable, and that the folder does not let go of.", t->stuck);
	torap_metric_head(body, "torap_rtsp_evidence_not_stored_total", "counter",
		"Pictures and clips that the folder did not take.");
	for (unsigned i = 0; i < RTSP_REFUSALS; i++)
		torap_metric_labelled(body, "torap_rtsp_evidence_not_stored_total", "why", refusals[i].label,
			(double)e->refusals[i]);
	torap_metric_one(body, "torap_rtsp_evidence_untold_lost_total", "counter",
		"Events that there was no room for, or that tell of what is missing and were not taken for a day.",
		(double)t->lost);
}
