#include "node/judge.h"

#include "node/consent.h"
#include "node/mapping.h"
#include "node/registry.h"

/* A panel may hold its report while its line is down, for a day; a claim from the future can only be a wrong clock. */
#define CLAIM_OLDEST_US (24 * 3600 * (int64_t)TORAP_US_PER_S)
#define CLAIM_AHEAD_US  (120 * (int64_t)TORAP_US_PER_S)

struct torap_wall node_judge_occurred(struct torap_wall claim, struct torap_wall received)
{
	/* The difference of two hostile numbers may not be a number at all, so the claim is compared with the bounds. */
	bool believable = claim.us != 0 && claim.us >= received.us - CLAIM_OLDEST_US &&
			  claim.us <= received.us + CLAIM_AHEAD_US;
	return believable ? claim : received;
}

static void refuse(struct node_judged *out, const char *why)
{
	out->judgement = NODE_JUDGED_REFUSED;
	out->refusal = why;
}

static const char *consent_refusal(enum node_consent consent)
{
	switch (consent) {
	case NODE_CONSENT_EXPIRED:
		return "no valid consent (expired)";
	case NODE_CONSENT_WITHDRAWN:
		return "no valid consent (withdrawn)";
	case NODE_CONSENT_NOT_YET:
		return "no valid consent (not yet)";
	default:
		return "no valid consent (missing)";
	}
}

static void tell_class(struct node_event_spec *spec, const struct node_device *device, uint16_t kind,
	uint8_t severity, uint8_t state)
{
	spec->class = (struct torap_class){
		.region = device->site->region,
		.facility = device->site->facility,
		.kind = kind,
		.severity = severity,
	};
	spec->state = state;
	spec->site = device->site->id;
	spec->device = device->id;
}

static void tell_times(struct node_event_spec *spec, const Torap__Observation *o, struct node_now now)
{
	/* The agent runs on this host: a time that it did not give is now. */
	spec->received_at = o->received_at_us > 0 ? (struct torap_wall){ o->received_at_us } : now.wall;
	spec->device_time.us = o->device_time_us;
	spec->occurred_at = node_judge_occurred(spec->device_time, spec->received_at);
	spec->clock_known = now.clock_known;
	spec->clock_offset_ms = now.clock_offset_ms;
}

/* Cut at the end, as snprintf() would, which was one fortieth of the node's work. */
static char *add_text(char *at, const char *end, const char *text)
{
	while (*text && at < end)
		*at++ = *text++;
	*at = '\0';
	return at;
}

static void tell_code(struct node_judged *out, const Torap__Observation *o)
{
	const char *end = out->code + sizeof out->code - 1;
	char *at = add_text(out->code, end, o->vocabulary);
	if (*o->vocabulary)
		at = add_text(at, end, " ");
	add_text(at, end, o->code);
	out->spec.code = out->code;
}

static void tell_rest(struct node_judged *out, const Torap__Observation *o)
{
	struct node_event_spec *spec = &out->spec;
	tell_code(out, o);
	spec->protocol = o->protocol;
	spec->area = o->area;
	spec->zone = o->zone;
	spec->detail = &out->detail;
	spec->fields = o->fields;
	spec->fields_count = o->n_fields;
	spec->user = o->user;
	spec->text = o->text;
	spec->position = o->position;
	spec->personal = o->personal;
	spec->personal_count = o->n_personal;
	if (o->image && o->image->data.len) {
		spec->image_type = o->image->media_type;
		spec->image_camera = out->device->id;
		spec->image_at.us = o->image->taken_at_us;
		spec->image = torap_bytes(o->image->data.data, o->image->data.len);
	}
}

static void judge_report(struct node_judged *out, const struct node_mapping *mapping,
	const Torap__Observation *o, struct node_now now)
{
	const struct node_meaning *meaning = node_mapping_find(mapping, o->vocabulary, o->code);
	if (meaning && meaning->alive) {
		out->judgement = NODE_JUDGED_ALIVE;
		return;
	}
	if (meaning && meaning->kind == TORAP__KIND__KIND_PLATE_READ) {
		/* Only what matched a list may be numbered in a stream, and that is another kind. */
		refuse(out, "plate reads do not leave the district node");
		return;
	}
	out->judgement = NODE_JUDGED_EVENT;
	tell_times(&out->spec, o, now);
	tell_rest(out, o);
	if (meaning) {
		tell_class(&out->spec, out->device, meaning->kind, meaning->severity, meaning->state);
		return;
	}
	out->unmapped = true;
	tell_class(&out->spec, out->device, TORAP__KIND__KIND_UNMAPPED,
		(uint8_t)torap_kind_severity(TORAP__KIND__KIND_UNMAPPED), TORAP__STATE__STATE_PULSE);
	node_fields_add(&out->detail, "vocabulary", o->vocabulary);
	out->spec.raw = torap_bytes(o->raw.data, o->raw.len);
}

void node_judge(struct node_judged *out, const struct node_registry *registry,
	const struct node_mapping *mapping, const Torap__Observation *observation, struct node_now now)
{
	/* The texts at the end are not worth zeroing for each observation. */
	out->device = node_registry_find(registry, observation->protocol, observation->address);
	out->refusal = NULL;
	out->unmapped = out->lacks_consent = false;
	out->spec = (struct node_event_spec){ 0 };
	out->detail.count = 0;
	if (!out->device) {
		out->judgement = NODE_JUDGED_UNKNOWN;
		return;
	}
	enum node_consent consent = node_consent_at(out->device, now.wall);
	out->lacks_consent = !node_consent_allows(consent);
	if (out->lacks_consent)
		refuse(out, consent_refusal(consent));
	else if (observation->sort == TORAP__OBSERVATION__SORT__SORT_ALIVE)
		out->judgement = NODE_JUDGED_ALIVE;
	else
		judge_report(out, mapping, observation, now);
}
