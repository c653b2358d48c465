/* health.h: is this camera well?  From verdicts on pictures and ends of attempts to reports.  No I/O, no clock.
 *
 *     for each fault:   well --bad long and often enough--> OPEN --good long and often enough--> well
 *
 * Each change is one report.  A fault that opens flap_starts times within flap_window is held open, silently, until it stayed away
 * for flap_calm; its end tells how often it came.  While a camera is offline its other open faults stay open: nobody sees whether they
 * are over.  Open faults survive a restart (encode, decode), so that their ends are told. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/sight/fault.h"
#include "agents/rtsp/sight/judge.h"
#include "base/bytes.h"

struct kit_planned; /* agents/kit/plan.h */

struct rtsp_now {
	struct torap_mono mono;
	struct torap_wall wall;
};

struct rtsp_trouble { /* one fault of one camera */
	bool open;
	uint8_t bad, good;         /* in succession */
	uint8_t starts;            /* since window */
	uint16_t times;            /* how often it came back while it was held open */
	struct rtsp_now bad_since; /* the first of these bad ones */
	struct torap_mono good_since, window;
	enum rtsp_cause cause;
};

struct rtsp_health {
	struct rtsp_trouble troubles[RTSP_FAULTS];
	enum rtsp_outcome outcome; /* of the last attempt */
};

struct rtsp_report {
	enum rtsp_fault fault;
	bool start;    /* else its end */
	bool flapping; /* start: it will be held open until it stays away */
	enum rtsp_cause cause;
	enum rtsp_outcome outcome;   /* offline: how the last attempt ended */
	struct torap_wall since;     /* the first bad picture or attempt */
	uint16_t times;              /* end: how often it came, 1 or more */
	bool measured;               /* else `verdict` says nothing: offline */
	struct rtsp_verdict verdict; /* of the picture that decided */

	/* Set by tell.h: it was planned. */
	bool excused;
	struct kit_planned *planned; /* borrowed; NULL: not known any more by whom */
};

enum { RTSP_REPORTS_MAX = RTSP_FAULTS }; /* of one step */

/* A health of zeros is one of a camera that is well.
 * A picture was judged.  Returns how many reports were written to `out`, which has room for RTSP_REPORTS_MAX.
 * `recorder`: the camera stands behind one. */
unsigned rtsp_health_picture(struct rtsp_health *h, const struct rtsp_verdict *verdict, bool recorder,
	const struct rtsp_profile *profile, struct rtsp_now now, struct rtsp_report *out);
/* An attempt ended without a picture, or a session broke. */
unsigned rtsp_health_failure(struct rtsp_health *h, enum rtsp_outcome outcome, bool recorder,
	const struct rtsp_profile *profile, struct rtsp_now now, struct rtsp_report *out);

/* Of an attempt that ended so: why, most likely. */
enum rtsp_cause rtsp_health_cause(enum rtsp_outcome outcome, bool recorder);

/* Something may have begun or ended and needs more pictures: sample this camera again soon, not at its next turn. */
bool rtsp_health_undecided(const struct rtsp_health *h);
/* Bits of the open faults. */
uint32_t rtsp_health_open(const struct rtsp_health *h);

/* Open faults with their `since` and cause; at most 160 bytes. */
void rtsp_health_encode(const struct rtsp_health *h, struct torap_writer *w);
/* False: these bytes are none, or of another version; *out is then one of zeros.  `now`: times before the restart are not known. */
bool rtsp_health_decode(struct rtsp_health *out, struct torap_bytes bytes, struct rtsp_now now);
