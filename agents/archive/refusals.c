#include "agents/archive/refusals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct archive_refusal *of(const struct archive_refusals *r, const char *recorder)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->list[i].recorder, recorder) == 0)
			return &r->list[i];
	return NULL;
}

int archive_refusals_add(
	struct archive_refusals *r, const char *recorder, const char *reason, struct torap_wall now)
{
	struct archive_refusal *refusal = of(r, recorder);
	if (!refusal) {
		struct archive_refusal *more = realloc(r->list, (r->count + 1) * sizeof *more);
		if (more)
			r->list = more;
		char *name = more ? strdup(recorder) : NULL;
		if (!name)
			return -ENOMEM;
		refusal = &r->list[r->count++];
		refusal->recorder = name;
	}
	refusal->at = now;
	snprintf(refusal->reason, sizeof refusal->reason, "%s", reason);
	return 0;
}

const struct archive_refusal *archive_refusals_find(
	const struct archive_refusals *r, const char *recorder, struct torap_wall now)
{
	const struct archive_refusal *refusal = of(r, recorder);
	/* One from the future is none: our clock was set back. */
	bool stands = refusal && refusal->at.us <= now.us &&
		      now.us - refusal->at.us < (int64_t)ARCHIVE_REFUSAL_S * TORAP_US_PER_S;
	return stands ? refusal : NULL;
}

void archive_refusals_finish(struct archive_refusals *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->list[i].recorder);
	free(r->list);
	*r = (struct archive_refusals){ 0 };
}
