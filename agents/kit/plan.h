/* plan.h: planned outages, from one file for all agents that watch devices: of what, from when until when, who ordered it and why.
 *
 *     outages:
 *       - { switch: sw-7, from: "2026-11-25T10:00:00+05:00", until: "2026-11-25T12:00:00+05:00", who: "akimat, order 114", why: "rewiring" }
 *
 * An outage names at least one of camera (its address), switch, recorder, street, site and region; where it names several, all must fit.
 * deploy/etc/planned.yaml is an example. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct torap_error;

enum { KIT_PLAN_OUTAGES_MAX = 65536 };

/* Where a device stands; "" and 0: nowhere that is known. */
struct kit_place {
	const char *camera, *site, *recorder, *switch_name, *street;
	uint32_t region;
};

/* One planned outage.  Counted, for it has to outlive its plan until what it excused is told. */
struct kit_planned {
	char *camera, *site, *recorder, *switch_name, *street; /* owned; NULL: any */
	bool in_region;
	uint32_t region; /* KATO: it and what lies in it */
	struct torap_wall from, until;
	char *who, *why;
	unsigned refs;
};
struct kit_planned *kit_planned_ref(struct kit_planned *p);   /* accepts NULL */
struct kit_planned *kit_planned_unref(struct kit_planned *p); /* accepts NULL, returns NULL */
bool kit_planned_concerns(const struct kit_planned *p, const struct kit_place *place);

struct kit_plan { /* zeros: nothing is planned */
	struct kit_planned **list;
	size_t count;
	struct kit_planned **active; /* of these, as of kit_plan_at() */
	size_t active_count;
};

/* path NULL: nothing is planned.  0, or a negative error with file, line and reason; *out is then untouched. */
int kit_plan_load(struct kit_plan *out, const char *path, struct torap_error *err);
void kit_plan_finish(struct kit_plan *p);
/* Finds out which of them hold now. */
void kit_plan_at(struct kit_plan *p, struct torap_wall now);
/* Of all, the first that concerned the place at that time; NULL: none. */
struct kit_planned *kit_plan_then(
	const struct kit_plan *p, const struct kit_place *place, struct torap_wall when);
/* Of those that hold now, the first that concerns the place; NULL: none. */
struct kit_planned *kit_plan_excuse(const struct kit_plan *p, const struct kit_place *place);
