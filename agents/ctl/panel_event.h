/* panel_event.h: what a simulated panel can tell: names for people, codes of SIA DC-03 and Contact ID. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl_panel_event {
	const char *name;        /* "panic" */
	const char *sia;         /* "PA" */
	const char *sia_end;     /* "PH"; NULL: it has no end */
	const char *cid;         /* "120" */
	char cid_begin, cid_end; /* qualifiers; arming is the 3 of 401 */
	bool user;               /* the number is a user's, not a zone's */
	unsigned weight;         /* in the mix of --panels */
};

/* The sign of life, which is no event. */
extern const struct ctl_panel_event ctl_panel_null;

/* NULL: no such name. */
const struct ctl_panel_event *ctl_panel_event_find(const char *name);
/* By number; NULL after the last. */
const struct ctl_panel_event *ctl_panel_event_at(size_t index);
/* One of the mix of an ordinary shift: mostly signs of life, arming and tests, few alarms. */
const struct ctl_panel_event *ctl_panel_event_draw(uint64_t random);
