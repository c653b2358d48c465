/* profile_g.h: asks a recorder by ONVIF Profile G (Recording Search Service Specification) what it holds of a camera.
 *
 * A dialogue that only thinks: it says what to ask next, and is told what came.  Device's clock → address of the search service →
 * recordings (FindRecordings, GetRecordingSearchResults, EndSearch) → the changes of their tracks' states, which are the gaps
 * (FindEvents, GetEventSearchResults, EndSearch).  GetRecordingSummary is not asked: it hides gaps.
 * A recorder keeps few searches, so each is ended; one that never completes is given up.  A refused password is tried once: three
 * tries lock some devices for half an hour. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/archive/spans.h"
#include "base/time.h"

struct torap_error;
struct torap_writer;
struct soap_answer;
struct archive_dialogue;

enum archive_outcome {
	ARCHIVE_ANSWERED,     /* spans hold what there is */
	ARCHIVE_UNREACHABLE,  /* no connection, no answer, or it came too late */
	ARCHIVE_UNAUTHORISED, /* user or password is wrong */
	ARCHIVE_UNSUPPORTED,  /* it has no recording search */
	ARCHIVE_BROKEN,       /* what it says makes no sense */
};
const char *archive_outcome_name(enum archive_outcome o); /* "unauthorised" */

struct archive_source {
	const char *url; /* of the device service: http://HOST[:PORT]/onvif/device_service */
	const char *
		source; /* which recordings are the camera's: their token, or SourceId or Name of their source; "": all */
};

/* What to ask next. */
struct archive_question {
	const char *action;
	char url[512];
	struct torap_writer *body;    /* borrowed */
	bool open;                    /* without credentials */
	uint32_t wait_ms;             /* before it is asked */
	struct torap_wall device_now; /* what the device's clock shows, for signing */
};

/* `from`: what is older is not asked for gaps.  Borrows the source's strings. */
int archive_dialogue_create(struct archive_dialogue **out, const struct archive_source *source,
	struct torap_wall from, struct torap_wall now, struct torap_error *err);
struct archive_dialogue *archive_dialogue_destroy(
	struct archive_dialogue *d); /* accepts NULL, returns NULL */

/* False: it is over. */
bool archive_dialogue_next(struct archive_dialogue *d, struct archive_question *out, struct torap_wall now);
/* What came: an answer, a fault (`fault`), or NULL with the outcome and the reason. */
void archive_dialogue_answer(struct archive_dialogue *d, const struct soap_answer *a, bool fault,
	enum archive_outcome failure, const char *reason, struct torap_wall now);

/* Once it is over. */
struct archive_holdings {
	enum archive_outcome outcome;
	char reason[256];
	struct archive_spans spans; /* by our clock */
	bool gaps_known; /* the recorder told the changes of its tracks; else gaps between may be hidden */
	unsigned recordings; /* that are the camera's */
	bool clock_known;
	int64_t clock_offset_ms; /* the device's clock less ours */
};
/* The caller's from then on: finish its spans. */
void archive_dialogue_take(struct archive_dialogue *d, struct archive_holdings *out);
