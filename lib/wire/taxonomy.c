#include "wire/taxonomy.h"

#include <stdio.h>
#include <string.h>

/* Every table is sorted by number.  tests/unit/lib/wire/taxonomy_test.c compares them with the enums of proto/, so that a
 * value that is added there and forgotten here is found. */
struct word {
	uint16_t number;
	uint8_t severity; /* kinds only */
	const char *name;
};

enum {
	I = TORAP__SEVERITY__SEVERITY_INFORMATION,
	L = TORAP__SEVERITY__SEVERITY_LOW,
	N = TORAP__SEVERITY__SEVERITY_NORMAL,
	H = TORAP__SEVERITY__SEVERITY_HIGH,
	C = TORAP__SEVERITY__SEVERITY_CRITICAL,
};

static const struct word kinds[] = {
	/* Alarms. */
	{ 1, C, "panic" },
	{ 2, C, "duress" },
	{ 3, C, "holdup" },
	{ 4, C, "fire" },
	{ 5, C, "medical" },
	{ 6, C, "emergency" },
	{ 7, C, "gas" },
	{ 20, H, "burglary" },
	{ 21, H, "tamper" },
	{ 22, H, "alarm" },
	{ 23, H, "door_forced" },
	{ 24, H, "fight" },
	{ 25, H, "plate_matched" },
	{ 26, H, "dangerous_driver" },

	/* Faults and conditions. */
	{ 40, N, "video_tamper" },
	{ 41, N, "video_loss" },
	{ 42, N, "recording_fault" },
	{ 43, N, "storage_fault" },
	{ 44, N, "comm_fault" },
	{ 45, N, "power_fault" },
	{ 46, N, "environment" },
	{ 47, N, "water" },
	{ 48, N, "zone_intrusion" },
	{ 49, N, "object_left" },
	{ 50, N, "no_activity" },
	{ 51, N, "schedule_missed" },
	{ 60, L, "battery_fault" },
	{ 61, L, "sensor_fault" },
	{ 62, L, "system_fault" },
	{ 63, L, "time_fault" },
	{ 64, L, "storage_full" },
	{ 65, L, "image_quality" },
	{ 66, L, "line_crossed" },
	{ 67, L, "loitering" },
	{ 68, L, "object_taken" },
	{ 69, L, "crowd" },
	{ 70, L, "access_denied" },
	{ 71, L, "door_held" },
	{ 72, L, "login_refused" },
	{ 73, L, "bypass" },
	{ 74, L, "arm_failed" },
	{ 75, L, "alarm_cancelled" },
	{ 76, L, "device_restart" },
	{ 77, L, "config_changed" },
	{ 78, L, "audio" },
	{ 79, L, "unknown" },

	/* For the record. */
	{ 100, I, "access_granted" },
	{ 101, I, "armed" },
	{ 102, I, "disarmed" },
	{ 103, I, "test" },
	{ 104, I, "maintenance" },
	{ 105, I, "log_full" },

	/* Cameras, recording, patrols, incidents. */
	{ 120, N, "camera_offline" },
	{ 121, N, "camera_black" },
	{ 122, N, "camera_frozen" },
	{ 123, N, "camera_covered" },
	{ 124, N, "camera_moved" },
	{ 125, N, "camera_defocused" },
	{ 126, N, "camera_degraded" },
	{ 127, N, "camera_wrong_clock" },
	{ 128, H, "camera_mass_outage" },
	{ 140, I, "retention_report" },
	{ 141, N, "recording_gap" },
	{ 142, I, "evidence_stored" },
	{ 143, N, "evidence_missing" },
	{ 144, I, "evidence_deleted" },
	{ 160, I, "body_stream" },
	{ 161, N, "body_silent" },
	{ 162, H, "body_tamper" },
	{ 180, I, "patrol_dispatch" },
	{ 200, I, "incident_opened" },
	{ 201, I, "incident_acknowledged" },
	{ 202, I, "incident_assigned" },
	{ 203, I, "incident_escalated" },
	{ 204, I, "incident_closed" },

	/* The bus itself, and its oversight. */
	{ 300, I, "node_up" },
	{ 301, N, "link_lost" },
	{ 302, H, "shed" },
	{ 303, N, "clock_off" },
	{ 304, N, "unmapped" },
	{ 305, N, "unknown_device" },
	{ 306, H, "new_incarnation" },
	{ 307, H, "rights_exceeded" },
	{ 308, H, "history_changed" },
	{ 310, C, "canary_critical" },
	{ 311, I, "canary_normal" },
	{ 400, I, "access" },
	{ 401, I, "policy" },
	{ 402, I, "consent" },
	{ 403, I, "export" },
	{ 404, I, "deletion" },
	{ 405, I, "checkpoint" },

	/* Bulk. */
	{ 1000, I, "motion" },
	{ 1001, I, "person" },
	{ 1002, I, "vehicle" },
	{ 1003, I, "people_count" },
	{ 1004, I, "digital_input" },
	{ 1005, I, "output" },
	{ 1006, I, "passage" },
	{ 1007, I, "body_position" },
	{ 1008, I, "patrol_position" },
	{ 1009, I, "plate_read" },
	{ 1010, I, "canary_bulk" },
};

static const struct word facilities[] = {
	{ 0, 0, "none" },
	{ 1, 0, "street" },
	{ 2, 0, "yard" },
	{ 3, 0, "crowded_place" },
	{ 4, 0, "police_post" },
	{ 5, 0, "police_premises" },
	{ 6, 0, "prison" },
	{ 7, 0, "school" },
	{ 8, 0, "kindergarten" },
	{ 9, 0, "university" },
	{ 10, 0, "hospital" },
	{ 11, 0, "mall" },
	{ 12, 0, "station" },
	{ 13, 0, "airport" },
	{ 14, 0, "transport" },
	{ 15, 0, "other_private" },
	{ 16, 0, "other_public" },
};

static const struct word severities[] = {
	{ I, 0, "information" },
	{ L, 0, "low" },
	{ N, 0, "normal" },
	{ H, 0, "high" },
	{ C, 0, "critical" },
};

static const struct word states[] = { { 1, 0, "start" }, { 2, 0, "end" }, { 3, 0, "pulse" } };

static const struct word lanes[] = { { 1, 0, "critical" }, { 2, 0, "normal" }, { 3, 0, "bulk" } };

static const struct word parts[] = { { 1, 0, "open" }, { 2, 0, "personal" }, { 3, 0, "image" } };

#define TABLE(words) words, sizeof words / sizeof *words

static const struct word *by_number(const struct word *words, size_t count, uint32_t number)
{
	size_t low = 0, high = count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (words[middle].number == number)
			return &words[middle];
		if (words[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const char *name_of(const struct word *words, size_t count, uint32_t number)
{
	const struct word *w = by_number(words, count, number);
	return w ? w->name : NULL;
}

static int number_of(const struct word *words, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i].name, name) == 0)
			return words[i].number;
	return -1;
}

const char *torap_kind_name(uint32_t kind)
{
	return name_of(TABLE(kinds), kind);
}

const char *torap_facility_name(uint32_t facility)
{
	return name_of(TABLE(facilities), facility);
}

const char *torap_severity_name(uint32_t severity)
{
	return name_of(TABLE(severities), severity);
}

const char *torap_state_name(uint32_t state)
{
	return name_of(TABLE(states), state);
}

const char *torap_lane_name(uint32_t lane)
{
	return name_of(TABLE(lanes), lane);
}

const char *torap_part_name(uint32_t part)
{
	return name_of(TABLE(parts), part);
}

int torap_kind_number(const char *name)
{
	return number_of(TABLE(kinds), name);
}

int torap_kind_next(uint32_t after)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i].number > after)
			return kinds[i].number;
	return -1;
}

int torap_facility_number(const char *name)
{
	return number_of(TABLE(facilities), name);
}

int torap_severity_number(const char *name)
{
	return number_of(TABLE(severities), name);
}

int torap_state_number(const char *name)
{
	return number_of(TABLE(states), name);
}

int torap_part_number(const char *name)
{
	return number_of(TABLE(parts), name);
}

int torap_lane_number(const char *name)
{
	return number_of(TABLE(lanes), name);
}

uint32_t torap_kind_severity(uint32_t kind)
{
	const struct word *w = by_number(TABLE(kinds), kind);
	return w ? w->severity : N;
}

uint32_t torap_lane_canary(uint32_t lane)
{
	switch (lane) {
	case TORAP__LANE__LANE_CRITICAL:
		return TORAP__KIND__KIND_CANARY_CRITICAL;
	case TORAP__LANE__LANE_NORMAL:
		return TORAP__KIND__KIND_CANARY_NORMAL;
	case TORAP__LANE__LANE_BULK:
		return TORAP__KIND__KIND_CANARY_BULK;
	default:
		return TORAP__KIND__KIND_UNSPECIFIED;
	}
}

bool torap_kind_is_canary(uint32_t kind)
{
	return kind == TORAP__KIND__KIND_CANARY_CRITICAL || kind == TORAP__KIND__KIND_CANARY_NORMAL ||
	       kind == TORAP__KIND__KIND_CANARY_BULK;
}

uint32_t torap_class_lane(const struct torap_class *c)
{
	if (c->severity == TORAP__SEVERITY__SEVERITY_CRITICAL)
		return TORAP__LANE__LANE_CRITICAL;
	return c->kind >= TORAP_KIND_BULK_FIRST ? TORAP__LANE__LANE_BULK : TORAP__LANE__LANE_NORMAL;
}

bool torap_class_equal(const struct torap_class *a, const struct torap_class *b)
{
	return a->region == b->region && a->facility == b->facility && a->kind == b->kind &&
	       a->severity == b->severity;
}

bool torap_region_covers(uint32_t wide, uint32_t region)
{
	/* What follows a prefix of 2, 4 and 6 digits. */
	static const uint32_t rest[] = { 10000000, 100000, 1000 };
	if (wide == 0)
		return true;
	for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
		if (wide % rest[i] == 0)
			return wide / rest[i] == region / rest[i];
	return wide == region;
}

bool torap_regions_cover(const uint32_t *wide, size_t count, uint32_t region)
{
	for (size_t i = 0; i < count; i++)
		if (torap_region_covers(wide[i], region))
			return true;
	return false;
}

bool torap_region_parse(uint32_t *out, const char *text)
{
	uint32_t region = 0;
	for (unsigned i = 0; i < 9; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		region = region * 10 + (uint32_t)(text[i] - '0');
	}
	if (text[9] != '\0')
		return false;
	*out = region;
	return true;
}

char *torap_region_format(uint32_t region, char text[static TORAP_REGION_TEXT_SIZE])
{
	snprintf(text, TORAP_REGION_TEXT_SIZE, "%09u", (unsigned)region);
	return text;
}
