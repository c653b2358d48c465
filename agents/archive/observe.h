/* observe.h: a report as the observation that goes to the node. */
#pragma once

#include "agents/archive/audit.h"
#include "proto/observation.pb-c.h"

/* What is told beside the report. */
struct archive_facts {
	const char *recorder;
	const char *reason; /* why it is unknown; "": it is not */
	bool gaps_known, clock_known;
	int64_t clock_offset_ms;
	const char *who, *why; /* of the first outage that excused something of the day; NULL: none */
};

enum { ARCHIVE_FIELDS_MAX = 16, ARCHIVE_TEXTS_SIZE = 2048 };

struct archive_observation {
	Torap__Observation o;
	Torap__Field pool[ARCHIVE_FIELDS_MAX];
	Torap__Field *fields[ARCHIVE_FIELDS_MAX], *personal[ARCHIVE_FIELDS_MAX];
	char texts[ARCHIVE_TEXTS_SIZE];
	size_t used;
};

/* `code` NULL: the verdict's name.  Borrows the address and facts; good until the next call. */
void archive_observe(struct archive_observation *out, const char *address, const char *code,
	const struct archive_report *r, const struct archive_facts *facts, int32_t utc_offset_s,
	struct torap_wall now);
