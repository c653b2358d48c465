#include "agents/rtsp/outage/outage_page.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "loop/metric.h"

void rtsp_outage_page_metrics(const struct rtsp_agent *a, struct torap_writer *body)
{
	static const char *const planned[] = { "no", "yes" };
	const struct rtsp_outages *o = &a->outages;
	uint32_t open[2] = { 0 }, dark = 0;
	for (uint32_t i = 0; i < o->list_room; i++) {
		if (!o->list[i] || !o->list[i]->open)
			continue;
		open[o->list[i]->what.excused]++;
		dark += o->list[i]->dark;
	}
	torap_metric_head(body, "torap_rtsp_outages", "gauge", "Outages of many that are open.");
	for (unsigned i = 0; i < 2; i++)
		torap_metric_labelled(body, "torap_rtsp_outages", "planned", planned[i], open[i]);
	torap_metric_head(body, "torap_rtsp_outage_starts_total", "counter", "Outages of many that began.");
	for (unsigned i = 0; i < 2; i++)
		torap_metric_labelled(
			body, "torap_rtsp_outage_starts_total", "planned", planned[i], (double)o->starts[i]);
	torap_metric_head(body, "torap_rtsp_outage_ends_total", "counter", "Such that ended.");
	for (unsigned i = 0; i < 2; i++)
		torap_metric_labelled(
			body, "torap_rtsp_outage_ends_total", "planned", planned[i], (double)o->ends[i]);
	torap_metric_one(body, "torap_rtsp_outage_cameras", "gauge",
		"Cameras that have the fault still, of each outage.", dark);
	torap_metric_one(body, "torap_rtsp_outage_reports_total", "counter",
		"Begins and ends of cameras' faults that outages stand for.", (double)o->swallowed);
	torap_metric_one(body, "torap_rtsp_reports_held", "gauge",
		"Faults of which it is not known yet whether that camera alone has them.",
		rtsp_outages_held(o));
	torap_metric_one(body, "torap_rtsp_planned", "gauge", "Planned outages that hold now.",
		(double)a->plan.active_count);
}

/* Who is back may have the fault again, and not in the outage: it ends already, or the camera fails in another way. */
static const char *state_word(const struct rtsp_member *m)
{
	return m->state == RTSP_MEMBER_IN ? "dark" : m->state == RTSP_MEMBER_FREE ? "back" : "by_itself";
}

static json_t *share_json(const struct rtsp_agent *a, uint32_t place)
{
	const struct rtsp_outages *o = &a->outages;
	const struct rtsp_share *share = &o->shares[place];
	const struct rtsp_outage *outage = share->outage;
	char text[TORAP_WALL_TEXT_SIZE];
	json_t *json = json_object(), *members = json_object();
	for (uint32_t i = 0; i < o->room; i++) {
		const struct rtsp_member *m = rtsp_outages_member(o, outage->what.fault, i);
		if (o->seats[i].number && m->share == place)
			json_object_set_new(
				members, a->cameras.slots[i]->address, json_string(state_word(m)));
	}
	json_object_set_new(json, "common", json_string(rtsp_common_name(outage->common)));
	json_object_set_new(json, "name", json_string(outage->name));
	json_object_set_new(json, "fault", json_string(rtsp_fault_name(outage->what.fault)));
	json_object_set_new(json, "state", json_string(share->ended ? "over" : "open"));
	json_object_set_new(json, "since", json_string(torap_wall_format(share->since, text)));
	json_object_set_new(json, "cause", json_string(rtsp_cause_name(outage->cause)));
	json_object_set_new(json, "planned", json_boolean(outage->what.excused));
	json_object_set_new(json, "dark", json_integer(share->dark));
	json_object_set_new(json, "total", json_integer(outage->members));
	json_object_set_new(json, "durable", json_boolean(share->durable));
	json_object_set_new(json, "members", members);
	return json;
}

void rtsp_outage_page_list(void *hint, struct torap_writer *body)
{
	const struct rtsp_agent *a = hint;
	for (uint32_t i = 0; i < a->outages.shares_room; i++) {
		if (!a->outages.shares[i].number)
			continue;
		json_t *json = share_json(a, i);
		char *line = json_dumps(json, JSON_COMPACT);
		if (line) {
			torap_write_bytes(body, torap_bytes(line, strlen(line)));
			torap_write_u8(body, '\n');
		}
		free(line);
		json_decref(json);
	}
}
