#include "agents/archive/spans.h"

#include <stdlib.h>
#include <string.h>

/* The first that ends at or after `at`: what lies before cannot touch it. */
static size_t first_reaching(const struct archive_spans *s, struct torap_wall at)
{
	size_t low = 0, high = s->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->items[middle].until.us < at.us)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Puts `count` items in the place of those from `first` to before `end`. */
static void replace(
	struct archive_spans *s, size_t first, size_t end, const struct archive_span *items, size_t count)
{
	size_t after = s->count - (end - first) + count;
	if (after > ARCHIVE_SPANS_MAX) {
		s->failed = true;
		return;
	}
	if (after > s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct archive_span *more = realloc(s->items, room * sizeof *more);
		if (!more) {
			s->failed = true;
			return;
		}
		s->items = more;
		s->room = room;
	}
	if (s->count > end)
		memmove(s->items + first + count, s->items + end, (s->count - end) * sizeof *s->items);
	if (count)
		memcpy(s->items + first, items, count * sizeof *items);
	s->count = after;
}

void archive_spans_add(struct archive_spans *s, struct torap_wall from, struct torap_wall until)
{
	if (from.us >= until.us)
		return;
	size_t first = first_reaching(s, from), end = first;
	struct archive_span all = { from, until };
	for (; end < s->count && s->items[end].from.us <= all.until.us; end++) {
		if (s->items[end].from.us < all.from.us)
			all.from = s->items[end].from;
		if (s->items[end].until.us > all.until.us)
			all.until = s->items[end].until;
	}
	replace(s, first, end, &all, 1);
}

void archive_spans_remove(struct archive_spans *s, struct torap_wall from, struct torap_wall until)
{
	struct archive_span kept[2];
	size_t first = first_reaching(s, from), end = first, count = 0;
	if (from.us >= until.us)
		return;
	for (; end < s->count && s->items[end].from.us < until.us; end++) {
		if (s->items[end].from.us < from.us)
			kept[count++] = (struct archive_span){ s->items[end].from, from };
		if (s->items[end].until.us > until.us)
			kept[count++] = (struct archive_span){ until, s->items[end].until };
	}
	if (end > first)
		replace(s, first, end, kept, count);
}

void archive_spans_join(struct archive_spans *s, int64_t gap_us)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->count; i++) {
		if (kept && s->items[i].from.us - s->items[kept - 1].until.us < gap_us)
			s->items[kept - 1].until = s->items[i].until;
		else
			s->items[kept++] = s->items[i];
	}
	s->count = kept;
}

int64_t archive_spans_within(const struct archive_spans *s, struct torap_wall from, struct torap_wall until)
{
	int64_t sum = 0;
	for (size_t i = first_reaching(s, from); i < s->count && s->items[i].from.us < until.us; i++) {
		int64_t a = s->items[i].from.us > from.us ? s->items[i].from.us : from.us;
		int64_t b = s->items[i].until.us < until.us ? s->items[i].until.us : until.us;
		if (b > a)
			sum += b - a;
	}
	return sum;
}

void archive_spans_finish(struct archive_spans *s)
{
	free(s->items);
	*s = (struct archive_spans){ 0 };
}
