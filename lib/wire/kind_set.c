#include "wire/kind_set.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "wire/taxonomy.h"

/* By rising number; a group ends where the next begins. */
static const struct group {
	const char *name;
	uint32_t first;
} groups[] = {
	{ "alarm", 1 },
	{ "condition", 40 },
	{ "routine", 100 },
	{ "camera", 120 },
	{ "recording", 140 },
	{ "body", 160 },
	{ "patrol", 180 },
	{ "incident", 200 },
	{ "bus", 300 },
	{ "oversight", 400 },
	{ "bulk", TORAP_KIND_BULK_FIRST },
	{ NULL, UINT16_MAX + 1 },
};

static const struct group *group_of(uint32_t kind)
{
	const struct group *g = groups;
	while (g[1].first <= kind)
		g++;
	return g;
}

static void insert(struct torap_kind_set *set, uint16_t kind)
{
	size_t at = 0;
	while (at < set->count && set->list[at] < kind)
		at++;
	if ((at < set->count && set->list[at] == kind) || set->count == TORAP_KINDS_MAX)
		return;
	memmove(&set->list[at + 1], &set->list[at], (set->count - at) * sizeof *set->list);
	set->list[at] = kind;
	set->count++;
}

bool torap_kind_set_add(struct torap_kind_set *set, const char *pattern)
{
	bool any = false;
	const char *dot = strchr(pattern, '.');
	for (int kind = torap_kind_next(0); kind > 0; kind = torap_kind_next((uint32_t)kind)) {
		const char *group = group_of((uint32_t)kind)->name;
		if (dot && (strncmp(pattern, group, (size_t)(dot - pattern)) != 0 ||
				   group[dot - pattern] != '\0'))
			continue;
		if (fnmatch(dot ? dot + 1 : pattern, torap_kind_name((uint32_t)kind), FNM_NOESCAPE) != 0)
			continue;
		insert(set, (uint16_t)kind);
		any = true;
	}
	return any;
}

void torap_kind_set_keep_lane(struct torap_kind_set *set, uint32_t lane)
{
	size_t kept = 0;
	for (size_t i = 0; i < set->count; i++) {
		bool bulk = set->list[i] >= TORAP_KIND_BULK_FIRST;
		if (lane == TORAP__LANE__LANE_CRITICAL || bulk == (lane == TORAP__LANE__LANE_BULK))
			set->list[kept++] = set->list[i];
	}
	set->count = kept;
}

static bool has(const uint16_t *kinds, size_t count, uint32_t kind)
{
	for (size_t i = 0; i < count; i++)
		if (kinds[i] == kind)
			return true;
	return false;
}

static bool holds_all(const uint16_t *kinds, size_t count, const struct group *g)
{
	for (int kind = torap_kind_next(g->first - 1); kind > 0 && (uint32_t)kind < g[1].first;
		kind = torap_kind_next((uint32_t)kind))
		if (!has(kinds, count, (uint32_t)kind))
			return false;
	return true;
}

char *torap_kinds_format(const uint16_t *kinds, size_t count, char *text, size_t room)
{
	size_t used = 0;
	const struct group *said = NULL; /* in full */
	if (room > 0)
		*text = '\0';
	for (size_t i = 0; i < count; i++) {
		const struct group *g = group_of(kinds[i]);
		const char *name = torap_kind_name(kinds[i]), *space = used ? " " : "";
		int n;
		if (name && g == said)
			continue;
		if (name && holds_all(kinds, count, g)) {
			said = g;
			n = snprintf(text + used, room - used, "%s%s.*", space, g->name);
		} else if (name) {
			n = snprintf(text + used, room - used, "%s%s", space, name);
		} else {
			n = snprintf(text + used, room - used, "%s%u", space, kinds[i]);
		}
		if (n < 0 || (size_t)n >= room - used)
			return NULL;
		used += (size_t)n;
	}
	return text;
}
