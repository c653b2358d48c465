/* baseline.h: what one camera is like when it is well: by hour of day, and its scene by day and by night.
 *
 * Bounded: a camera has RTSP_BASELINE_SIZE_MAX bytes of it at most, in memory and in a file.  It is learned from good pictures only
 * (judge.h decides) and never from the first after a fault. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/sight/measure.h"
#include "base/bytes.h"

enum {
	RTSP_SCENES = 2, /* by day and by night, usually */
	RTSP_BASELINE_SIZE_MAX = 4096,
};

/* Of an hour, UTC.  What it says is the average of the last pictures, some thousand of them. */
struct rtsp_hour {
	uint16_t count, sharp; /* pictures; those with a sharpness.  They stay at their highest */
	float sharpness, sharpness_spread;
	float structured, flat, mean;
};

struct rtsp_reference {
	uint16_t count;       /* pictures; 0: not there */
	float mean, likeness; /* usual brightness, usual likeness of a good picture */
	struct rtsp_scene scene;
};

struct rtsp_baseline {
	struct rtsp_hour hours[24];
	struct rtsp_reference scenes[RTSP_SCENES];
};

/* What is usual at this hour: of it and its neighbours.  Without them, of all hours, and then `foreign`. */
struct rtsp_usual {
	unsigned count, sharp; /* as above; 0: nothing is known */
	bool foreign;
	float sharpness, structured;        /* the least of them */
	float sharpness_spread, flat, mean; /* the largest of them; mean: their average */
};

/* A baseline of zeros has learned nothing. */
void rtsp_baseline_learn(struct rtsp_baseline *b, const struct rtsp_measure *m);
struct rtsp_usual rtsp_baseline_usual(const struct rtsp_baseline *b, struct torap_wall now);
/* The reference that this picture is to be compared with, likest of those made in such light; NULL: there is none at all. */
const struct rtsp_reference *rtsp_baseline_reference(
	const struct rtsp_baseline *b, const struct rtsp_measure *m);

void rtsp_baseline_encode(const struct rtsp_baseline *b, struct torap_writer *w);
/* False: these bytes are none, or of another version; *out is then one of zeros. */
bool rtsp_baseline_decode(struct rtsp_baseline *out, struct torap_bytes bytes);
