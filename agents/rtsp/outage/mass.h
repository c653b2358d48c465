/* mass.h: what is told of an outage of many, until it is durable: texts of its own, for cameras come and go meanwhile. */
#pragma once

#include "agents/rtsp/outage/outage.h"

struct rtsp_cameras;

enum { RTSP_MASS_FIELDS_MAX = 16 };

struct rtsp_mass_note {
	uint64_t share;
	uint64_t audience; /* who may read of its cameras */
	enum rtsp_mass_state state;
	struct torap_wall since;
	struct kit_planned *planned; /* a reference; NULL: it is not excused */
	char code[32];               /* "mass_outage start" */
	/* Two outages at once are two: "switch sw-7", "switch sw-7 unauthorised" of those that answer so, "switch sw-7 planned",
	 * "recorder nvr-3 frozen". */
	char zone[112];
	struct rtsp_mass_field {
		const char *name; /* static */
		char *value;      /* owned */
	} fields[RTSP_MASS_FIELDS_MAX];
	unsigned count;
};

/* NULL: no memory.  Cameras are named by their ids in the registry; a list of 500 of the longest fits, and what does not is counted. */
struct rtsp_mass_note *rtsp_mass_note_create(
	const struct rtsp_mass *mass, const struct rtsp_cameras *cameras);
void rtsp_mass_note_destroy(struct rtsp_mass_note *note); /* accepts NULL */
