/* tracks.h: the recordings of a camera as a recorder lists them, and when their video tracks held data. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/archive/spans.h"
#include "base/time.h"

struct soap_node;

enum { ARCHIVE_RECORDINGS_MAX = 256, ARCHIVE_CHANGES_MAX = 65536, ARCHIVE_TOKEN_MAX = 127 };

struct archive_recording {
	char token[ARCHIVE_TOKEN_MAX + 1];
	bool running;               /* it records now: it reaches until now */
	struct archive_spans spans; /* as its tracks claim, gaps not taken out */
};

/* A video track began or ceased to hold data. */
struct archive_change {
	size_t recording;
	struct torap_wall at;
	bool present;
};

/* Zero is empty. */
struct archive_tracks {
	const char *source; /* which recordings count; "": all */
	size_t current;     /* the recording whose events come */
	struct archive_recording *recordings;
	size_t count;
	struct archive_change *changes;
	size_t changes_count, changes_room;
};

/* A tt:RecordingInformation.  What is another camera's is left out.  The device's times less `offset_us` are ours.  False: too many. */
bool archive_tracks_recording(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us);
/* A tt:FindEventResult of RecordingHistory/Track/State of the current recording.  Others are passed over.  False: too many. */
bool archive_tracks_event(struct archive_tracks *t, const struct soap_node *n, int64_t offset_us);
/* What was held, by all recordings together, gaps taken out. */
void archive_tracks_spans(struct archive_tracks *t, struct archive_spans *out, struct torap_wall now);
void archive_tracks_finish(struct archive_tracks *t);
