#include "agents/rtsp/sight/fault.h"

#include <string.h>

static const char *const faults[RTSP_FAULTS] = {
	[RTSP_GOOD] = "good",
	[RTSP_OFFLINE] = "offline",
	[RTSP_BLACK] = "black",
	[RTSP_WHITE] = "white",
	[RTSP_UNIFORM] = "uniform",
	[RTSP_DEFOCUSED] = "defocused",
	[RTSP_MOVED] = "moved",
	[RTSP_FROZEN] = "frozen",
	[RTSP_WRONG_SIZE] = "wrong_size",
	[RTSP_WRONG_RATE] = "wrong_rate",
	[RTSP_WRONG_CLOCK] = "wrong_clock",
};

static const char *const causes[RTSP_CAUSES] = {
	[RTSP_CAUSE_NONE] = "none",
	[RTSP_CAUSE_NETWORK] = "network",
	[RTSP_CAUSE_POWER] = "power",
	[RTSP_CAUSE_RECORDER] = "recorder",
	[RTSP_CAUSE_CREDENTIALS] = "credentials",
	[RTSP_CAUSE_TAMPER] = "tamper",
	[RTSP_CAUSE_MASKED] = "masked",
	[RTSP_CAUSE_BROKEN] = "broken",
};

static const char *const outcomes[RTSP_OUTCOMES] = {
	[RTSP_OUTCOME_PICTURE] = "picture",
	[RTSP_OUTCOME_REFUSED] = "refused",
	[RTSP_OUTCOME_NO_ROUTE] = "no_route",
	[RTSP_OUTCOME_NO_NAME] = "no_name",
	[RTSP_OUTCOME_TIMEOUT_CONNECT] = "timeout_connect",
	[RTSP_OUTCOME_TIMEOUT_ANSWER] = "timeout_answer",
	[RTSP_OUTCOME_UNAUTHORISED] = "unauthorised",
	[RTSP_OUTCOME_NOT_FOUND] = "not_found",
	[RTSP_OUTCOME_BUSY] = "busy",
	[RTSP_OUTCOME_BAD_ANSWER] = "bad_answer",
	[RTSP_OUTCOME_ENDLESS_HEADER] = "endless_header",
	[RTSP_OUTCOME_REDIRECTED] = "redirected",
	[RTSP_OUTCOME_BAD_SDP] = "bad_sdp",
	[RTSP_OUTCOME_NO_VIDEO] = "no_video",
	[RTSP_OUTCOME_NO_KEYFRAME] = "no_keyframe",
	[RTSP_OUTCOME_CORRUPT] = "corrupt",
	[RTSP_OUTCOME_STALLED] = "stalled",
	[RTSP_OUTCOME_ENDED] = "ended",
	[RTSP_OUTCOME_ANSWERED] = "answered",
	[RTSP_OUTCOME_LOCAL] = "local",
};

const char *rtsp_fault_name(enum rtsp_fault fault)
{
	return fault < RTSP_FAULTS ? faults[fault] : "none";
}

enum rtsp_fault rtsp_fault_parse(const char *name)
{
	for (int i = 0; i < RTSP_FAULTS; i++)
		if (strcmp(name, faults[i]) == 0)
			return (enum rtsp_fault)i;
	return RTSP_FAULTS;
}

const char *rtsp_cause_name(enum rtsp_cause cause)
{
	return cause < RTSP_CAUSES ? causes[cause] : "none";
}

const char *rtsp_outcome_name(enum rtsp_outcome outcome)
{
	return outcome < RTSP_OUTCOMES ? outcomes[outcome] : "none";
}
