/* fault.h: the words for what can be wrong with a camera, and for why. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum rtsp_fault {
	RTSP_GOOD,
	RTSP_OFFLINE, /* no picture comes */
	RTSP_BLACK,
	RTSP_WHITE,
	RTSP_UNIFORM,     /* covered, sprayed: nothing to be seen, at any brightness */
	RTSP_DEFOCUSED,   /* less sharp than this camera is at this hour */
	RTSP_MOVED,       /* looks elsewhere than it did */
	RTSP_FROZEN,      /* pictures come, and are always the same one */
	RTSP_WRONG_SIZE,  /* smaller than the profile requires */
	RTSP_WRONG_RATE,  /* fewer frames a second than the profile requires */
	RTSP_WRONG_CLOCK, /* the camera's clock is off */
	RTSP_FAULTS,
};

static inline uint32_t rtsp_fault_bit(enum rtsp_fault fault)
{
	return 1u << fault;
}

/* Of what a picture shows: one of these at most is a picture's (judge.h), and it says nothing of the others then. */
static inline bool rtsp_fault_is_sight(enum rtsp_fault fault)
{
	return fault >= RTSP_BLACK && fault <= RTSP_FROZEN;
}

/* "black", "wrong_size"; "good". */
const char *rtsp_fault_name(enum rtsp_fault fault);
/* RTSP_FAULTS: none is called that. */
enum rtsp_fault rtsp_fault_parse(const char *name);

/* Why, most likely. */
enum rtsp_cause {
	RTSP_CAUSE_NONE,
	RTSP_CAUSE_NETWORK,
	RTSP_CAUSE_POWER,
	RTSP_CAUSE_RECORDER,
	RTSP_CAUSE_CREDENTIALS,
	RTSP_CAUSE_TAMPER, /* somebody turned or touched it */
	RTSP_CAUSE_MASKED, /* somebody put something before it */
	RTSP_CAUSE_BROKEN, /* the camera itself, its lens, its settings */
	RTSP_CAUSES,
};
const char *rtsp_cause_name(enum rtsp_cause cause);

/* How an attempt to get a picture, or an answer, ended.  Files of outages hold the numbers. */
enum rtsp_outcome {
	RTSP_OUTCOME_PICTURE, /* it came */
	RTSP_OUTCOME_REFUSED,
	RTSP_OUTCOME_NO_ROUTE,
	RTSP_OUTCOME_NO_NAME, /* the host name does not resolve */
	RTSP_OUTCOME_TIMEOUT_CONNECT,
	RTSP_OUTCOME_TIMEOUT_ANSWER, /* connected, and then silence or a trickle */
	RTSP_OUTCOME_UNAUTHORISED,
	RTSP_OUTCOME_NOT_FOUND,
	RTSP_OUTCOME_BUSY,       /* 453, 503: the server has no room for us */
	RTSP_OUTCOME_BAD_ANSWER, /* no RTSP, or a status that we do not know */
	RTSP_OUTCOME_ENDLESS_HEADER,
	RTSP_OUTCOME_REDIRECTED, /* elsewhere than the registry says: not followed */
	RTSP_OUTCOME_BAD_SDP,
	RTSP_OUTCOME_NO_VIDEO,    /* a session without a video that we decode */
	RTSP_OUTCOME_NO_KEYFRAME, /* packets came, no keyframe in time */
	RTSP_OUTCOME_CORRUPT,     /* what came cannot be decoded */
	RTSP_OUTCOME_STALLED,     /* it flowed, and stopped */
	RTSP_OUTCOME_ENDED,       /* the other side closed */
	RTSP_OUTCOME_ANSWERED,    /* a glance: it described its video, and no more was asked */
	RTSP_OUTCOME_LOCAL, /* for want of memory, descriptors or ports here: it says nothing of the camera */
	RTSP_OUTCOMES,
};
const char *rtsp_outcome_name(enum rtsp_outcome outcome);
