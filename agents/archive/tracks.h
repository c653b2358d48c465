/* tracks.h: the recordings of a camera as a recorder lists them, and when their video tracks held data. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/archive/spans.h"
#include "base/time.h"

struct soap_node;

enum {
	ARCHIVE_RECORDINGS_MAX = 256,
	ARCHIVE_TRACKS_MAX = 16, /* of a recording, of all types */
	ARCHIVE_CHANGES_MAX = 65536,
	ARCHIVE_TOKEN_MAX = 127,
};

struct archive_track {
	char token[ARCHIVE_TOKEN_MAX + 1]; /* "": the recording itself, which lists no track of pictures */
	bool pictures;                     /* or whatever else has no other type */
	bool counts;                       /* it holds pictures, and tells when */
	bool lent;                         /* it has no time of its own, but its recording's */
	struct archive_span extent;        /* as it claims, gaps not taken out */
};

struct archive_recording {
	char token[ARCHIVE_TOKEN_MAX + 1];
	bool running;                 /* it records now: it reaches until now */
	bool told, garbled;           /* a change of its tracks came; one that cannot be read */
	struct archive_track *tracks; /* owned */
	size_t count;
};

/* A track began or ceased to hold data. */
struct archive_change {
	size_t recording, track; /* ARCHIVE_ANY_TRACK: it names none that the recording lists */
	struct torap_wall at;
	bool present;
};
#define ARCHIVE_ANY_TRACK SIZE_MAX

/* Zero is empty. */
struct archive_tracks {
	const char *source;     /* which recordings count; "": all */
	size_t current;         /* the recording whose events come */
	struct torap_wall from; /* since when its events are asked for: nobody tells what changed before */
	struct archive_recording *recordings;
	size_t count;
	struct archive_change *changes;
	size_t changes_count, changes_room;
};

/* A tt:RecordingInformation.  What is another camera's is left out.  The device's times less `offset_us` are ours.  False: too many. */
bool archive_tracks_recording(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us);
/* A tt:FindEventResult of RecordingHistory/Track/State of the current recording.  Others, and those of sound, are passed over.  False: too many. */
bool archive_tracks_event(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us);
/* Forgets the changes of the current recording: half of them would tell of gaps that have an end. */
void archive_tracks_forget(struct archive_tracks *t);
/* Does its clock say nothing of when these were recorded?  It was never set, or it fell back since: less its offset they lie in the future. */
bool archive_tracks_contradict(const struct archive_tracks *t, int64_t offset_us, struct torap_wall now);
/* Did each recording that holds something tell the changes of its tracks, all of them?  The state at the begin is one. */
bool archive_tracks_gaps_known(const struct archive_tracks *t);
/* What was held, by all tracks with pictures together, gaps taken out. */
void archive_tracks_spans(struct archive_tracks *t, struct archive_spans *out, struct torap_wall now);
void archive_tracks_finish(struct archive_tracks *t);
