/* links.h: which links of writers, or to upstreams, are lost, and which of their comings and goings are worth an event.
 *
 * A link that goes is told at once, and its return too.  One that goes again within BROKER_LINK_SETTLED_MS of its return flaps: it then
 * counts as lost until it has stayed for so long, and meanwhile only another reason is told.  Without that a writer that is welcomed
 * and ended in a circle, by a full store or by its own fault, would fill the broker's stream.  No I/O, no clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum { BROKER_LINK_SETTLED_MS = 10000 };

struct broker_links;

struct broker_links *broker_links_create(void);                    /* NULL when memory ran out */
struct broker_links *broker_links_destroy(struct broker_links *l); /* accepts NULL, returns NULL */

/* It went, for a reason that is a constant.  True: that is to be told. */
bool broker_links_gone(
	struct broker_links *l, const char *writer, uint32_t lane, const char *reason, struct torap_mono now);
/* It came.  True: that is to be told.  The first coming after a start is none. */
bool broker_links_here(struct broker_links *l, const char *writer, uint32_t lane, struct torap_mono now);
/* Why it went last, and when.  NULL: it has not, since the start, or is here. */
const char *broker_links_lost(
	const struct broker_links *l, const char *writer, uint32_t lane, struct torap_mono *out_since);
/* Now and then: calls `back` for each link whose return was not told, and that has stayed. */
void broker_links_settle(struct broker_links *l, struct torap_mono now,
	void (*back)(void *hint, const char *writer, uint32_t lane), void *hint);
