/* grant_rows.h: the rows of a grant as people write them, in a policy's feed and in what a subscriber expects:
 *
 *     { regions: ["391010000"], facilities: [prison], kinds: [panic, camera.*], severity_min: low, parts: [open] }
 *
 * Kinds may be patterns (wire/kind_set.h).  A list that is left out matches everything; an empty one is refused, for it looks like "nothing".  `parts` always holds open: the
 * others mean nothing without it. */
#pragma once

#include "base/bytes.h"
#include "conf/yaml.h"
#include "link/grant.h"

struct torap_error;

struct torap_grant_text { /* a row as libcyaml gives it */
	char **regions, **facilities, **kinds, **parts;
	unsigned regions_count, facilities_count, kinds_count, parts_count;
	char *severity_min;
};
extern const cyaml_schema_value_t torap_grant_text_schema;

/* Into a row of zeros; torap_grant_rows_destroy() frees what is in it, also after a failure. */
int torap_grant_row_read(struct torap_grant_row *out, const struct torap_grant_text *in,
	const struct torap_yaml_place *at, struct torap_error *err);
/* A list of regions alone, as a policy's writers have it: `step` is its name below at->where. */
int torap_regions_read(uint32_t **out, size_t *out_count, char *const *in, unsigned in_count,
	const char *step, const struct torap_yaml_place *at, struct torap_error *err);
