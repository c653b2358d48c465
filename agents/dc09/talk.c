#include "agents/dc09/talk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int dc09_talks_init(struct dc09_talks *t, uint32_t room)
{
	*t = (struct dc09_talks){ .slots = calloc(room, sizeof *t->slots), .room = room };
	if (!t->slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < room; i++)
		t->slots[i].next_free = i + 1;
	return 0;
}

void dc09_talks_finish(struct dc09_talks *t)
{
	assert(t->count == 0);
	free(t->slots);
	t->slots = NULL;
}

bool dc09_talks_add(struct dc09_talks *t, struct dc09_talk *talk)
{
	if (t->free == t->room)
		return false;
	uint32_t at = t->free;
	struct dc09_talk_slot *slot = &t->slots[at];
	t->free = slot->next_free;
	slot->talk = talk;
	slot->used++;
	talk->number = (uint64_t)slot->used << 32 | (at + 1);
	t->count++;
	return true;
}

void dc09_talks_remove(struct dc09_talks *t, struct dc09_talk *talk)
{
	if (!talk->number)
		return;
	uint32_t at = (uint32_t)talk->number - 1;
	assert(t->slots[at].talk == talk);
	t->slots[at].talk = NULL;
	t->slots[at].next_free = t->free;
	t->free = at;
	t->count--;
	talk->number = 0;
}

struct dc09_talk *dc09_talks_find(const struct dc09_talks *t, uint64_t number)
{
	uint32_t at = (uint32_t)number - 1;
	if (at >= t->room || !t->slots[at].talk || t->slots[at].talk->number != number)
		return NULL;
	return t->slots[at].talk;
}
