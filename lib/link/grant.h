/* grant.h: what a feed is entitled to: rows of classes and the parts of each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/session.pb-c.h"
#include "wire/taxonomy.h"

struct torap_error;

enum { TORAP_GRANT_ROWS_MAX = 1024, TORAP_GRANT_LIST_MAX = 1024 };

struct torap_grant_row {
	uint32_t *regions; /* owned, as are the other lists; an empty list matches all */
	size_t regions_count;
	uint16_t *facilities;
	size_t facilities_count;
	uint16_t *kinds;
	size_t kinds_count;
	uint8_t severity_min;
	bool parts[4]; /* by Torap__PartKind */
};

bool torap_grant_row_matches(const struct torap_grant_row *row, const struct torap_class *class);
/* The parts of a class that the rows grant together: parts[k] for each Torap__PartKind.  True: at least one.  A canary's open part is
 * granted to everyone. */
bool torap_grant_parts(const struct torap_grant_row *rows, size_t count, const struct torap_class *class,
	bool parts[static 4]);
/* Can anything spoken for by these regions match a row?  (Either covers the other.) */
bool torap_grant_touches(
	const struct torap_grant_row *rows, size_t count, const uint32_t *regions, size_t regions_count);
/* Does `granted` hold less than `expected`?  Compares row by row: each expected row must be covered by one granted row. */
bool torap_grant_falls_short(const struct torap_grant_row *granted, size_t granted_count,
	const struct torap_grant_row *expected, size_t expected_count);

/* 0, or -EBADMSG with the reason: too many rows or list entries, a region or number out of range. */
int torap_grant_rows_decode(struct torap_grant_row **out, size_t *out_count, Torap__GrantRow *const *in,
	size_t count, struct torap_error *err);
/* Frees its lists; the row's own memory is the caller's. */
void torap_grant_row_finish(struct torap_grant_row *row);
void torap_grant_rows_destroy(struct torap_grant_row *rows, size_t count); /* accepts NULL */

/* Protobuf structs of rows, for encoding. */
struct torap_grant_form {
	Torap__GrantRow **list;
	Torap__GrantRow *rows;
	size_t count;
};
bool torap_grant_form_make(struct torap_grant_form *f, const struct torap_grant_row *rows, size_t count);
void torap_grant_form_finish(struct torap_grant_form *f);
