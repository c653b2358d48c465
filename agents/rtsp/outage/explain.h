/* explain.h: does a group explain that a camera of it fails, or has a fault?  Pure.
 *
 * Of the group's cameras that fail in the same way (struct rtsp_what) and that nothing explains yet, half failed after some moment: whoever was seen well after
 * it is alive, whoever was not looked at since is unknown.  Half, not all: one that failed for its own reason a while before must
 * not make those seem alive that were seen in between.  Who cannot be known to have the fault says nothing: it is offline, or its picture shows
 * another fault, or nobody looks for this one: its profile does not ask for it, or it is new and what it is like is not learned yet. */
#pragma once

#include "agents/rtsp/outage/outage.h"

/* What a failure means for the others: RTSP_OUTCOME_PICTURE stands for silence of any form (nobody there, or nobody answers); what answers
 * wrongly is of a kind with the same answer only. */
enum rtsp_outcome rtsp_outcome_kind(enum rtsp_outcome outcome);

struct rtsp_explanation {
	uint32_t failing, held;   /* held: of these, such that health has reported */
	struct torap_mono moment; /* after which half of them failed */
	uint32_t alive, unknown;
	uint32_t before;         /* told by themselves already */
	bool sure;               /* one of them failed twice in succession */
	bool explains, possible; /* possible: if all unknown failed, too */
};

/* Does it fail, for no reason that is known yet? */
bool rtsp_explain_fails(const struct rtsp_member *m);
/* Of a member that fails: how. */
struct rtsp_what rtsp_explain_what(const struct rtsp_member *m, enum rtsp_fault fault);
/* Is this one of those that fail, and in this way? */
bool rtsp_explain_fits(const struct rtsp_member *m, const struct rtsp_what *what);
bool rtsp_what_is(const struct rtsp_what *a, const struct rtsp_what *b);

/* Remembered for a step: many cameras ask for the same group.  Of each group one fault and kind at a time: who has many to ask for goes by
 * these. */
struct rtsp_explaining; /* opaque */
struct rtsp_explaining *rtsp_explaining_create(uint32_t groups, uint32_t room);
void rtsp_explaining_destroy(struct rtsp_explaining *e); /* accepts NULL */
void rtsp_explaining_forget(struct rtsp_explaining *e);
struct rtsp_explanation rtsp_explain(
	const struct rtsp_outages *o, uint32_t group, const struct rtsp_what *what);

/* Has those of the group looked at of which that would decide something: a few when one failed twice, all when the group may explain it; each
 * now and then.  For a clock always a few: that look takes seconds, and those that are found wrong have to be looked at again soon. */
void rtsp_explain_hurry(
	const struct rtsp_outages *o, uint32_t group, const struct rtsp_what *what, struct torap_mono now);
