/* answers.h: what becomes of reports that were not taken: those for which there was no room, or no node, are made again soon; what the node
 * refuses for another reason it would refuse again, and the next report is that of tomorrow.  Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct archive_camera;

enum { ARCHIVE_AGAIN_S = 300, ARCHIVE_ANSWERS_EVERY_MS = 60 * 1000 };

/* Zero is empty. */
struct archive_answers {
	uint64_t later, never; /* reports: made again soon, refused for good */
	uint64_t told;         /* of `never`, in the log */
	struct torap_mono next_line;
	char last[320]; /* the camera that was refused last, and why */
};

/* `later`: it may be taken then (KIT_LATER). */
void archive_answers_refused(struct archive_answers *a, struct archive_camera *c, const char *reason,
	bool later, struct torap_wall now);
/* How many were refused for good since the last line that says so; 0: none, or there was a line within the last minute. */
uint64_t archive_answers_untold(struct archive_answers *a, struct torap_mono now);
