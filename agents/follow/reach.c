#include "agents/follow/reach.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct follow_reach *r)
{
	if (r->count < r->room)
		return true;
	size_t room = r->room ? 2 * r->room : 16;
	struct follow_reach_lane *list = realloc(r->list, room * sizeof *list);
	if (!list)
		return false;
	r->list = list;
	r->room = room;
	return true;
}

bool follow_reach_add(
	struct follow_reach *r, const struct torap_stream_id *stream, struct torap_wall until, bool lags)
{
	if (!make_room(r))
		return false;
	struct follow_reach_lane *new = &r->list[r->count++];
	*new = (struct follow_reach_lane){ .lane = stream->lane, .until = until, .lags = lags };
	memcpy(new->writer, stream->writer, sizeof new->writer);
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct follow_reach_lane *x = a, *y = b;
	int order = strcmp(x->writer, y->writer);
	return order ? order : (x->lane > y->lane) - (x->lane < y->lane);
}

/* The later of two that are whole, the earlier of two that lag; and what lags is not made up for by one that is whole. */
static void join(struct follow_reach_lane *lane, const struct follow_reach_lane *stream)
{
	bool is_earlier = stream->until.us < lane->until.us;
	if (stream->lags == lane->lags ? is_earlier == stream->lags : stream->lags)
		lane->until = stream->until;
	lane->lags |= stream->lags;
}

void follow_reach_sum(struct follow_reach *r)
{
	size_t count = 0;
	if (r->count)
		qsort(r->list, r->count, sizeof *r->list, compare);
	for (size_t i = 0; i < r->count; i++) {
		if (count && compare(&r->list[count - 1], &r->list[i]) == 0)
			join(&r->list[count - 1], &r->list[i]);
		else
			r->list[count++] = r->list[i];
	}
	r->count = count;
}

const struct follow_reach_lane *follow_reach_find(
	const struct follow_reach *r, const char *writer, uint8_t lane)
{
	struct follow_reach_lane key = { .lane = lane };
	strncpy(key.writer, writer, sizeof key.writer - 1);
	return r->count ? bsearch(&key, r->list, r->count, sizeof *r->list, compare) : NULL;
}

void follow_reach_finish(struct follow_reach *r)
{
	free(r->list);
	*r = (struct follow_reach){ 0 };
}
