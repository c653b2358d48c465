/* search.h: the events of one kind in a subscriber's directory, for reports.  Also while `torap follow` runs: it reads in short
 * transactions, and only the frames of that kind. */
#pragma once

#include <stdint.h>

#include "wire/open.h"

struct torap_error;

struct follow_search {
	const char *dir;
	uint32_t kind;
	/* Stream by stream, in order; only events whose open part is there.  Returns 0 to go on, negative to give up. */
	int (*each)(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event);
	void *hint;
};

/* *damaged: batches that could not be read or opened, which `torap verify` names.  0, what `each` returned, or a negative error. */
int follow_search(const struct follow_search *s, uint64_t *damaged, struct torap_error *err);
