/* judge.h: is this picture good, and what is wrong with it?
 *
 * A sight holds what a camera has to be compared with.  Judging is pure and takes some 0.1 ms; measuring (measure.h) may be done
 * on another thread before.  One fault of sight at most is named, the most telling one: black, white, uniform, frozen, moved, defocused.
 * Wrong size, rate and clock are named beside it. */
#pragma once

#include "agents/rtsp/sight/baseline.h"
#include "agents/rtsp/sight/fault.h"
#include "agents/rtsp/sight/measure.h"
#include "agents/rtsp/sight/profile.h"
#include "agents/rtsp/sight/roll.h"

struct rtsp_verdict {
	enum rtsp_fault sight; /* RTSP_GOOD, or RTSP_BLACK to RTSP_FROZEN */
	uint32_t faults;       /* bits of all faults of this picture: rtsp_fault_bit(); 0: good */
	uint32_t
		unknown; /* bits of those of which it says nothing: too short a look, no word of the camera's clock, its smaller stream */
	enum rtsp_cause cause; /* of `sight` */
	bool learning;         /* the baseline is too young: defocused and moved are not judged */
	bool stuck;            /* frozen: its timestamps do not advance either */
	bool first;            /* nothing was seen before it that it could be compared with */
	bool sub;              /* of the smaller stream, of which neither size nor rate is asked */

	/* Measurements: what a report tells. */
	float mean, deviation, noise, dark, bright, pale, flat, relief, steps;
	float sharpness, sharpness_usual; /* log2; equal when there is nothing to compare */
	struct rtsp_scene_match match;    /* judged 0: the scene was not compared */
	struct rtsp_roll roll;            /* degrees 0: it was not looked for, or there is none */
	int64_t unchanged_us;             /* since the last picture that had not been seen before */
	uint8_t changed;                  /* blocks that differ from the likest of the last pictures */
	int64_t clock_off_us;             /* camera's clock minus ours; 0 also when unknown */
	uint16_t width, height;
	uint32_t rate_mhz;
};

enum { RTSP_SEEN = 4 };

/* What was seen last.  Not kept over a restart. */
struct rtsp_history {
	bool any, any_good;
	bool sub; /* the last was of the smaller stream */
	uint32_t session;
	bool pts_known, rtp_known;
	int64_t pts_us;
	uint32_t rtp_time;
	uint8_t stuck; /* pictures of this session whose timestamps did not advance, in succession */
	struct torap_mono changed_at; /* arrival of the last picture that had not been seen before */
	uint16_t same;                /* pictures since */
	bool hiccup;                  /* the last one was new, after some that were not */
	uint8_t good;                 /* in succession; learning begins at three */
	float mean, sharpness;        /* of the last good picture */
	struct torap_mono good_at;
	uint8_t next; /* of `seen` to be replaced */
	struct rtsp_marks seen[RTSP_SEEN];
};

struct rtsp_sight {
	struct rtsp_baseline baseline;
	struct rtsp_history history;
};

/* A sight of zeros knows nothing.  Learns from the picture when it is good.  Call with the pictures of one camera in the order of their
 * arrival. */
void rtsp_judge(struct rtsp_verdict *out, struct rtsp_sight *sight, const struct rtsp_measure *m,
	const struct rtsp_profile *profile);
/* Bits of the faults that were not looked for in that picture: the profile ignores them or requires nothing, or too little is learned. */
uint32_t rtsp_judge_unasked(const struct rtsp_verdict *verdict, const struct rtsp_profile *profile);
/* The camera was turned on purpose, or replaced: begin anew. */
void rtsp_sight_forget(struct rtsp_sight *sight);
