#include "agents/ctl/trust_show.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/time.h"
#include "conf/trust.h"
#include "wire/kind_set.h"
#include "wire/taxonomy.h"

static void show_writer(const struct torap_trust_writer *w)
{
	char key[2 * TORAP_SIGN_KEY_SIZE + 1], region[TORAP_REGION_TEXT_SIZE];
	char from[TORAP_WALL_TEXT_SIZE], until[TORAP_WALL_TEXT_SIZE];
	printf("%s\n    regions:", w->id);
	for (size_t i = 0; i < w->regions_count; i++)
		printf(" %s", torap_region_format(w->regions[i], region));
	putchar('\n');
	for (size_t i = 0; i < w->curve_keys_count; i++)
		printf("    curve_key: %s\n",
			torap_hex(key, torap_bytes(w->curve_keys[i], TORAP_CURVE_KEY_SIZE)));
	for (size_t i = 0; i < w->keys_count; i++)
		printf("    key: %s from %s until %s\n",
			torap_hex(key, torap_bytes(w->keys[i].key, sizeof w->keys[i].key)),
			torap_wall_format(w->keys[i].from, from), torap_wall_format(w->keys[i].until, until));
}

/* As people write it, in the largest unit that gives a whole number. */
static void show_duration(const char *what, int64_t us)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = { { 365 * 86400, 'y' }, { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	if (us == TORAP_FOR_EVER)
		return;
	int64_t s = us / TORAP_US_PER_S;
	size_t u = 0;
	while (s % units[u].seconds)
		u++;
	printf(" %s %" PRId64 "%c", what, s / units[u].seconds, units[u].unit);
}

static bool is_whole_lane(const struct torap_retention_rule *rule)
{
	struct torap_kind_set all = { .count = 0 };
	torap_kind_set_add(&all, "*");
	torap_kind_set_keep_lane(&all, rule->lane);
	return rule->lane && rule->match.kinds_count == all.count;
}

static void show_rule(const struct torap_retention_rule *rule)
{
	const struct torap_grant_row *m = &rule->match;
	char region[TORAP_REGION_TEXT_SIZE], kinds[16 * TORAP_KINDS_MAX], number[16];
	printf("   ");
	if (rule->lane)
		printf(" lane %s;", torap_lane_name(rule->lane));
	if (m->kinds_count && !is_whole_lane(rule))
		printf(" kinds %s;", torap_kinds_format(m->kinds, m->kinds_count, kinds, sizeof kinds)
					     ? kinds
					     : "(more than can be shown)");
	for (size_t i = 0; i < m->facilities_count; i++) {
		const char *name = torap_facility_name(m->facilities[i]);
		snprintf(number, sizeof number, "%u", m->facilities[i]);
		printf("%s%s%s", i ? " " : " facilities ", name ? name : number,
			i + 1 < m->facilities_count ? "" : ";");
	}
	for (size_t i = 0; i < m->regions_count; i++)
		printf("%s%s%s", i ? " " : " regions ", torap_region_format(m->regions[i], region),
			i + 1 < m->regions_count ? "" : ";");
	if (m->severity_min && rule->lane != TORAP__LANE__LANE_CRITICAL) {
		const char *name = torap_severity_name(m->severity_min);
		snprintf(number, sizeof number, "%u", m->severity_min);
		printf(" severity from %s;", name ? name : number);
	}
	bool all = true;
	for (unsigned part = TORAP__PART_KIND__PART_OPEN; part <= TORAP__PART_KIND__PART_IMAGE; part++)
		all = all && m->parts[part];
	for (unsigned part = TORAP__PART_KIND__PART_OPEN; !all && part <= TORAP__PART_KIND__PART_IMAGE;
		part++)
		if (m->parts[part])
			printf(" %s part;", torap_part_name(part));
	show_duration("keep", rule->term.keep_us);
	show_duration("at most", rule->term.at_most_us);
	putchar('\n');
}

void ctl_trust_show(const struct torap_trust *t)
{
	for (size_t i = 0; i < t->writers_count; i++)
		show_writer(&t->writers[i]);
	if (t->retention.count)
		printf("retention\n");
	for (size_t i = 0; i < t->retention.count; i++)
		show_rule(&t->retention.list[i]);
}
