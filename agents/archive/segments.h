/* segments.h: what a folder of recorded files holds of a camera.
 *
 * For recorders without ONVIF: their disk is mounted, or copied.  When a file begins its name tells, by a pattern; without one its container
 * does (container.h).  It reaches as far as its container says, else until it was written last, when that is plausible, else for the
 * usual length.  With a pattern nothing of a file is read. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "agents/archive/spans.h"

struct torap_error;

struct archive_folder {
	const char *path;
	const char *
		pattern; /* of the path below it, as strptime(3) has it: "%Y-%m-%d/%H-%M-%S.mp4"; whatever does not fit is no segment.  NULL: containers tell */
	int32_t utc_offset_s;       /* of the times in the names, unless they tell their own: %s, %z */
	uint32_t length_s;          /* a file's usual length, and the most believed: 4 times that */
	const atomic_bool *stopped; /* NULL, or: gives up once it is true */
};

enum { ARCHIVE_FILES_MAX = 2 << 20, ARCHIVE_DEPTH_MAX = 8 };

/* Adds what the folder holds.  *files: that were segments; *others: that were none.  Negative: it cannot be read, or holds more than
 * ARCHIVE_FILES_MAX. */
int archive_segments_read(struct archive_spans *out, const struct archive_folder *folder, uint64_t *files,
	uint64_t *others, struct torap_error *err);
