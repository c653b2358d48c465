#include "broker/audience.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/feed.h"
#include "wire/taxonomy.h"

struct broker_audience {
	size_t feeds_count;
	struct broker_feed *first[]; /* by feed and lane */
};

struct broker_audience *broker_audience_create(size_t feeds_count)
{
	struct broker_audience *a = calloc(1, sizeof *a + feeds_count * TORAP_LANES * sizeof a->first[0]);
	if (a)
		a->feeds_count = feeds_count;
	return a;
}

struct broker_audience *broker_audience_destroy(struct broker_audience *a)
{
	free(a);
	return NULL;
}

struct broker_feed *broker_audience_first(const struct broker_audience *a, uint32_t feed, uint8_t lane)
{
	assert(feed < a->feeds_count && lane < TORAP_LANES);
	return a->first[feed * TORAP_LANES + lane];
}

void broker_audience_join(struct broker_audience *a, struct broker_feed *f)
{
	assert(f->place < a->feeds_count && f->lane < TORAP_LANES);
	struct broker_feed **first = &a->first[f->place * TORAP_LANES + f->lane];
	f->next_same = *first;
	*first = f;
}

void broker_audience_leave(struct broker_audience *a, struct broker_feed *f)
{
	if (f->place >= a->feeds_count)
		return;
	for (struct broker_feed **at = &a->first[f->place * TORAP_LANES + f->lane]; *at;
		at = &(*at)->next_same) {
		if (*at == f) {
			*at = f->next_same;
			return;
		}
	}
}
