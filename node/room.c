#include "node/room.h"

void node_room_init(struct node_room *r, unsigned bulk_percent, unsigned normal_percent)
{
	*r = (struct node_room){ 0 };
	r->percent[TORAP__LANE__LANE_BULK] = bulk_percent;
	r->percent[TORAP__LANE__LANE_NORMAL] = normal_percent;
}

unsigned node_room_limit(const struct node_room *r, uint32_t lane)
{
	return r->percent[lane] ? r->percent[lane] + 1 : 0;
}

/* Reached, or reached before and not left by `back` points yet. */
static bool holds(bool before, unsigned percent, unsigned back, uint64_t used, uint64_t most)
{
	unsigned from = before ? (percent > back ? percent - back : 1) : percent;
	return percent && (double)used * 100 >= (double)most * from;
}

bool node_room_look(struct node_room *r, uint64_t used_bytes, uint64_t most_bytes)
{
	bool changed = false;
	r->used_bytes = used_bytes;
	r->most_bytes = most_bytes;
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		bool sheds = holds(r->sheds[lane], r->percent[lane], NODE_ROOM_BACK, used_bytes, most_bytes);
		changed = changed || sheds != r->sheds[lane];
		r->sheds[lane] = sheds;
	}
	r->pressed =
		holds(r->pressed, r->percent[TORAP__LANE__LANE_BULK], NODE_ROOM_EASE, used_bytes, most_bytes);
	return changed;
}
