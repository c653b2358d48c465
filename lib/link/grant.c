#include "link/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool has_number(const uint16_t *list, size_t count, uint16_t number)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == number)
			return true;
	return false;
}

bool torap_grant_row_matches(const struct torap_grant_row *row, const struct torap_class *class)
{
	return class->severity >= row->severity_min &&
	       (row->regions_count == 0 ||
		       torap_regions_cover(row->regions, row->regions_count, class->region)) &&
	       (row->facilities_count == 0 ||
		       has_number(row->facilities, row->facilities_count, class->facility)) &&
	       (row->kinds_count == 0 || has_number(row->kinds, row->kinds_count, class->kind));
}

bool torap_grant_parts(const struct torap_grant_row *rows, size_t count, const struct torap_class *class,
	bool parts[static 4])
{
	memset(parts, 0, 4 * sizeof *parts);
	bool any = false;
	if (torap_kind_is_canary(class->kind)) {
		parts[TORAP__PART_KIND__PART_OPEN] = true;
		any = true;
	}
	for (size_t i = 0; i < count; i++) {
		if (!torap_grant_row_matches(&rows[i], class))
			continue;
		for (int k = TORAP__PART_KIND__PART_OPEN; k <= TORAP__PART_KIND__PART_IMAGE; k++)
			if (rows[i].parts[k])
				parts[k] = any = true;
	}
	return any;
}

bool torap_grant_touches(
	const struct torap_grant_row *rows, size_t count, const uint32_t *regions, size_t regions_count)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].regions_count == 0)
			return true;
		for (size_t k = 0; k < regions_count; k++) {
			if (torap_regions_cover(rows[i].regions, rows[i].regions_count, regions[k]))
				return true;
			for (size_t j = 0; j < rows[i].regions_count; j++)
				if (torap_region_covers(regions[k], rows[i].regions[j]))
					return true;
		}
	}
	return false;
}

static bool numbers_cover(
	const uint16_t *wide, size_t wide_count, const uint16_t *narrow, size_t narrow_count)
{
	if (wide_count == 0)
		return true;
	if (narrow_count == 0)
		return false;
	for (size_t i = 0; i < narrow_count; i++)
		if (!has_number(wide, wide_count, narrow[i]))
			return false;
	return true;
}

static bool row_covers(const struct torap_grant_row *wide, const struct torap_grant_row *narrow)
{
	if (wide->severity_min > narrow->severity_min)
		return false;
	if (wide->regions_count && !narrow->regions_count)
		return false;
	for (size_t i = 0; wide->regions_count && i < narrow->regions_count; i++)
		if (!torap_regions_cover(wide->regions, wide->regions_count, narrow->regions[i]))
			return false;
	for (int k = TORAP__PART_KIND__PART_OPEN; k <= TORAP__PART_KIND__PART_IMAGE; k++)
		if (narrow->parts[k] && !wide->parts[k])
			return false;
	return numbers_cover(wide->facilities, wide->facilities_count, narrow->facilities,
		       narrow->facilities_count) &&
	       numbers_cover(wide->kinds, wide->kinds_count, narrow->kinds, narrow->kinds_count);
}

bool torap_grant_falls_short(const struct torap_grant_row *granted, size_t granted_count,
	const struct torap_grant_row *expected, size_t expected_count)
{
	for (size_t i = 0; i < expected_count; i++) {
		bool covered = false;
		for (size_t k = 0; k < granted_count && !covered; k++)
			covered = row_covers(&granted[k], &expected[i]);
		if (!covered)
			return true;
	}
	return false;
}

static int numbers_decode(
	uint16_t **out, size_t *out_count, const uint32_t *in, size_t count, struct torap_error *err)
{
	if (count == 0)
		return 0;
	if (count > TORAP_GRANT_LIST_MAX)
		return torap_errorf(err, -EBADMSG, "a grant row lists %zu numbers", count);
	*out = malloc(count * sizeof **out);
	if (!*out)
		return torap_errorf(err, -ENOMEM, "out of memory");
	*out_count = count;
	for (size_t i = 0; i < count; i++) {
		if (in[i] > UINT16_MAX)
			return torap_errorf(err, -EBADMSG, "a grant row lists the number %u", in[i]);
		(*out)[i] = (uint16_t)in[i];
	}
	return 0;
}

static int row_decode(struct torap_grant_row *out, const Torap__GrantRow *in, struct torap_error *err)
{
	if (in->n_regions > TORAP_GRANT_LIST_MAX || in->severity_min > UINT8_MAX)
		return torap_errorf(err, -EBADMSG, "a grant row is out of range");
	if (in->n_regions) {
		out->regions = malloc(in->n_regions * sizeof *out->regions);
		if (!out->regions)
			return torap_errorf(err, -ENOMEM, "out of memory");
		out->regions_count = in->n_regions;
		for (size_t i = 0; i < in->n_regions; i++) {
			if (in->regions[i] > TORAP_REGION_MAX)
				return torap_errorf(
					err, -EBADMSG, "a grant row lists the region %u", in->regions[i]);
			out->regions[i] = in->regions[i];
		}
	}
	int r = numbers_decode(
		&out->facilities, &out->facilities_count, in->facilities, in->n_facilities, err);
	if (r)
		return r;
	r = numbers_decode(&out->kinds, &out->kinds_count, in->kinds, in->n_kinds, err);
	if (r)
		return r;
	out->severity_min = (uint8_t)in->severity_min;
	/* A part that this build does not know is one that it cannot send. */
	for (size_t i = 0; i < in->n_parts; i++)
		if (in->parts[i] >= TORAP__PART_KIND__PART_OPEN &&
			in->parts[i] <= TORAP__PART_KIND__PART_IMAGE)
			out->parts[in->parts[i]] = true;
	return 0;
}

int torap_grant_rows_decode(struct torap_grant_row **out, size_t *out_count, Torap__GrantRow *const *in,
	size_t count, struct torap_error *err)
{
	if (count > TORAP_GRANT_ROWS_MAX)
		return torap_errorf(err, -EBADMSG, "%zu grant rows", count);
	struct torap_grant_row *rows = calloc(count ? count : 1, sizeof *rows);
	if (!rows)
		return torap_errorf(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		int r = row_decode(&rows[i], in[i], err);
		if (r) {
			torap_grant_rows_destroy(rows, count);
			return r;
		}
	}
	*out = rows;
	*out_count = count;
	return 0;
}

void torap_grant_row_finish(struct torap_grant_row *row)
{
	free(row->regions);
	free(row->facilities);
	free(row->kinds);
	*row = (struct torap_grant_row){ 0 };
}

void torap_grant_rows_destroy(struct torap_grant_row *rows, size_t count)
{
	for (size_t i = 0; rows && i < count; i++)
		torap_grant_row_finish(&rows[i]);
	free(rows);
}

static uint32_t *widen(const uint16_t *in, size_t count)
{
	uint32_t *out = malloc((count ? count : 1) * sizeof *out);
	for (size_t i = 0; out && i < count; i++)
		out[i] = in[i];
	return out;
}

static bool form_row(Torap__GrantRow *out, const struct torap_grant_row *in)
{
	torap__grant_row__init(out);
	out->facilities = widen(in->facilities, in->facilities_count);
	out->kinds = widen(in->kinds, in->kinds_count);
	out->parts = calloc(3, sizeof *out->parts);
	if (!out->facilities || !out->kinds || !out->parts)
		return false;
	out->n_facilities = in->facilities_count;
	out->n_kinds = in->kinds_count;
	out->regions = in->regions;
	out->n_regions = in->regions_count;
	out->severity_min = in->severity_min;
	for (int k = TORAP__PART_KIND__PART_OPEN; k <= TORAP__PART_KIND__PART_IMAGE; k++)
		if (in->parts[k])
			out->parts[out->n_parts++] = (Torap__PartKind)k;
	return true;
}

bool torap_grant_form_make(struct torap_grant_form *f, const struct torap_grant_row *rows, size_t count)
{
	f->count = count;
	f->list = calloc(count ? count : 1, sizeof *f->list);
	f->rows = calloc(count ? count : 1, sizeof *f->rows);
	if (!f->list || !f->rows)
		return false;
	for (size_t i = 0; i < count; i++) {
		f->list[i] = &f->rows[i];
		if (!form_row(&f->rows[i], &rows[i]))
			return false;
	}
	return true;
}

void torap_grant_form_finish(struct torap_grant_form *f)
{
	for (size_t i = 0; f->rows && i < f->count; i++) {
		free(f->rows[i].facilities);
		free(f->rows[i].kinds);
		free(f->rows[i].parts);
	}
	free(f->list);
	free(f->rows);
	*f = (struct torap_grant_form){ 0 };
}
