#include "agents/kit/waiting.h"

#include <errno.h>
#include <stdlib.h>

int kit_waiting_init(struct kit_waiting *w, unsigned room)
{
	*w = (struct kit_waiting){ .room = room, .next_id = 1 };
	w->slots = calloc(room, sizeof *w->slots);
	return w->slots ? 0 : -ENOMEM;
}

void kit_waiting_finish(struct kit_waiting *w)
{
	free(w->slots);
	w->slots = NULL;
}

uint64_t kit_waiting_add(struct kit_waiting *w, struct kit_tag tag, struct torap_mono now)
{
	if (w->count == w->room)
		return 0;
	while (w->slots[w->next_id % w->room].id)
		w->next_id++;
	uint64_t id = w->next_id++;
	w->slots[id % w->room] = (struct kit_slot){ id, tag, now };
	w->count++;
	return id;
}

static void take(struct kit_waiting *w, struct kit_slot *slot, struct kit_tag *tag)
{
	*tag = slot->tag;
	slot->id = 0;
	w->count--;
}

bool kit_waiting_take(struct kit_waiting *w, uint64_t id, struct kit_tag *tag)
{
	struct kit_slot *slot = &w->slots[id % w->room];
	if (!id || slot->id != id)
		return false;
	take(w, slot, tag);
	return true;
}

bool kit_waiting_take_old(
	struct kit_waiting *w, struct torap_mono before, unsigned *from, struct kit_tag *tag)
{
	for (; w->count && *from < w->room; ++*from) {
		struct kit_slot *slot = &w->slots[*from];
		if (slot->id && slot->since.us <= before.us) {
			take(w, slot, tag);
			return true;
		}
	}
	return false;
}
