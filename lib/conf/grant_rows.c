#include "conf/grant_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/kind_set.h"
#include "wire/taxonomy.h"

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_value_t word = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, 256) };

static const cyaml_schema_field_t fields[] = {
	CYAML_FIELD_SEQUENCE(
		"regions", OPTIONAL, struct torap_grant_text, regions, &word, 1, TORAP_GRANT_LIST_MAX),
	CYAML_FIELD_SEQUENCE(
		"facilities", OPTIONAL, struct torap_grant_text, facilities, &word, 1, TORAP_GRANT_LIST_MAX),
	CYAML_FIELD_SEQUENCE(
		"kinds", OPTIONAL, struct torap_grant_text, kinds, &word, 1, TORAP_GRANT_LIST_MAX),
	CYAML_FIELD_STRING_PTR("severity_min", OPTIONAL, struct torap_grant_text, severity_min, 0, 64),
	CYAML_FIELD_SEQUENCE("parts", CYAML_FLAG_POINTER, struct torap_grant_text, parts, &word, 1, 3),
	CYAML_FIELD_END,
};
const cyaml_schema_value_t torap_grant_text_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct torap_grant_text, fields) };

int torap_regions_read(uint32_t **out, size_t *out_count, char *const *in, unsigned in_count,
	const char *step, const struct torap_yaml_place *at, struct torap_error *err)
{
	if (in_count == 0)
		return 0;
	*out = calloc(in_count, sizeof **out);
	if (!*out)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", at->name);
	*out_count = in_count;
	for (unsigned i = 0; i < in_count; i++)
		if (!torap_region_parse(&(*out)[i], in[i]))
			return torap_yaml_refuse_step(
				at, step, (int)i, err, "\"%s\" is not a region: 9 digits, in quotes", in[i]);
	return 0;
}

static int read_numbers(uint16_t **out, size_t *out_count, char *const *in, unsigned in_count,
	const char *step, const char *what, int (*number)(const char *name),
	const struct torap_yaml_place *at, struct torap_error *err)
{
	if (in_count == 0)
		return 0;
	*out = calloc(in_count, sizeof **out);
	if (!*out)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", at->name);
	*out_count = in_count;
	for (unsigned i = 0; i < in_count; i++) {
		int n = number(in[i]);
		if (n < 0)
			return torap_yaml_refuse_step(
				at, step, (int)i, err, "there is no %s \"%s\"", what, in[i]);
		(*out)[i] = (uint16_t)n;
	}
	return 0;
}

static int read_kinds(struct torap_grant_row *out, const struct torap_grant_text *in,
	const struct torap_yaml_place *at, struct torap_error *err)
{
	struct torap_kind_set set = { .count = 0 };
	for (unsigned i = 0; i < in->kinds_count; i++)
		if (!torap_kind_set_add(&set, in->kinds[i]))
			return torap_yaml_refuse_step(
				at, "kinds", (int)i, err, "there is no kind \"%s\"", in->kinds[i]);
	if (set.count == 0)
		return 0;
	out->kinds = malloc(set.count * sizeof *out->kinds);
	if (!out->kinds)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", at->name);
	memcpy(out->kinds, set.list, set.count * sizeof *out->kinds);
	out->kinds_count = set.count;
	return 0;
}

static int read_parts(struct torap_grant_row *out, const struct torap_grant_text *in,
	const struct torap_yaml_place *at, struct torap_error *err)
{
	for (unsigned i = 0; i < in->parts_count; i++) {
		int part = torap_part_number(in->parts[i]);
		if (part < TORAP__PART_KIND__PART_OPEN || part > TORAP__PART_KIND__PART_IMAGE)
			return torap_yaml_refuse_step(at, "parts", (int)i, err,
				"there is no part \"%s\": open, personal, image", in->parts[i]);
		if (out->parts[part])
			return torap_yaml_refuse_step(
				at, "parts", (int)i, err, "\"%s\" is listed twice", in->parts[i]);
		out->parts[part] = true;
	}
	if (!out->parts[TORAP__PART_KIND__PART_OPEN])
		return torap_yaml_refuse_step(
			at, "parts", -1, err, "parts must hold open: the others mean nothing without it");
	return 0;
}

int torap_grant_row_read(struct torap_grant_row *out, const struct torap_grant_text *in,
	const struct torap_yaml_place *at, struct torap_error *err)
{
	int r = torap_regions_read(
		&out->regions, &out->regions_count, in->regions, in->regions_count, "regions", at, err);
	if (!r)
		r = read_numbers(&out->facilities, &out->facilities_count, in->facilities,
			in->facilities_count, "facilities", "facility", torap_facility_number, at, err);
	if (!r)
		r = read_kinds(out, in, at, err);
	if (!r)
		r = read_parts(out, in, at, err);
	if (r || !in->severity_min)
		return r;
	int severity = torap_severity_number(in->severity_min);
	if (severity < 0)
		return torap_yaml_refuse_step(
			at, "severity_min", -1, err, "there is no severity \"%s\"", in->severity_min);
	out->severity_min = (uint8_t)severity;
	return 0;
}
