#include "node/seal_limit.h"

enum { SEAL_US = 131072 };

size_t node_seal_limit_of(double bytes_per_s)
{
	double bytes = bytes_per_s * SEAL_US / TORAP_US_PER_S;
	if (bytes < NODE_SEAL_BYTES_MIN)
		return NODE_SEAL_BYTES_MIN;
	return bytes < NODE_SEAL_BYTES ? (size_t)bytes : NODE_SEAL_BYTES;
}

/* What is in force when nothing limits is as good as the most. */
static size_t in_force(const struct node_seal_limit *l)
{
	return l->measured ? l->measured : NODE_SEAL_BYTES;
}

static void weigh(struct node_seal_limit *l, size_t bytes, struct torap_mono now)
{
	bool less = bytes * 3 < in_force(l) * 2;
	bool more = bytes * 2 > in_force(l) * 3;
	if (!less && !more) {
		l->wants = false;
		return;
	}
	if (!l->wants || l->wants_less != less) {
		l->wants = true;
		l->wants_less = less;
		l->wanted = now;
	}
	uint32_t wait_ms = less ? NODE_SEAL_LIMIT_FALL_MS : NODE_SEAL_LIMIT_RISE_MS;
	if (!torap_mono_reached(torap_mono_add_ms(l->wanted, wait_ms), now))
		return;
	l->measured = bytes < NODE_SEAL_BYTES ? bytes : 0;
	l->wants = false;
}

size_t node_seal_limit_step(struct node_seal_limit *l, double slowest, struct torap_mono now)
{
	if (slowest > 0)
		weigh(l, node_seal_limit_of(slowest), now);
	if (l->configured && l->measured)
		return l->configured < l->measured ? l->configured : l->measured;
	return l->configured ? l->configured : l->measured;
}
