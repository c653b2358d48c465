/* unsaved.h: how much of what changes a file holds: when it is to be saved, and what a crash would lose.  Changes are counted by whoever makes
 * them.  Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct rtsp_unsaved {            /* zeros: the file has what there is, which is nothing */
	uint64_t writing, saved; /* changes */
	bool failed;             /* the last time */
	struct torap_mono tried_at;
};

/* There is something to save; not twice within half a second, nor within five when the disk fails. */
bool rtsp_unsaved_is_due(const struct rtsp_unsaved *u, uint64_t changes, struct torap_mono now);
/* What is there now is being written, and then it is on the disk, or not.  What changed meanwhile may be in the file: it does not count. */
void rtsp_unsaved_begin(struct rtsp_unsaved *u, uint64_t changes, struct torap_mono now);
void rtsp_unsaved_end(struct rtsp_unsaved *u, bool good);
/* Changes that are not on the disk yet. */
uint64_t rtsp_unsaved_count(const struct rtsp_unsaved *u, uint64_t changes);
