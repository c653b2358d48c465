#include "node/own.h"

struct node_event *node_own_event(uint32_t region, const struct node_own *own, struct node_now now)
{
	struct torap_wall at = own->at.us ? own->at : now.wall;
	struct node_event_spec spec = {
		.class = { .region = region,
			.facility = TORAP__FACILITY__FACILITY_NONE,
			.kind = (uint16_t)own->kind,
			.severity = (uint8_t)torap_kind_severity(own->kind) },
		.state = own->state ? own->state : (uint8_t)TORAP__STATE__STATE_PULSE,
		.received_at = at,
		.occurred_at = at,
		.clock_known = now.clock_known,
		.clock_offset_ms = now.clock_offset_ms,
		.count = own->count,
		.detail = &own->detail,
		.raw = own->raw,
	};
	return node_event_create(&spec);
}
