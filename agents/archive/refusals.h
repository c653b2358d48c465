/* refusals.h: recorders that refused user and password.  They are left alone for most of a day, whoever else of their cameras is due: three
 * tries lock some of them for half an hour. */
#pragma once

#include <stddef.h>

#include "base/time.h"

enum {
	ARCHIVE_REFUSAL_S = 23 * 3600
}; /* so that the camera that was refused may try at its moment of the next day */

struct archive_refusal {
	char *recorder; /* owned */
	char reason[256];
	struct torap_wall at;
};

/* Zero is empty.  One for each recorder of the configuration at most; a reload, which may bring the right password, finishes it. */
struct archive_refusals {
	struct archive_refusal *list;
	size_t count;
};

/* 0 or -ENOMEM. */
int archive_refusals_add(
	struct archive_refusals *r, const char *recorder, const char *reason, struct torap_wall now);
/* NULL: it may be asked. */
const struct archive_refusal *archive_refusals_find(
	const struct archive_refusals *r, const char *recorder, struct torap_wall now);
void archive_refusals_finish(struct archive_refusals *r); /* frees; empty again */
