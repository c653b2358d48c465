/* schedule.h: whose turn is it, and for what?  Pure: told `now` and a random number.
 *
 * A turn is a look, for a picture, or a glance: whether the camera answers.  Looks are a period apart; the time between two is divided into
 * as few equal steps as are no longer than `alive`, and the turns in between are glances.  Who was never looked at, failed, or is wanted
 * sooner than its next moment is looked at.
 *
 * Each camera has a moment of its own in the period, by its place in the list, so that connects are spread evenly and stay so: also
 * when all failed together and came back together.  At most
 * `parallel` cameras are at it at a time, and at most `per_recorder` of one recorder; whoever has to wait for that keeps its
 * turn.  Who failed comes again sooner than its period at first, then ever later, at random within a quarter.
 *
 * While there is no room for looks, glances have their turns all the same, and looks wait in their order. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum { RTSP_NOBODY = UINT32_MAX };

struct rtsp_schedule_limits {
	int64_t period_us; /* between two looks at a camera that is well */
	int64_t retry_us;  /* after a first failure; doubled after each further one */
	int64_t retry_us_max;
	uint32_t parallel;     /* at it at a time */
	uint32_t per_recorder; /* of these, of one recorder */
	int64_t alive_us;      /* between two turns at most; 0, or not less than period_us: no glances */
};

struct rtsp_turn {
	uint32_t recorder; /* a number; RTSP_NOBODY: none */
	enum {
		RTSP_TURN_OFF,
		RTSP_TURN_DUE,
		RTSP_TURN_HELD_BACK, /* for its recorder */
		RTSP_TURN_LATE,      /* held back, for there is no room for looks */
		RTSP_TURN_AT_IT,
		RTSP_TURN_SETTLED,
	} state;
	struct torap_mono due;
	struct torap_mono moment; /* one of its own moments: the others are whole periods away */
	struct torap_mono looked; /* when it was last its turn to be looked at */
	uint32_t place;           /* in the heap */
	uint32_t next;            /* of those held back */
	uint8_t failures;
	bool wanted; /* its turn, or the next one while it is glanced at, is a look */
	bool glance; /* the turn that it is at */
};

struct rtsp_line { /* held back, in their order */
	uint32_t first, last;
};

struct rtsp_recorder {
	uint32_t at_it;
	struct rtsp_line line;
};

struct rtsp_schedule {
	struct rtsp_schedule_limits limits;
	struct rtsp_turn *turns; /* owned, by the camera's number */
	struct rtsp_recorder *recorders;
	struct rtsp_line late;
	uint32_t *heap;
	uint32_t room, recorders_room, heap_count, at_it;
};

/* For cameras 0 … room - 1 and recorders 0 … recorders - 1.  0 or -ENOMEM. */
int rtsp_schedule_init(struct rtsp_schedule *s, uint32_t room, uint32_t recorders);
void rtsp_schedule_finish(struct rtsp_schedule *s);

/* Puts the camera in: its first turn is `share` (0 to 1) of a period from now. */
void rtsp_schedule_add(
	struct rtsp_schedule *s, uint32_t camera, uint32_t recorder, double share, struct torap_mono now);
/* Takes the camera over from a schedule that is given up, wherever it stands there: the list or the limits have changed. */
void rtsp_schedule_move(
	struct rtsp_schedule *s, const struct rtsp_schedule *from, uint32_t camera, uint32_t recorder);
/* Whose turn it is, who is now at it; RTSP_NOBODY.  Not `looks`: there is no room for them, only glances are wanted. */
uint32_t rtsp_schedule_take(struct rtsp_schedule *s, struct torap_mono now, bool looks);
/* The camera that is at it needs no look. */
bool rtsp_schedule_glances(const struct rtsp_schedule *s, uint32_t camera);
/* Somebody waits for a look at it: its turn is now, before all others, if it is not looked at already.  The limits hold all the same. */
void rtsp_schedule_hurry(struct rtsp_schedule *s, uint32_t camera, struct torap_mono now);
/* It came through and stays connected: makes room for others, and has no turn until it is done. */
void rtsp_schedule_settle(struct rtsp_schedule *s, uint32_t camera);
/* It is done; its next turn is at its next moment, or sooner when it `failed` or the caller wants it (`soon`). */
void rtsp_schedule_done(struct rtsp_schedule *s, uint32_t camera, bool failed, bool soon, uint32_t random,
	struct torap_mono now);
/* Whoever waits for its turn has it now, for a look; whoever is glanced at, right after that.  Others are looked at, or connected, anyway. */
void rtsp_schedule_soon(struct rtsp_schedule *s, uint32_t camera, struct torap_mono now);
/* When somebody's turn comes, at the earliest; INT64_MAX: nobody's. */
struct torap_mono rtsp_schedule_next(const struct rtsp_schedule *s);
