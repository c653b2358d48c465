/* taxonomy.h: the names and numbers of proto/event.proto as this process uses them: kinds with their severity to begin with,
 * facilities, states, lanes; classes and regions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/batch.pb-c.h"
#include "proto/event.pb-c.h"

/* All that routing ever looks at. */
struct torap_class {
	uint32_t region;   /* KATO code, at most TORAP_REGION_MAX */
	uint16_t facility; /* Torap__Facility, or a number that this build cannot name */
	uint16_t kind;     /* Torap__Kind, likewise */
	uint8_t severity;  /* Torap__Severity, likewise */
};

enum { TORAP_REGION_MAX = 999999999 };
enum { TORAP_KIND_BULK_FIRST = 1000, TORAP_LANES = 4 /* arrays by lane; 0 is unused */ };

/* Names as people write them: "panic", "police_premises", "critical", "start", "bulk".  NULL when the number has no name here. */
const char *torap_kind_name(uint32_t kind);
const char *torap_facility_name(uint32_t facility);
const char *torap_severity_name(uint32_t severity);
const char *torap_state_name(uint32_t state);
const char *torap_lane_name(uint32_t lane);
const char *torap_part_name(uint32_t part);
/* The number of a name; -1 when there is none. */
int torap_kind_number(const char *name);
int torap_facility_number(const char *name);
int torap_severity_number(const char *name);
int torap_state_number(const char *name);
int torap_part_number(const char *name);
int torap_lane_number(const char *name);
/* The first kind with a name after this number; -1 when there is none. */
int torap_kind_next(uint32_t after);

/* The severity that an event of this kind has unless a table says otherwise. */
uint32_t torap_kind_severity(uint32_t kind);
/* The bus's own canary of a lane. */
uint32_t torap_lane_canary(uint32_t lane);
bool torap_kind_is_canary(uint32_t kind);

/* Severity critical → critical; else kind number >= 1000 → bulk; else normal. */
uint32_t torap_class_lane(const struct torap_class *c);
bool torap_class_equal(const struct torap_class *a, const struct torap_class *b);

/* A region covers what shares its shortest prefix of 2, 4, 6 or 9 digits after which only zeros follow; 0 covers all. */
bool torap_region_covers(uint32_t wide, uint32_t region);
/* Does one of these? */
bool torap_regions_cover(const uint32_t *wide, size_t count, uint32_t region);
/* Exactly 9 digits; false for anything else. */
bool torap_region_parse(uint32_t *out, const char *text);
enum { TORAP_REGION_TEXT_SIZE = 12 };
char *torap_region_format(uint32_t region, char text[static TORAP_REGION_TEXT_SIZE]);
