#include "node/request_pack.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "node/consent.h"
#include "node/registry.h"
#include "node/request_rows.h"
#include "node/requests.h"
#include "proto/event.pb-c.h"

static struct node_event *make_event(
	const struct node_request *q, uint32_t kind, const char *what, const char *word, struct node_now now)
{
	char stream[TORAP_STREAM_TEXT_SIZE], alarm[TORAP_STREAM_TEXT_SIZE + 24], cameras[16], left_out[16];
	struct node_fields fields = { .count = 0 };
	snprintf(alarm, sizeof alarm, "%s %" PRIu64, torap_stream_id_format(&q->alarm.stream, stream),
		q->alarm.seq);
	snprintf(cameras, sizeof cameras, "%" PRIu32, q->cameras);
	snprintf(left_out, sizeof left_out, "%" PRIu32, q->left_out);
	node_fields_add(&fields, what, word);
	node_fields_add(&fields, "cameras", cameras);
	if (q->left_out)
		node_fields_add(&fields, "cameras_left_out", left_out);
	node_fields_add(&fields, "alarm", alarm);
	node_fields_add(&fields, "alarm_kind", torap_kind_name(q->alarm.kind));
	struct node_event_spec spec = { .class = q->class,
		.state = TORAP__STATE__STATE_PULSE,
		.site = q->site,
		.received_at = now.wall,
		.occurred_at = now.wall,
		.clock_known = now.clock_known,
		.clock_offset_ms = now.clock_offset_ms,
		.count = q->alarms,
		.detail = &fields };
	spec.class.kind = (uint16_t)kind;
	spec.class.severity = (uint8_t)torap_kind_severity(kind);
	return node_event_create(&spec);
}

struct node_event *node_request_access(const struct node_request *q, struct node_now now)
{
	return make_event(q, TORAP__KIND__KIND_ACCESS, "what", "pictures", now);
}

struct node_event *node_request_missing(const struct node_request *q, const char *reason, struct node_now now)
{
	return make_event(q, TORAP__KIND__KIND_EVIDENCE_MISSING, "reason", reason, now);
}

static bool may_be_asked(const struct node_device *camera, struct node_now now)
{
	return node_consent_allows(node_consent_at(camera, now.wall)) &&
	       (!camera->camera.term.us || now.wall.us < camera->camera.term.us);
}

struct torap_buffer *node_request_pack(
	struct node_request *q, const struct node_site *site, struct node_now now)
{
	char *addresses[NODE_REQUESTS_CAMERAS];
	char stream[TORAP_STREAM_TEXT_SIZE];
	Torap__AgentRequest message = TORAP__AGENT_REQUEST__INIT;
	q->left_out = 0;
	for (uint32_t i = 0; site && i < site->cameras_count; i++) {
		if (!may_be_asked(site->cameras[i], now))
			continue;
		if (message.n_addresses < NODE_REQUESTS_CAMERAS)
			addresses[message.n_addresses++] = (char *)site->cameras[i]->address;
		else
			q->left_out++;
	}
	q->cameras = (uint32_t)message.n_addresses;
	message.id = q->id;
	message.site = q->site;
	message.alarm_stream = torap_stream_id_format(&q->alarm.stream, stream);
	message.alarm_seq = q->alarm.seq;
	message.alarm_kind = q->alarm.kind;
	message.alarm_at_us = q->alarm.at.us;
	message.alarms = q->alarms;
	message.addresses = addresses;
	struct torap_buffer *body = torap_buffer_create(torap__agent_request__get_packed_size(&message));
	if (body)
		torap__agent_request__pack(&message, body->data);
	return body;
}
