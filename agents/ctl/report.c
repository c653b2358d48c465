/* torap report: tables out of what `torap follow` received. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/ctl/command.h"
#include "agents/ctl/retention_table.h"
#include "agents/follow/search.h"
#include "base/error.h"
#include "base/time.h"
#include "loop/app.h"
#include "wire/taxonomy.h"

static const char retention_help[] =
	"usage: torap report retention DIR [--region CODE] [--day DATE] [--csv] [--cameras]\n"
	"\n"
	"What recorders keep of their cameras, by region and facility: the newest report of each camera in DIR, where\n"
	"`torap follow` receives.  A site complies when each of its cameras does; it is below the term when one of them is, and\n"
	"stores nothing when all do.  \"gaps\": the earliest day is old enough, days between are missing.  Also while `torap follow`\n"
	"runs.  A camera of which nothing was told for three days is unknown.  Exit status: 0, or 1 when DIR cannot be read or\n"
	"holds what cannot be.\n"
	"\n"
	"    --region CODE   a KATO code, or its first 2, 4 or 6 digits: 39 is Kostanay's region\n"
	"    --day DATE      reports of this day, 2026-11-25, however old; else the newest of each camera\n"
	"    --csv           for spreadsheets\n"
	"    --cameras       a line for each camera instead\n";

enum { FRESH_DAYS = 4 }; /* the report of a day comes on the next; three more may be missed */

struct report {
	const char *day; /* or NULL */
	uint32_t region; /* what it covers counts */
	bool csv;
	struct retention_table *table;
};

static const char *detail(const Torap__EventOpen *e, const char *name)
{
	for (size_t i = 0; i < e->n_detail; i++)
		if (strcmp(e->detail[i]->name, name) == 0)
			return e->detail[i]->value;
	return "";
}

static uint32_t number(const Torap__EventOpen *e, const char *name)
{
	return (uint32_t)strtoul(detail(e, name), NULL, 10);
}

/* What a node wrote goes to a terminal and into spreadsheets. */
static bool is_day(const char *text)
{
	return strlen(text) == 10 && strspn(text, "0123456789-") == 10;
}

static int on_event(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event)
{
	const struct report *r = hint;
	const Torap__EventOpen *e = event->open;
	const struct torap_class *class = &event->group->class;
	const char *day = detail(e, "day");
	if (!is_day(day) || !torap_region_covers(r->region, class->region) ||
		(r->day && strcmp(r->day, day) != 0))
		return 0;
	struct retention_row row = {
		.writer = stream->writer,
		.site = e->site,
		.device = e->device,
		.day = day,
		.region = class->region,
		.facility = class->facility,
		.verdict = retention_verdict_of(detail(e, "verdict")),
		.recorded_min = number(e, "recorded_min"),
		.excused_min = number(e, "excused_min"),
		.missing_min = number(e, "missing_min"),
		.held_days = number(e, "held_days"),
		.asked_days = number(e, "asked_days"),
	};
	return retention_table_add(r->table, &row);
}

static const char *facility_name(uint32_t facility, char text[static 16])
{
	const char *name = torap_facility_name(facility);
	snprintf(text, 16, "%u", facility);
	return name ? name : text;
}

static void print_line(
	const struct report *r, const char *region, const char *facility, const struct retention_line *l)
{
	printf(r->csv ? "%s,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
			",%" PRIu64 ",%" PRIu64 "\n"
		      : "%-10s %-15s %7" PRIu64 " %8" PRIu64 " %10" PRIu64 " %6" PRIu64 " %11" PRIu64
			" %16" PRIu64 " %8" PRIu64 " %15" PRIu64 "\n",
		region, facility, l->sites, l->cameras, l->of[RETENTION_COMPLIANT], l->of[RETENTION_GAPS],
		l->of[RETENTION_BELOW], l->of[RETENTION_NOTHING], l->of[RETENTION_UNKNOWN], l->missing_min);
}

static int print_table(const struct report *r)
{
	struct retention_line sum;
	size_t count;
	const struct retention_line *lines = retention_table_lines(r->table, &count, &sum);
	if (!lines)
		return ctl_fail("out of memory");
	printf(r->csv ? "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n"
		      : "%-10s %-15s %7s %8s %10s %6s %11s %16s %8s %15s\n",
		"region", "facility", "sites", "cameras", "compliant", "gaps", "below term",
		"storing nothing", "unknown", "missing minutes");
	for (size_t i = 0; i < count; i++) {
		char region[TORAP_REGION_TEXT_SIZE], facility[16];
		print_line(r, torap_region_format(lines[i].region, region),
			facility_name(lines[i].facility, facility), &lines[i]);
	}
	if (!r->csv)
		print_line(r, "all", "", &sum);
	return 0;
}

static void print_camera(void *hint, const struct retention_row *c)
{
	static const char *const words[RETENTION_VERDICTS] = { "storing nothing", "below term", "gaps",
		"unknown", "compliant" };
	const struct report *r = hint;
	char region[TORAP_REGION_TEXT_SIZE], facility[16];
	printf(r->csv ? "%s,%s,%s,%s,%s,%s,%u,%u,%u,%u,%u\n"
		      : "%-10s %-15s %-24s %-24s %-10s %-15s %5u of %-5u %8u %7u %7u\n",
		torap_region_format(c->region, region), facility_name(c->facility, facility), c->site,
		c->device, c->day, words[c->verdict], c->held_days, c->asked_days, c->recorded_min,
		c->excused_min, c->missing_min);
}

static void print_cameras(struct report *r)
{
	printf(r->csv ? "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n"
		      : "%-10s %-15s %-24s %-24s %-10s %-15s %5s of %-5s %8s %7s %7s\n",
		"region", "facility", "site", "device", "day", "verdict", "held", r->csv ? "asked" : "days",
		"recorded", "excused", "missing");
	retention_table_cameras(r->table, print_camera, r);
}

/* "39" → 390000000.  False: no code; one digit, or an odd number of them, are the beginning of nothing. */
static bool region_from(const char *text, uint32_t *out)
{
	char whole[] = "000000000";
	size_t size = strlen(text);
	if (size != 2 && size != 4 && size != 6 && size != 9)
		return false;
	memcpy(whole, text, size);
	return torap_region_parse(out, whole);
}

/* The oldest day whose reports still tell what is kept. */
static void expire(const struct report *r)
{
	const int64_t fresh_us = (int64_t)FRESH_DAYS * 86400 * TORAP_US_PER_S;
	char oldest[TORAP_WALL_TEXT_SIZE];
	torap_wall_format((struct torap_wall){ torap_app_wall().us - fresh_us }, oldest);
	oldest[10] = '\0';
	retention_table_expire(r->table, oldest);
}

static int retention(int argc, char **argv)
{
	const char *region = NULL, *csv = NULL, *cameras = NULL;
	struct report r = { .region = 0 };
	const struct ctl_option table[] = { { "--region=", &region }, { "--day=", &r.day }, { "--csv", &csv },
		{ "--cameras", &cameras }, { NULL, NULL } };
	int words = ctl_options("report retention", table, retention_help, 1, argc, argv);
	if (words < 0)
		return 2;
	if (words == 0)
		return ctl_misuse("report retention", "DIR is needed");
	if (region && !region_from(region, &r.region))
		return ctl_misuse(
			"report retention", "\"%s\" is no KATO code, nor the beginning of one", region);
	struct torap_wall parsed;
	if (r.day && (!is_day(r.day) || torap_wall_parse(&parsed, r.day, NULL)))
		return ctl_misuse("report retention", "\"%s\" is no day such as 2026-11-25", r.day);
	struct torap_error err;
	if (retention_table_create(&r.table, &err))
		return ctl_fail("%s", err.text);
	r.csv = csv != NULL;
	const struct follow_search search = {
		.dir = argv[1], .kind = TORAP__KIND__KIND_RETENTION_REPORT, .each = on_event, .hint = &r
	};
	uint64_t damaged;
	int status = 0;
	int failed = follow_search(&search, &damaged, &err);
	if (!failed && !r.day)
		expire(&r);
	if (failed)
		status = ctl_fail("%s", err.text);
	else if (cameras)
		print_cameras(&r);
	else
		status = print_table(&r);
	if (status == 0 && damaged)
		status = ctl_fail("%" PRIu64
				  " batches cannot be read and are not in it; torap verify names them",
			damaged);
	retention_table_destroy(r.table);
	return status;
}

int ctl_report(int argc, char **argv)
{
	static const struct ctl_command table[] = {
		{ "retention", "what recorders keep of their cameras, by region and facility", retention },
		{ NULL, NULL, NULL },
	};
	return ctl_dispatch(table, "report", argc, argv);
}
