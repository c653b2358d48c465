#include "agents/archive/answers.h"

#include <stdio.h>

#include "agents/archive/cameras.h"

void archive_answers_refused(struct archive_answers *a, struct archive_camera *c, const char *reason,
	bool later, struct torap_wall now)
{
	if (later) {
		a->later++;
		archive_camera_again(c, ARCHIVE_AGAIN_S, now);
		return;
	}
	a->never++;
	snprintf(a->last, sizeof a->last, "camera %.200s: %.100s", c->address, reason);
}

uint64_t archive_answers_untold(struct archive_answers *a, struct torap_mono now)
{
	uint64_t count = a->never - a->told;
	if (!count || !torap_mono_reached(a->next_line, now))
		return 0;
	a->told = a->never;
	a->next_line = torap_mono_add_ms(now, ARCHIVE_ANSWERS_EVERY_MS);
	return count;
}
