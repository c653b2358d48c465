#include "agents/rtsp/page.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/decode.h"
#include "agents/rtsp/evidence/evidence.h"
#include "agents/rtsp/keep.h"
#include "agents/rtsp/outage/outage_page.h"
#include "agents/rtsp/watch.h"
#include "loop/app.h"
#include "loop/metric.h"

static void write_attempts(const struct rtsp_counters *c, struct torap_writer *body)
{
	torap_metric_one(body, "torap_rtsp_attempts_total", "counter", "Sessions that were begun.",
		(double)c->attempts);
	torap_metric_head(body, "torap_rtsp_outcomes_total", "counter", "How sessions ended.");
	for (unsigned i = 0; i < RTSP_OUTCOMES; i++)
		torap_metric_labelled(body, "torap_rtsp_outcomes_total", "outcome", rtsp_outcome_name(i),
			(double)c->outcomes[i]);
	torap_metric_one(body, "torap_rtsp_local_failures_total", "counter",
		"Sessions that failed for want of memory or descriptors here.", (double)c->local);
}

static void write_looks(const struct rtsp_agent *a, struct torap_writer *body)
{
	const struct rtsp_counters *c = &a->counters;
	torap_metric_one(body, "torap_rtsp_looks_total", "counter", "Keyframes that were decoded, or tried.",
		(double)c->looks);
	torap_metric_one(body, "torap_rtsp_sub_looks_total", "counter",
		"Of these, such of a camera's smaller stream.", (double)c->sub_looks);
	torap_metric_one(body, "torap_rtsp_sub_failures_total", "counter",
		"Attempts at smaller streams that failed.", (double)c->sub_failures);
	torap_metric_one(body, "torap_rtsp_undecoded_total", "counter", "Looks at what cannot be decoded.",
		(double)c->undecoded);
	torap_metric_one(body, "torap_rtsp_spared_total", "counter",
		"Keyframes that were not decoded, or only peeked at: the workers were behind, and they are like the last that was good.",
		(double)c->spared);
	torap_metric_one(body, "torap_rtsp_peeks_total", "counter",
		"Keyframes of which the first part was decoded, for they are like the last that was good.",
		(double)c->peeks);
	torap_metric_one(body, "torap_rtsp_suspicions_total", "counter",
		"Of these, such that were decoded at once: the upper part was not as usual, or could not be seen.",
		(double)c->suspicions);
	torap_metric_one(body, "torap_rtsp_suspicions_confirmed_total", "counter",
		"Of these, such that showed a fault.", (double)c->confirmed);
	torap_metric_one(body, "torap_rtsp_trust_seconds", "gauge",
		"How long a camera is believed by the size of its keyframes: watch.trust, and up to twice that while even so the workers are behind; if they are peeked at, always twice watch.trust.",
		(double)rtsp_trust_us(a) / 1e6);
	torap_metric_one(body, "torap_rtsp_skipped_total", "counter",
		"Keyframes that the workers had no room for.", (double)c->skipped);
	torap_metric_one(body, "torap_rtsp_looks_waiting", "gauge", "Keyframes with the workers now.",
		rtsp_pool_waiting(a->pool));
	torap_metric_one(body, "torap_rtsp_looks_seconds_total", "counter",
		"What decoding and measuring took, of all workers.",
		(double)rtsp_pool_busy_us(a->pool) / 1e6);
	torap_metric_one(body, "torap_rtsp_ffmpeg_complaints_total", "counter",
		"Lines that FFmpeg would have logged.", (double)rtsp_decode_complaints());
	torap_metric_head(body, "torap_rtsp_pictures_total", "counter", "Pictures judged, by what was seen.");
	for (unsigned i = 0; i < RTSP_FAULTS; i++)
		torap_metric_labelled(
			body, "torap_rtsp_pictures_total", "sight", rtsp_fault_name(i), (double)c->sights[i]);
}

static void write_cameras(const struct rtsp_agent *a, struct torap_writer *body)
{
	const struct rtsp_cameras *c = &a->cameras;
	uint32_t open[RTSP_FAULTS] = { 0 }, held = 0, over = 0, well = 0, without = 0;
	struct torap_wall now = torap_app_wall();
	for (uint32_t i = 0; i < c->count; i++) {
		const struct rtsp_camera *camera = c->slots[c->by_address[i]];
		uint32_t faults = rtsp_health_open(&camera->health);
		held += camera->held;
		over += camera->term.us && now.us >= camera->term.us;
		well += camera->tried && !faults;
		without += camera->sub_fails;
		for (unsigned f = 0; f < RTSP_FAULTS; f++)
			open[f] += (faults & rtsp_fault_bit(f)) != 0;
	}
	torap_metric_head(body, "torap_rtsp_cameras", "gauge", "Cameras of the node's registry, by mode.");
	torap_metric_labelled(body, "torap_rtsp_cameras", "mode", "held", held);
	torap_metric_labelled(body, "torap_rtsp_cameras", "mode", "sampled", c->count - held);
	torap_metric_one(
		body, "torap_rtsp_cameras_well", "gauge", "Such that were seen and have no fault.", well);
	torap_metric_one(body, "torap_rtsp_cameras_sub_failing", "gauge",
		"Such whose smaller stream failed twice, and the other one did not in between.", without);
	torap_metric_one(body, "torap_rtsp_cameras_term_over", "gauge",
		"Such that may not be watched any more.", over);
	torap_metric_one(body, "torap_rtsp_cameras_without_credential", "gauge",
		"Such whose key_name is not in the file.", a->keyless);
	torap_metric_head(body, "torap_rtsp_faults", "gauge", "Cameras that have the fault now.");
	for (unsigned f = 1; f < RTSP_FAULTS; f++)
		torap_metric_labelled(body, "torap_rtsp_faults", "fault", rtsp_fault_name(f), open[f]);
	torap_metric_one(body, "torap_rtsp_sessions", "gauge", "Sessions that are open.", a->streams.count);
}

static void write_reports(const struct rtsp_agent *a, struct torap_writer *body)
{
	const struct rtsp_counters *c = &a->counters;
	torap_metric_head(body, "torap_rtsp_reports_total", "counter", "Begins and ends of faults.");
	for (unsigned f = 1; f < RTSP_FAULTS; f++) {
		char labels[96];
		snprintf(labels, sizeof labels, "fault=\"%s\",state=\"start\"", rtsp_fault_name(f));
		torap_metric(body, "torap_rtsp_reports_total", labels, (double)c->starts[f]);
		snprintf(labels, sizeof labels, "fault=\"%s\",state=\"end\"", rtsp_fault_name(f));
		torap_metric(body, "torap_rtsp_reports_total", labels, (double)c->ends[f]);
	}
	torap_metric_one(body, "torap_rtsp_reports_waiting", "gauge",
		"Reports that the node has not taken yet.", a->outbox.count);
	torap_metric_one(body, "torap_rtsp_reports_lost_total", "counter",
		"Reports that there was no room for, or that the node did not take for a day.",
		(double)a->outbox.lost);
	torap_metric_head(body, "torap_rtsp_saves_total", "counter", "Saves of the state.");
	torap_metric_labelled(body, "torap_rtsp_saves_total", "result", "good", (double)c->saves);
	torap_metric_labelled(body, "torap_rtsp_saves_total", "result", "failed", (double)c->saves_failed);
	torap_metric_one(body, "torap_rtsp_changes_unsaved", "gauge",
		"Changes of what the node knows of faults and outages that are not on the disk yet.",
		(double)rtsp_keep_unsaved(a));
}

static void write_metrics(void *hint, struct torap_writer *body)
{
	const struct rtsp_agent *a = hint;
	write_attempts(&a->counters, body);
	write_looks(a, body);
	write_cameras(a, body);
	write_reports(a, body);
	rtsp_outage_page_metrics(a, body);
	if (a->evidence)
		rtsp_evidence_metrics(a->evidence, body);
	kit_process_metrics(a->process, body, "torap_rtsp_reloads_total", "Reloads of the files.");
}

static json_t *camera_json(const struct rtsp_camera *c, struct torap_wall now)
{
	char text[TORAP_WALL_TEXT_SIZE];
	json_t *faults = json_array(), *camera = json_object();
	uint32_t open = rtsp_health_open(&c->health);
	for (unsigned f = 0; f < RTSP_FAULTS; f++)
		if (open & rtsp_fault_bit(f))
			json_array_append_new(faults, json_string(rtsp_fault_name(f)));
	json_object_set_new(camera, "address", json_string(c->address));
	json_object_set_new(camera, "mode", json_string(c->held ? "held" : "sampled"));
	const char *state = c->term.us && now.us >= c->term.us ? "term_over"
			    : c->stream ? rtsp_step_name(rtsp_stream_session(c->stream)->step)
					: "between";
	json_object_set_new(camera, "state", json_string(state));
	if (*c->sub_url && c->tried)
		json_object_set_new(camera, "stream", json_string(c->tried_sub ? "sub" : "main"));
	if (c->sub_fails)
		json_object_set_new(camera, "sub_fails", json_true());
	if (c->tried)
		json_object_set_new(camera, "outcome", json_string(rtsp_outcome_name(c->outcome)));
	if (c->status)
		json_object_set_new(camera, "status", json_integer(c->status));
	struct torap_wall answered = c->answered_at.us > c->picture_at.us ? c->answered_at : c->picture_at;
	if (answered.us)
		json_object_set_new(camera, "answered_at", json_string(torap_wall_format(answered, text)));
	if (c->picture_at.us)
		json_object_set_new(
			camera, "picture_at", json_string(torap_wall_format(c->picture_at, text)));
	if (c->judged_at.us && c->judged_at.us != c->picture_at.us)
		json_object_set_new(camera, "judged_at", json_string(torap_wall_format(c->judged_at, text)));
	if (c->peeked_at.us > c->judged_at.us)
		json_object_set_new(camera, "peeked_at", json_string(torap_wall_format(c->peeked_at, text)));
	json_object_set_new(camera, "faults", faults);
	return camera;
}

/* A line for each camera. */
static void write_list(void *hint, struct torap_writer *body)
{
	const struct rtsp_agent *a = hint;
	struct torap_wall now = torap_app_wall();
	for (uint32_t i = 0; i < a->cameras.count; i++) {
		json_t *camera = camera_json(a->cameras.slots[a->cameras.by_address[i]], now);
		char *line = json_dumps(camera, JSON_COMPACT);
		if (line) {
			torap_write_bytes(body, torap_bytes(line, strlen(line)));
			torap_write_u8(body, '\n');
		}
		free(line);
		json_decref(camera);
	}
}

const struct torap_http_route rtsp_page_routes[] = {
	{ "/metrics", "text/plain; version=0.0.4", write_metrics },
	{ "/cameras", "application/x-ndjson", write_list },
	{ "/outages", "application/x-ndjson", rtsp_outage_page_list },
	{ NULL, NULL, NULL },
};
