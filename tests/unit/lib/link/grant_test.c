#include <criterion/criterion.h>

#include "link/grant.h"

enum { OPEN = TORAP__PART_KIND__PART_OPEN, PERSONAL = TORAP__PART_KIND__PART_PERSONAL };

static const struct torap_class cell_panic = { .region = 391010000,
	.facility = TORAP__FACILITY__FACILITY_PRISON,
	.kind = TORAP__KIND__KIND_PANIC,
	.severity = TORAP__SEVERITY__SEVERITY_CRITICAL };

Test(grant, matches_all_with_empty_lists)
{
	struct torap_grant_row row = { .parts = { [OPEN] = true } };
	cr_assert(torap_grant_row_matches(&row, &cell_panic));
}

/* Each list in turn is the one that does not match. */
Test(grant, matches_only_when_every_list_does)
{
	uint32_t here[] = { 750000000, 390000000 }, elsewhere[] = { 392400000 };
	uint16_t prison[] = { TORAP__FACILITY__FACILITY_PRISON },
		 school[] = { TORAP__FACILITY__FACILITY_SCHOOL };
	uint16_t panic[] = { TORAP__KIND__KIND_PANIC }, fire[] = { TORAP__KIND__KIND_FIRE };
	struct torap_grant_row row = { .regions = here,
		.regions_count = 2,
		.facilities = prison,
		.facilities_count = 1,
		.kinds = panic,
		.kinds_count = 1,
		.severity_min = TORAP__SEVERITY__SEVERITY_CRITICAL };
	cr_assert(torap_grant_row_matches(&row, &cell_panic));
	struct torap_grant_row other = row;
	other.regions = elsewhere;
	other.regions_count = 1;
	cr_assert(!torap_grant_row_matches(&other, &cell_panic));
	other = row;
	other.facilities = school;
	cr_assert(!torap_grant_row_matches(&other, &cell_panic));
	other = row;
	other.kinds = fire;
	cr_assert(!torap_grant_row_matches(&other, &cell_panic));
	other = row;
	other.severity_min = TORAP__SEVERITY__SEVERITY_CRITICAL + 1;
	cr_assert(!torap_grant_row_matches(&other, &cell_panic));
}

Test(grant, unites_the_parts_of_matching_rows_and_of_no_others)
{
	uint16_t fire[] = { TORAP__KIND__KIND_FIRE };
	struct torap_grant_row rows[] = {
		{ .parts = { [OPEN] = true } },
		{ .kinds = fire, .kinds_count = 1, .parts = { [PERSONAL] = true } },
	};
	bool parts[4];
	cr_assert(torap_grant_parts(rows, 2, &cell_panic, parts));
	cr_assert(parts[OPEN] && !parts[PERSONAL]);
	struct torap_class burning = cell_panic;
	burning.kind = TORAP__KIND__KIND_FIRE;
	cr_assert(torap_grant_parts(rows, 2, &burning, parts));
	cr_assert(parts[OPEN] && parts[PERSONAL]);
}

Test(grant, gives_everyone_the_open_part_of_a_canary_and_nothing_else)
{
	struct torap_class canary = { .region = 751310000,
		.kind = TORAP__KIND__KIND_CANARY_CRITICAL,
		.severity = TORAP__SEVERITY__SEVERITY_CRITICAL };
	bool parts[4];
	cr_assert(torap_grant_parts(NULL, 0, &canary, parts));
	cr_assert(parts[OPEN] && !parts[PERSONAL]);
	cr_assert(!torap_grant_parts(NULL, 0, &cell_panic, parts));
}

Test(grant, touches_a_writer_when_either_region_covers_the_other)
{
	uint32_t oblast[] = { 390000000 }, city[] = { 391010000 }, almaty[] = { 750000000 };
	struct torap_grant_row row = { .regions = oblast, .regions_count = 1 };
	cr_assert(torap_grant_touches(&row, 1, city, 1));
	cr_assert(!torap_grant_touches(&row, 1, almaty, 1));
	row.regions = city;
	cr_assert(torap_grant_touches(&row, 1, oblast, 1));
	row.regions_count = 0;
	cr_assert(torap_grant_touches(&row, 1, almaty, 1));
}

Test(grant, tells_when_less_is_granted_than_expected)
{
	uint32_t oblast[] = { 390000000 }, city[] = { 391010000 };
	struct torap_grant_row wide = {
		.regions = oblast, .regions_count = 1, .parts = { [OPEN] = true, [PERSONAL] = true }
	};
	struct torap_grant_row narrow = { .regions = city, .regions_count = 1, .parts = { [OPEN] = true } };
	cr_assert(!torap_grant_falls_short(&wide, 1, &narrow, 1));
	cr_assert(!torap_grant_falls_short(&wide, 1, &wide, 1));
	cr_assert(torap_grant_falls_short(&narrow, 1, &wide, 1));
	struct torap_grant_row open_only = wide;
	open_only.parts[PERSONAL] = false;
	cr_assert(torap_grant_falls_short(&open_only, 1, &wide, 1));
	cr_assert(torap_grant_falls_short(NULL, 0, &narrow, 1));
}
