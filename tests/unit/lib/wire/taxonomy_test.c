#include "wire/taxonomy.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Compares a table with its enum: each value but UNSPECIFIED has its name in lower case without prefix, and nothing else has. */
static void check(const ProtobufCEnumDescriptor *enumeration, const char *prefix,
	const char *(*name_of)(uint32_t), int (*number_of)(const char *))
{
	unsigned named = 0;
	for (unsigned i = 0; i < enumeration->n_values; i++) {
		const ProtobufCEnumValue *v = &enumeration->values[i];
		char expected[64] = "";
		cr_assert_eq(strncmp(v->name, prefix, strlen(prefix)), 0, "%s", v->name);
		for (size_t j = strlen(prefix), k = 0; v->name[j]; j++)
			expected[k++] = (char)tolower((unsigned char)v->name[j]);
		const char *name = name_of((uint32_t)v->value);
		if (strcmp(expected, "unspecified") == 0) {
			cr_expect_null(name);
			continue;
		}
		named++;
		cr_assert_not_null(name, "%s has no name", v->name);
		cr_expect_str_eq(name, expected);
		if (number_of)
			cr_expect_eq(number_of(name), v->value, "%s", name);
	}
	unsigned known = 0;
	for (uint32_t i = 0; i < 70000; i++)
		known += name_of(i) != NULL;
	cr_expect_eq(known, named);
	cr_expect_null(name_of(UINT32_MAX));
	if (number_of) {
		cr_expect_eq(number_of(""), -1);
		cr_expect_eq(number_of("unspecified"), -1);
		cr_expect_eq(number_of("Panic"), -1);
	}
}

Test(taxonomy, names_every_value_of_every_enum)
{
	check(&torap__kind__descriptor, "KIND_", torap_kind_name, torap_kind_number);
	check(&torap__facility__descriptor, "FACILITY_", torap_facility_name, torap_facility_number);
	check(&torap__severity__descriptor, "SEVERITY_", torap_severity_name, torap_severity_number);
	check(&torap__state__descriptor, "STATE_", torap_state_name, torap_state_number);
	check(&torap__lane__descriptor, "LANE_", torap_lane_name, torap_lane_number);
	check(&torap__part_kind__descriptor, "PART_", torap_part_name, torap_part_number);
}

/* One of each paragraph of proto/event.proto, and those whose own comment differs from its paragraph. */
Test(taxonomy, has_the_severities_of_the_contract)
{
	static const struct {
		const char *severity, *kinds;
	} due[] = {
		{ "critical", "panic duress holdup fire medical emergency gas canary_critical" },
		{ "high", "burglary tamper alarm door_forced fight plate_matched dangerous_driver "
			  "camera_mass_outage "
			  "body_tamper shed new_incarnation rights_exceeded history_changed" },
		{ "normal", "video_tamper schedule_missed camera_offline camera_wrong_clock recording_gap "
			    "body_silent "
			    "link_lost clock_off unmapped unknown_device" },
		{ "low", "battery_fault unknown audio access_denied" },
		{ "information",
			"access_granted log_full retention_report evidence_stored body_stream "
			"patrol_dispatch incident_opened node_up canary_normal access checkpoint motion "
			"canary_bulk plate_read" },
	};
	for (size_t i = 0; i < sizeof due / sizeof *due; i++) {
		char kinds[256], *rest = kinds;
		snprintf(kinds, sizeof kinds, "%s", due[i].kinds);
		for (char *kind; (kind = strtok_r(rest, " ", &rest));)
			cr_expect_str_eq(
				torap_severity_name(torap_kind_severity((uint32_t)torap_kind_number(kind))),
				due[i].severity, "%s", kind);
	}
	cr_expect_eq(torap_kind_severity(54321), TORAP__SEVERITY__SEVERITY_NORMAL);
}

Test(taxonomy, gives_each_class_its_lane)
{
	static const struct {
		uint16_t kind;
		uint8_t severity;
		const char *lane;
	} due[] = {
		{ 1, 5, "critical" },
		{ 1, 4, "normal" },
		{ 999, 4, "normal" },
		{ 1000, 1, "bulk" },
		{ 1000, 5, "critical" },
		{ 65535, 0, "bulk" },
		{ 0, 0, "normal" },
		{ 20, 6, "normal" },
	};
	for (size_t i = 0; i < sizeof due / sizeof *due; i++) {
		struct torap_class c = { 0, 0, due[i].kind, due[i].severity };
		cr_expect_str_eq(torap_lane_name(torap_class_lane(&c)), due[i].lane, "row %zu", i);
	}
}

Test(taxonomy, has_a_canary_that_flies_in_its_own_lane)
{
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		uint32_t kind = torap_lane_canary(lane);
		struct torap_class c = { 0, 0, (uint16_t)kind, (uint8_t)torap_kind_severity(kind) };
		cr_expect(torap_kind_is_canary(kind));
		cr_expect_eq(torap_class_lane(&c), lane);
	}
	cr_expect_not(torap_kind_is_canary(1));
	cr_expect_not(torap_kind_is_canary(0));
	cr_expect_eq(torap_lane_canary(0), 0);
}

Test(taxonomy, covers_regions_by_their_shortest_prefix)
{
	static const struct {
		uint32_t wide, region;
		bool covers;
	} due[] = {
		{ 392000000, 392410000, false }, /* "3920" is a level of its own */
		{ 391000000, 391610000, false },
		{ 390000000, 392410000, true },
		{ 390000000, 391610000, true },
		{ 390000000, 390000000, true },
		{ 0, 392410000, true },
		{ 0, 0, true },
		{ 750000000, 751310000, true },
		{ 710000000, 751310000, false },
		{ 751310000, 751310000, true },
		{ 751310000, 751310100, true }, /* "751310": six digits */
		{ 751310000, 751310999, true },
		{ 751310000, 751311000, false },
		{ 751300000, 751310000, true }, /* "7513": four */
		{ 751300000, 751400000, false },
		{ 751300000, 751300123, true },
		{ 751310001, 751310001, true },
		{ 751310001, 751310002, false },
		{ 390000000, 0, false },
		{ 10000000, 11234567, true }, /* "01" */
		{ 10000000, 110000000, false },
	};
	for (size_t i = 0; i < sizeof due / sizeof *due; i++)
		cr_expect_eq(torap_region_covers(due[i].wide, due[i].region), due[i].covers, "%09u over %09u",
			due[i].wide, due[i].region);
}

Test(taxonomy, reads_regions_of_exactly_nine_digits)
{
	static const char *const bad[] = { "", "39241000", "3924100000", "39241000a", " 92410000",
		"-92410000", "392410000 ", "+92410000" };
	uint32_t region = 7;
	char text[TORAP_REGION_TEXT_SIZE];
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_not(torap_region_parse(&region, bad[i]), "\"%s\"", bad[i]);
	cr_expect_eq(region, 7);
	cr_assert(torap_region_parse(&region, "010203004"));
	cr_expect_eq(region, 10203004);
	cr_expect_str_eq(torap_region_format(region, text), "010203004");
	cr_assert(torap_region_parse(&region, "999999999"));
	cr_expect_str_eq(torap_region_format(region, text), "999999999");
}

Test(taxonomy, covers_a_region_by_a_list_when_one_of_it_does)
{
	static const uint32_t wide[] = { 391010000, 750000000 };
	cr_expect(torap_regions_cover(wide, 2, 752110000));
	cr_expect_not(torap_regions_cover(wide, 1, 752110000));
	cr_expect_not(torap_regions_cover(wide, 0, 391010000));
}
