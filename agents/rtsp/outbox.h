/* outbox.h: reports that are not durable yet.
 *
 * A camera does not repeat what the node has not taken, so this agent does, in the order of each camera: what was refused waits a
 * while, what was offered when the node went is offered again when it is back, and what the node refuses, and refuses for a day, is
 * given up.  While the node is away, or has no room, nothing grows old. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/cameras.h"

struct rtsp_mass_note; /* mass.h */

enum { RTSP_OUTBOX_MAX = 1 << 17 }; /* that wait */

struct rtsp_told {
	uint64_t number;           /* 0: the slot is free */
	uint64_t camera;           /* its number */
	uint64_t next;             /* of the same camera; 0: none */
	struct rtsp_report report; /* holds a reference of what excuses it */
	struct rtsp_mass_note
		*mass; /* owned; not NULL: this is told, in the name of the camera, and no report */
	struct torap_wall at;
	struct torap_mono refused; /* since then the node refuses it; 0: it does not */
	struct torap_mono again;   /* not to be offered before */
	bool offered;
};

enum rtsp_answer { RTSP_TAKEN, RTSP_LATER, RTSP_REFUSED };

struct rtsp_outbox {
	struct rtsp_told *ring; /* owned; by number % room: numbers are left out whose slot is still taken */
	uint32_t room;
	uint64_t last; /* number that was given */
	uint32_t count;
	uint64_t lost;    /* no room, refused for a day, or of an outage that others would be told of */
	uint64_t changes; /* of what is durable: cameras' `told` */
	void *hint;
	/* What was told of an outage is durable, or was given up (its camera is gone, or another audience's now); not NULL when such is added. */
	void (*on_mass)(void *hint, const struct rtsp_mass_note *mass, bool durable);
};

/* False: there is no room, and the report is lost (and counted). */
bool rtsp_outbox_add(struct rtsp_outbox *b, struct rtsp_camera *camera, const struct rtsp_report *report,
	struct torap_wall at, struct torap_mono now);
/* The same for what is told of an outage in the name of the camera; *take is then NULL. */
bool rtsp_outbox_add_mass(struct rtsp_outbox *b, struct rtsp_camera *camera, struct rtsp_mass_note **take,
	struct torap_wall at, struct torap_mono now);
/* The next report that may be offered, from place *from on (begin with 0; it is then moved on).  NULL: none. */
struct rtsp_told *rtsp_outbox_next(struct rtsp_outbox *b, const struct rtsp_cameras *cameras, uint64_t *from,
	uint64_t *number, struct torap_mono now);
/* The node's verdict; what is refused waits, a day at most. */
void rtsp_outbox_verdict(struct rtsp_outbox *b, const struct rtsp_cameras *cameras, uint64_t number,
	enum rtsp_answer answer, struct torap_mono now);
void rtsp_outbox_finish(struct rtsp_outbox *b);
