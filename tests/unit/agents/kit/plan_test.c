#include "agents/kit/plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/kit/temporary.h"

static struct kit_plan plan;
static struct torap_error err;

static int load(const char *text)
{
	char dir[64], path[96];
	temporary_dir(dir, sizeof dir, "plan");
	snprintf(path, sizeof path, "%s/p.yaml", dir);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	fclose(f);
	int r = kit_plan_load(&plan, path, &err);
	unlink(path);
	rmdir(dir);
	return r;
}

static const struct kit_place place = { .camera = "cam-1",
	.site = "school-7",
	.recorder = "nvr-1",
	.switch_name = "sw-1",
	.street = "abay",
	.region = 391610000 };

#define WHEN ", from: 2026-01-01, until: 2026-01-03, who: \"order 5\", why: rewiring }\n"

static bool excuses(const char *scope, const struct kit_place *where, const char *when)
{
	char text[512];
	struct torap_wall now;
	cr_assert_eq(torap_wall_parse(&now, when, NULL), 0);
	snprintf(text, sizeof text, "outages:\n  - { %s" WHEN, scope);
	cr_assert_eq(load(text), 0, "%s", err.text);
	kit_plan_at(&plan, now);
	struct kit_planned *p = kit_plan_excuse(&plan, where);
	bool found = p && strcmp(p->who, "order 5") == 0 && strcmp(p->why, "rewiring") == 0;
	kit_plan_finish(&plan);
	return found;
}

Test(plan, the_example_is_good)
{
	cr_expect_eq(kit_plan_load(&plan, "deploy/etc/planned.yaml", &err), 0, "%s", err.text);
	cr_expect_eq(plan.count, 1);
	kit_plan_finish(&plan);
}

Test(plan, without_a_file_nothing_is_planned)
{
	cr_expect_eq(kit_plan_load(&plan, NULL, &err), 0);
	kit_plan_at(&plan, (struct torap_wall){ 1 });
	cr_expect_null(kit_plan_excuse(&plan, &place));
	kit_plan_finish(&plan);
}

Test(plan, excuses_what_it_names_and_while_it_lasts)
{
	static const char *const scopes[] = { "camera: cam-1", "site: school-7", "recorder: nvr-1",
		"switch: sw-1", "street: abay", "region: \"391610000\"", "region: \"390000000\"",
		"region: \"000000000\"", "site: school-7, switch: sw-1" };
	static const char *const others[] = { "camera: cam-2", "site: school", "recorder: nvr-2",
		"switch: sw", "street: abaya", "region: \"391620000\"", "region: \"392000000\"",
		"site: school-7, switch: sw-2" };
	for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
		cr_expect(excuses(scopes[i], &place, "2026-01-02"), "%s", scopes[i]);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		cr_expect_not(excuses(others[i], &place, "2026-01-02"), "%s", others[i]);
	cr_expect(excuses("camera: cam-1", &place, "2026-01-01"));
	cr_expect_not(excuses("camera: cam-1", &place, "2025-12-31T23:59:59Z"));
	cr_expect_not(excuses("camera: cam-1", &place, "2026-01-03"), "it is over");
}

/* A device of which only the name is known is in no region, not in all. */
Test(plan, does_not_excuse_what_stands_nowhere)
{
	const struct kit_place nowhere = {
		.camera = "a", .site = "", .recorder = "", .switch_name = "", .street = ""
	};
	cr_expect_not(excuses("region: \"000000000\"", &nowhere, "2026-01-02"));
}

Test(plan, outlives_the_file_as_long_as_somebody_refers_to_it)
{
	cr_assert_eq(load("outages:\n  - { site: a" WHEN), 0, "%s", err.text);
	struct kit_planned *p = kit_planned_ref(plan.list[0]);
	kit_plan_finish(&plan);
	cr_expect_str_eq(p->why, "rewiring");
	cr_expect_null(kit_planned_unref(p));
}

Test(plan, what_is_wrong_is_named_with_its_line)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{ "outages:\n  - { from: 2026-01-01, until: 2026-01-02, who: a, why: b }\n",
			"p.yaml:2: an outage names a camera" },
		{ "outages:\n  - { site: a" WHEN
		  "  - { site: a, from: 2026-01-02, until: 2026-01-01, who: a, why: b }\n",
			"p.yaml:3: it ends before" },
		{ "outages:\n  - { site: a, from: yesterday, until: 2026-01-01, who: a, why: b }\n",
			"p.yaml:2: " },
		{ "outages:\n  - { site: a, from: 2026-01-01, until: 2026-01-02, who: a }\n", "why" },
		{ "outages:\n  - { region: \"39\"" WHEN, "p.yaml:2: \"39\" is no KATO code" },
		{ "outages:\n  - { sites: a" WHEN, "sites" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_expect_neq(load(rows[i].text), 0, "%s", rows[i].text);
		cr_expect(strstr(err.text, rows[i].reason), "%s", err.text);
	}
}
