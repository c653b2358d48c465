/* outage.h: cameras that have a fault together, for one cause, become one report.  Stands between health, which says of each camera when a fault
 * of it begins and is over, and what is told.  No I/O, no clock.  Inside: the cameras (members.c), each outage
 * (course.h), and what is told of it (share.h).
 *
 * Of each fault for itself: offline, black, frozen and so on (fault.h).  So a camera can be in an outage for each fault that it has; a recorder
 * that freezes, and dies later, is two.  "Dark" is who has the fault still.
 *
 *     FREE --a fault--> HELD --nothing explains it, or the hold is over--> TOLD (by itself) --back--> FREE
 *                       HELD --a group explains it--> IN (an outage) --back--> FREE (and was in it) --the fault--> IN
 *                                                     IN --the outage is over--> HELD, and so told by itself or in another
 *
 * A group explains a camera when at least `cameras` of it fail in the same way, and at least `share` of those that were looked at since half of
 * these had failed (explain.h).  A camera whose groups cannot explain it any more is told at once; a hold is never longer than `hold`, or twice
 * that for the rest of a group that explains it.  As soon as a camera failed twice, or had two bad pictures, some others of its groups are looked at,
 * and all of a group that explains it: so a dead switch is known within seconds, not within a period.
 *
 * Who may read of one camera may not read of each: an outage is told to each audience (groups.h) in a report of its own, which names the cameras of
 * that one only, its share.  What explains an outage, and when it is over, is decided for all shares together; one of which nobody is dark any
 * more ends before the others.
 *
 * A fault is explained by the same fault only; cameras that answer, and wrongly (a password, a path), are never counted with such that are silent,
 * nor excused ones with others.
 *
 * An outage is over when nobody of it is dark, or few (`back`, or less than `cameras`) for `settle` since the last came back.  Who
 * joins it later is told within `join`, who leaves it early when no more did for `settle`: as a change, with the names. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/outage/groups.h"
#include "agents/rtsp/sight/health.h"

struct kit_planned; /* agents/kit/plan.h */

struct rtsp_outage_limits {
	uint32_t cameras;  /* so many at least are an outage; 0: each camera is told by itself */
	float share, back; /* 0 to 1 */
	int64_t hold_us, settle_us, join_us;
};
extern const struct rtsp_outage_limits rtsp_outage_limits_default;

enum { RTSP_NO_SHARE = UINT32_MAX };

struct rtsp_seat {       /* a camera */
	uint64_t number; /* 0: no camera has this slot */
	uint64_t audience;
	struct rtsp_member *members; /* owned: of each fault that there is something of */
	uint32_t unasked;            /* faults that nobody looks for in its pictures: rtsp_fault_bit() */
	struct torap_mono seen_at;   /* its last picture; 0: none yet */
	struct torap_mono well_at[RTSP_FAULTS]; /* it had not this fault; 0: never */
};

/* A camera, as of one fault that it has, or is suspected of, or has lately had in an outage that is open: few have any. */
struct rtsp_member {
	struct rtsp_member *next; /* the same camera's, of another fault */
	enum rtsp_fault fault;
	enum { RTSP_MEMBER_FREE, RTSP_MEMBER_HELD, RTSP_MEMBER_TOLD, RTSP_MEMBER_IN } state;
	uint32_t share;                  /* that it is or was in: place in the list; RTSP_NO_SHARE */
	bool untold;                     /* it joined or left that since it was last told of */
	bool excused;                    /* as of this step: something is planned */
	bool flapping;                   /* HELD, IN: as its own report would say */
	uint8_t failures;                /* attempts or pictures, in succession */
	enum rtsp_outcome outcome;       /* offline: of the last failure */
	struct torap_mono failing_since; /* if failures */
	struct torap_mono deadline;      /* HELD */
	/* HELD, IN: what its own report would say. */
	struct torap_wall since;
	enum rtsp_cause cause;
	enum rtsp_outcome reported;
	struct rtsp_verdict *verdict; /* owned; NULL: nothing was measured, or it is not known any more */
};

/* What fails together: one fault; offline also in one way. */
struct rtsp_what {
	enum rtsp_fault fault;
	enum rtsp_outcome kind; /* offline: rtsp_outcome_kind(); else RTSP_OUTCOME_PICTURE */
	bool excused;
};

struct rtsp_outage { /* one cause */
	enum rtsp_common common;
	char *name; /* owned */
	uint32_t group;
	struct rtsp_what what;
	enum rtsp_cause cause;
	struct torap_wall began;
	uint32_t members, dark, before;        /* before: of the group, told by themselves when it began */
	uint32_t shares, open;                 /* how many; of these, not ended */
	bool over;                             /* all of them end */
	struct torap_mono left_at, hurried_at; /* the last came back; dark ones were last hurried */
};

/* The cameras of an outage that one report may name, for they have one audience. */
struct rtsp_share {
	uint64_t number; /* never used twice; 0: this place in the list is free */
	struct rtsp_outage *outage;
	uint64_t audience;
	struct kit_planned *planned; /* a reference; NULL: it is not excused */
	uint64_t first;              /* number of the camera in whose name it is told; 0: not chosen yet */
	struct torap_wall since;
	uint32_t members, dark;
	bool joined, left;           /* somebody, untold */
	struct torap_mono joined_at; /* the first untold */
	bool pending;                /* its start or a change is on its way */
	bool durable;                /* the node knows of it */
	bool ended;                  /* its end is on its way */
	bool untold;                 /* its start or its end is to be told, or told again */
	struct torap_mono due;       /* not before */
};

enum rtsp_mass_state { RTSP_MASS_START, RTSP_MASS_CHANGE, RTSP_MASS_END };

/* What is told of a share; valid during the call. */
struct rtsp_mass {
	const struct rtsp_share *share;
	enum rtsp_mass_state state;
	enum rtsp_outcome outcome; /* start, offline: of most of them */
	uint32_t of;               /* how many the group has */
	bool flapping;
	const uint32_t *slots; /* start: who is dark; change: who joined; end: all that were in it */
	uint32_t slots_count;
	const uint32_t *others; /* change: who is back; end: who stays dark, and is told by itself */
	uint32_t others_count;
};

/* What the machine asks of its owner. */
struct rtsp_outages_port {
	void *hint;
	void (*tell)(void *hint, uint32_t slot, const struct rtsp_report *report);
	void (*tell_mass)(void *hint, const struct rtsp_mass *mass);
	void (*hurry)(void *hint, uint32_t slot, enum rtsp_fault fault); /* look at it soon, for this */
	struct kit_planned *(*excuse)(void *hint, uint32_t slot);        /* now; NULL: nothing is planned */
};

struct rtsp_outages {
	struct rtsp_outage_limits limits;
	struct rtsp_outages_port port;
	struct rtsp_groups groups;
	struct rtsp_seat *seats; /* owned, by slot; `room` of them */
	uint32_t room;
	uint32_t stirred; /* bits of the faults that somebody may have for no reason that is known yet */
	struct rtsp_outage **list; /* owned, as they are; NULL: a free place */
	uint32_t list_room;
	struct rtsp_share *shares; /* owned */
	uint32_t shares_room;
	uint64_t numbers, changes;          /* changes: of what a restart must know */
	uint32_t *scratch;                  /* owned: slots, twice `room` */
	struct rtsp_explaining *explaining; /* owned: explain.h */
	uint64_t starts[2], ends[2];        /* of outages; [1]: of planned ones */
	uint64_t swallowed;                 /* reports of one camera that an outage tells */
};

/* What there is of the camera's fault; NULL: nothing. */
struct rtsp_member *rtsp_outages_find(const struct rtsp_outages *o, enum rtsp_fault fault, uint32_t slot);
/* The same to look at; never NULL: one that is free stands for nothing. */
const struct rtsp_member *rtsp_outages_member(
	const struct rtsp_outages *o, enum rtsp_fault fault, uint32_t slot);
/* The same, made if there is nothing.  NULL: no memory.  It is valid until the camera's next picture, or the next rows. */
struct rtsp_member *rtsp_outages_get(struct rtsp_outages *o, enum rtsp_fault fault, uint32_t slot);

/* The cameras as they are now, by slot: number (0: none) and what they belong to.  Who has another number than before is new.
 * 0, or -ENOMEM: what was there stays. */
int rtsp_outages_set(struct rtsp_outages *o, const uint64_t *numbers, const struct rtsp_belongs *belongs,
	uint32_t room, struct torap_mono now);
/* There was no memory for that.  Of each slot that had one: the camera's number and audience as they are now.  Another number: the camera that
 * was there is gone, and of the one that came nothing is known.  Groups stay as they were. */
void rtsp_outages_amend(
	struct rtsp_outages *o, uint32_t slot, uint64_t number, uint64_t audience, struct torap_mono now);
void rtsp_outages_finish(struct rtsp_outages *o);

/* A picture was judged; `unasked`: rtsp_judge_unasked(); `arrived`: when it came.  It is judged a while later, when another
 * camera may have shown something younger already. */
void rtsp_outages_seen(struct rtsp_outages *o, uint32_t slot, const struct rtsp_verdict *verdict,
	uint32_t unasked, struct torap_mono arrived);
/* An attempt failed. */
void rtsp_outages_failed(
	struct rtsp_outages *o, uint32_t slot, enum rtsp_outcome outcome, struct torap_mono now);
/* Health's report: is told when it is known whether something explains it. */
void rtsp_outages_report(
	struct rtsp_outages *o, uint32_t slot, const struct rtsp_report *report, struct rtsp_now now);
/* The node knows already that this camera has the fault: a restart. */
void rtsp_outages_known(struct rtsp_outages *o, uint32_t slot, enum rtsp_fault fault);
/* Decides what can be decided now.  Twice a second. */
void rtsp_outages_step(struct rtsp_outages *o, struct rtsp_now now);
/* What was told of the share is durable, or was given up. */
void rtsp_outages_taken(struct rtsp_outages *o, uint64_t number, enum rtsp_mass_state state, bool durable);
uint32_t rtsp_outages_held(const struct rtsp_outages *o); /* reports */

/* For a restart: puts a share in that the node knows, without members; of an outage that is in already when that is the same.  NULL: no
 * memory.  Takes references of what `like` has; of its outage common, name, what, cause, began, before are looked at. */
struct rtsp_share *rtsp_outages_restore(
	struct rtsp_outages *o, const struct rtsp_share *like, struct torap_mono now);
/* Then each of its members, as that was.  Who has another audience now is not in it any more; who is known to the node by itself
 * (rtsp_outages_known) is not dark in it, for its end is told by itself.  False: so it is, or there is no memory: `like` says nothing of the camera. */
bool rtsp_outages_restore_member(struct rtsp_outages *o, struct rtsp_share *share, uint32_t slot,
	const struct rtsp_member *like, struct torap_mono now);
