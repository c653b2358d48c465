/* retention_table.h: what sites keep of their cameras, from the newest retention report of each camera, by region and facility. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct torap_error;

/* Of a camera, worst first; of a site, what its cameras make of it. */
enum retention_verdict {
	RETENTION_NOTHING, /* a site: all of its cameras */
	RETENTION_BELOW,
	RETENTION_GAPS,
	RETENTION_UNKNOWN,
	RETENTION_COMPLIANT,
	RETENTION_VERDICTS
};
/* From a report's detail; a word that this build does not know is UNKNOWN. */
enum retention_verdict retention_verdict_of(const char *word);

/* A report of a camera.  Texts are copied; whatever in site and device is no letter, digit, '.', '_' or '-' becomes '?': they go to
 * terminals and into spreadsheets, and what a node signs may be anything. */
struct retention_row {
	const char *writer, *site, *device, *day; /* "2026-11-25" */
	uint32_t region;
	uint32_t facility;
	enum retention_verdict verdict;
	uint32_t recorded_min, excused_min, missing_min; /* of the day */
	uint32_t held_days, asked_days;
};

struct retention_table;

int retention_table_create(struct retention_table **out, struct torap_error *err);
struct retention_table *retention_table_destroy(struct retention_table *t); /* accepts NULL, returns NULL */
/* Keeps the camera's newest day, and of one day what was added last.  0 or -ENOMEM. */
int retention_table_add(struct retention_table *t, const struct retention_row *row);

/* What was last told of an earlier day than `oldest` is UNKNOWN: whether it is kept still, nobody says. */
void retention_table_expire(struct retention_table *t, const char *oldest);

/* A line of the table; sites of one region and facility. */
struct retention_line {
	uint32_t region, facility;
	uint64_t sites, cameras;
	uint64_t of[RETENTION_VERDICTS]; /* sites */
	uint64_t missing_min;
};
/* Sorted by region and facility; *count of them, and the sum.  Owned by the table, good until the next add.  NULL: memory ran out. */
const struct retention_line *retention_table_lines(
	struct retention_table *t, size_t *count, struct retention_line *sum);

/* The cameras, by region, site and name. */
void retention_table_cameras(
	struct retention_table *t, void (*each)(void *hint, const struct retention_row *row), void *hint);
