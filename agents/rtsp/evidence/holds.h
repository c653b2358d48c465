/* holds.h: what is kept beyond its time, by whose word, and why: a file that people write.
 *
 *     holds:
 *       - { who: "Prosecutor's office, Kostanay", why: "case 4711", digest: "0f3a…" }
 *       - { who: …, why: …, until: 2027-06-01, site: school-12, from: 2026-11-26T08:00:00Z, to: 2026-11-26T09:00:00Z }
 *
 * A hold names a digest, an alarm ("node-a/critical/00f3… 17"), a camera (its address) or a site, and holds what fits all that it
 * names.  Without `until` it stands until the line goes. */
#pragma once

#include <stddef.h>

#include "agents/rtsp/evidence/item.h"

struct torap_error;

struct rtsp_hold {
	char *who, *why, *digest, *alarm, *camera, *site; /* owned; NULL: not named */
	struct torap_wall until, from, to;                /* 0: not named */
};

struct rtsp_holds {
	struct rtsp_hold *list; /* owned */
	size_t count;
};

/* A file that is not there is refused, too: nothing may be deleted for a name that was mistyped.  0, or a negative error with file, line and
 * reason. */
int rtsp_holds_load(struct rtsp_holds *out, const char *path, struct torap_error *err);
void rtsp_holds_finish(struct rtsp_holds *h);
/* The first that holds it; NULL: none does. */
const struct rtsp_hold *rtsp_holds_find(
	const struct rtsp_holds *h, const struct rtsp_item *item, struct torap_wall now);
