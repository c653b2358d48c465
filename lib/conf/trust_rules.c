/* The retention rules of the trust file's text.  Patterns are written out here, so that what is signed lists numbers. */
#include <stdio.h>

#include "conf/trust.h"
#include "conf/trust_compiler.h"
#include "wire/kind_set.h"
#include "wire/taxonomy.h"

#define TEXT(name, flags, structure, member)                                                                 \
	CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER | (flags), structure, member, 1, 128)
#define LIST(name, flags, structure, member, entry, most)                                                    \
	CYAML_FIELD_SEQUENCE(name, CYAML_FLAG_POINTER | (flags), structure, member, entry, 1, most)

static const cyaml_schema_value_t word = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 64) };

static const cyaml_schema_field_t rule_fields[] = {
	LIST("regions", CYAML_FLAG_OPTIONAL, struct torap_rule_text, regions, &word, TORAP_TRUST_REGIONS_MAX),
	LIST("facilities", CYAML_FLAG_OPTIONAL, struct torap_rule_text, facilities, &word, 64),
	LIST("kinds", CYAML_FLAG_OPTIONAL, struct torap_rule_text, kinds, &word, 256),
	LIST("parts", CYAML_FLAG_OPTIONAL, struct torap_rule_text, parts, &word, 3),
	TEXT("severity_min", CYAML_FLAG_OPTIONAL, struct torap_rule_text, severity_min),
	TEXT("lane", CYAML_FLAG_OPTIONAL, struct torap_rule_text, lane),
	TEXT("keep", CYAML_FLAG_OPTIONAL, struct torap_rule_text, keep),
	TEXT("at_most", CYAML_FLAG_OPTIONAL, struct torap_rule_text, at_most),
	CYAML_FIELD_END,
};
const cyaml_schema_value_t torap_rule_text_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct torap_rule_text, rule_fields) };

static void read_match(
	struct torap_compiler *c, Torap__GrantRow *out, const struct torap_rule_text *in, unsigned index)
{
	char where[64];
	torap__grant_row__init(out);
	snprintf(where, sizeof where, "retention[%u].regions", index);
	out->regions = torap_compiler_regions(c, where, in->regions, in->regions_count);
	snprintf(where, sizeof where, "retention[%u].facilities", index);
	out->facilities = torap_compiler_words(
		c, where, in->facilities, in->facilities_count, torap_facility_number, "facility");
	snprintf(where, sizeof where, "retention[%u].parts", index);
	uint32_t *parts =
		torap_compiler_words(c, where, in->parts, in->parts_count, torap_part_number, "part");
	out->parts = torap_compiler_take(c, in->parts_count, sizeof *out->parts);
	snprintf(where, sizeof where, "retention[%u].severity_min", index);
	uint32_t *severity = torap_compiler_words(c, where, (char **)&in->severity_min,
		in->severity_min ? 1 : 0, torap_severity_number, "severity");
	if (c->failed)
		return;
	out->n_regions = in->regions_count;
	out->n_facilities = in->facilities_count;
	out->n_parts = in->parts_count;
	out->severity_min = severity[0];
	for (unsigned i = 0; i < in->parts_count; i++)
		out->parts[i] = (Torap__PartKind)parts[i];
}

static uint32_t read_lane(struct torap_compiler *c, const struct torap_rule_text *in, unsigned index)
{
	char where[64];
	snprintf(where, sizeof where, "retention[%u].lane", index);
	const uint32_t *lane = torap_compiler_words(
		c, where, (char **)&in->lane, in->lane ? 1 : 0, torap_lane_number, "lane");
	return lane ? *lane : 0;
}

/* The kinds of a rule as numbers, those of its lane alone.  A reader that does not know of lanes so never deletes what the rule does
 * not name, save critical events of kinds that are otherwise of the lane. */
static void read_kinds(
	struct torap_compiler *c, Torap__RetentionRule *out, const struct torap_rule_text *in, unsigned index)
{
	char where[64], why[160];
	struct torap_kind_set set = { .count = 0 };
	bool critical = out->lane == TORAP__LANE__LANE_CRITICAL;
	for (unsigned i = 0; i < in->kinds_count; i++) {
		snprintf(where, sizeof where, "retention[%u].kinds[%u]", index, i);
		snprintf(why, sizeof why, "\"%s\" is not a kind of event", in->kinds[i]);
		if (!torap_kind_set_add(&set, in->kinds[i]))
			torap_compiler_refuse(c, where, why);
	}
	if (critical)
		out->match->severity_min = TORAP__SEVERITY__SEVERITY_CRITICAL;
	else if (out->lane && in->kinds_count == 0)
		torap_kind_set_add(&set, "*");
	if (out->lane)
		torap_kind_set_keep_lane(&set, out->lane);
	snprintf(where, sizeof where, "retention[%u].lane", index);
	if (out->lane && !critical &&
		(set.count == 0 || out->match->severity_min >= TORAP__SEVERITY__SEVERITY_CRITICAL))
		torap_compiler_refuse(c, where, "none of the rule's events travels in this lane");
	out->match->kinds = torap_compiler_take(c, set.count, sizeof *out->match->kinds);
	for (size_t i = 0; out->match->kinds && i < set.count; i++)
		out->match->kinds[out->match->n_kinds++] = set.list[i];
}

void torap_compiler_rule(
	struct torap_compiler *c, Torap__RetentionRule *out, const struct torap_rule_text *in, unsigned index)
{
	char where[64];
	torap__retention_rule__init(out);
	out->match = torap_compiler_take(c, 1, sizeof *out->match);
	if (!out->match)
		return;
	read_match(c, out->match, in, index);
	out->lane = (Torap__Lane)read_lane(c, in, index);
	read_kinds(c, out, in, index);
	snprintf(where, sizeof where, "retention[%u].keep", index);
	out->keep_s = torap_compiler_duration(c, where, in->keep);
	snprintf(where, sizeof where, "retention[%u].at_most", index);
	out->at_most_s = torap_compiler_duration(c, where, in->at_most);
}
