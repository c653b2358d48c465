#include "wire/kind_set.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "wire/taxonomy.h"

/* What the patterns (with spaces between) stand for, in short words again. */
static void check(const char *patterns, const char *names)
{
	struct torap_kind_set set = { .count = 0 };
	char copy[128], got[512] = "";
	snprintf(copy, sizeof copy, "%s", patterns);
	for (char *save, *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save))
		cr_expect(torap_kind_set_add(&set, p), "%s fits nothing", p);
	for (size_t i = 0; i < set.count; i++) {
		if (i)
			strcat(got, " ");
		strcat(got, torap_kind_name(set.list[i]));
	}
	cr_expect_str_eq(got, names, "%s", patterns);
}

Test(kind_set, writes_patterns_out)
{
	check("panic", "panic");
	check("alarm.p*", "panic plate_matched");
	check("alarm.panic panic", "panic");
	check("canary_*", "canary_critical canary_normal canary_bulk");
	check("recording.* fire",
		"fire retention_report recording_gap evidence_stored evidence_missing evidence_deleted");
	check("door_?e*", "door_held");
	check("passage motion", "motion passage");
}

Test(kind_set, refuses_what_fits_no_kind)
{
	static const char *const bad[] = { "", "party", "Panic", ".", "alarm.", ".panic", "*.panic",
		"alarms.*", "alarm.motion", "al.*", "alarm.*.x", "1" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct torap_kind_set set = { .count = 0 };
		cr_expect_not(torap_kind_set_add(&set, bad[i]), "\"%s\" was taken", bad[i]);
		cr_expect_eq(set.count, 0);
	}
}

/* Each kind is in one group, with its paragraph of proto/event.proto, and all of them fit into a set. */
Test(kind_set, has_every_kind_in_one_group)
{
	static const char *const groups[] = { "alarm.*", "condition.*", "routine.*", "camera.*",
		"recording.*", "body.*", "patrol.*", "incident.*", "bus.*", "oversight.*", "bulk.*" };
	struct torap_kind_set all = { .count = 0 }, united = { .count = 0 };
	size_t sum = 0;
	cr_assert(torap_kind_set_add(&all, "*"));
	cr_assert_lt(all.count, TORAP_KINDS_MAX);
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		struct torap_kind_set one = { .count = 0 };
		char text[512];
		cr_assert(torap_kind_set_add(&one, groups[i]));
		cr_assert(torap_kind_set_add(&united, groups[i]));
		cr_expect_str_eq(torap_kinds_format(one.list, one.count, text, sizeof text), groups[i]);
		sum += one.count;
	}
	cr_expect_eq(sum, all.count);
	cr_expect_eq(united.count, all.count);
	check("alarm.*",
		"panic duress holdup fire medical emergency gas burglary tamper alarm door_forced fight "
		"plate_matched dangerous_driver");
}

Test(kind_set, is_said_in_few_words)
{
	static const uint16_t some[] = { 1, 4, 140, 141, 142, 143, 144, 180, 40000 };
	char text[64], little[12];
	cr_expect_str_eq(
		torap_kinds_format(some, 9, text, sizeof text), "panic fire recording.* patrol.* 40000");
	cr_expect_null(torap_kinds_format(some, 9, little, sizeof little));
	cr_expect_str_eq(torap_kinds_format(some, 0, text, sizeof text), "");
}

Test(kind_set, leaves_what_travels_in_a_lane)
{
	struct torap_kind_set set = { .list = { 1, 103, 1000, 1009 }, .count = 4 };
	torap_kind_set_keep_lane(&set, TORAP__LANE__LANE_CRITICAL);
	cr_expect_eq(set.count, 4, "a table may make any kind critical");
	torap_kind_set_keep_lane(&set, TORAP__LANE__LANE_BULK);
	cr_expect(set.count == 2 && set.list[0] == 1000);
	torap_kind_set_keep_lane(&set, TORAP__LANE__LANE_NORMAL);
	cr_expect_eq(set.count, 0);
}
