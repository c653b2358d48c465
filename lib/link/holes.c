#include "link/holes.h"

#include <stdlib.h>
#include <string.h>

void torap_holes_finish(struct torap_holes *h)
{
	free(h->list);
	*h = (struct torap_holes){ 0 };
}

/* Where the number is, or would stand. */
static size_t place(const struct torap_holes *h, uint64_t batch_no)
{
	size_t low = 0, high = h->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (h->list[middle].batch_no < batch_no)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct torap_holes *h, size_t i, uint64_t batch_no)
{
	return i < h->count && h->list[i].batch_no == batch_no;
}

static bool make_room(struct torap_holes *h)
{
	if (h->count < h->room)
		return true;
	size_t room = h->room ? 2 * h->room : 16;
	struct torap_hole *list = h->count < TORAP_HOLES_MAX ? realloc(h->list, room * sizeof *list) : NULL;
	if (!list)
		return false;
	h->list = list;
	h->room = room;
	return true;
}

enum torap_holes_answer torap_holes_add(struct torap_holes *h, uint64_t batch_no, struct torap_mono at)
{
	size_t i = place(h, batch_no);
	if (is_at(h, i, batch_no))
		return TORAP_HOLES_KNOWN;
	if (!make_room(h))
		return TORAP_HOLES_NO_ROOM;
	memmove(h->list + i + 1, h->list + i, (h->count - i) * sizeof *h->list);
	h->list[i] = (struct torap_hole){ batch_no, at, TORAP_HOLES_AGAIN_MS, 0 };
	h->count++;
	return TORAP_HOLES_NEW;
}

bool torap_holes_has(const struct torap_holes *h, uint64_t batch_no)
{
	return is_at(h, place(h, batch_no), batch_no);
}

bool torap_holes_remove(struct torap_holes *h, uint64_t batch_no)
{
	size_t i = place(h, batch_no);
	if (!is_at(h, i, batch_no))
		return false;
	h->count--;
	memmove(h->list + i, h->list + i + 1, (h->count - i) * sizeof *h->list);
	return true;
}

static bool is_due(const struct torap_hole *hole, struct torap_holes_turn turn, struct torap_mono now)
{
	return torap_mono_reached(hole->again, now) && hole->asked % turn.peers == turn.peer;
}

bool torap_holes_due_in_turn(const struct torap_holes *h, struct torap_holes_turn turn, struct torap_mono now)
{
	for (size_t i = 0; i < h->count; i++)
		if (is_due(&h->list[i], turn, now))
			return true;
	return false;
}

bool torap_holes_due(const struct torap_holes *h, struct torap_mono now)
{
	return torap_holes_due_in_turn(h, (struct torap_holes_turn){ 0, 1 }, now);
}

void torap_holes_pass(struct torap_holes *h, struct torap_holes_turn turn, struct torap_mono now)
{
	for (size_t i = 0; i < h->count; i++)
		if (is_due(&h->list[i], turn, now))
			h->list[i].asked++;
}

void torap_holes_hurry_one(struct torap_holes *h, uint64_t batch_no, struct torap_mono now)
{
	size_t i = place(h, batch_no);
	if (is_at(h, i, batch_no))
		h->list[i].again = now;
}

void torap_holes_hurry(struct torap_holes *h, struct torap_mono now)
{
	for (size_t i = 0; i < h->count; i++)
		h->list[i].again = now;
}

size_t torap_holes_ask_in_turn(struct torap_holes *h, struct torap_holes_turn turn, uint64_t *out,
	size_t room, struct torap_mono now)
{
	size_t count = 0;
	for (size_t i = 0; i < h->count && count < room; i++) {
		struct torap_hole *hole = &h->list[i];
		if (!is_due(hole, turn, now))
			continue;
		out[count++] = hole->batch_no;
		hole->asked++;
		hole->again = torap_mono_add_ms(now, hole->wait_ms);
		hole->wait_ms = hole->wait_ms < TORAP_HOLES_AGAIN_MS_MAX / 2 ? 2 * hole->wait_ms
									     : TORAP_HOLES_AGAIN_MS_MAX;
	}
	return count;
}

size_t torap_holes_ask(struct torap_holes *h, uint64_t *out, size_t room, struct torap_mono now)
{
	return torap_holes_ask_in_turn(h, (struct torap_holes_turn){ 0, 1 }, out, room, now);
}
