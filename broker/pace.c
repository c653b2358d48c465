#include "broker/pace.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 16384 };

struct pace {
	struct pace *next;
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	uint8_t role, lane;
	struct torap_mono full_at; /* each hello moves it on by one interval */
};

struct broker_pace {
	struct pace *buckets[BUCKETS];
	size_t count;
};

struct broker_pace *broker_pace_create(void)
{
	return calloc(1, sizeof(struct broker_pace));
}

struct broker_pace *broker_pace_destroy(struct broker_pace *p)
{
	for (size_t i = 0; p && i < BUCKETS; i++) {
		while (p->buckets[i]) {
			struct pace *next = p->buckets[i]->next;
			free(p->buckets[i]);
			p->buckets[i] = next;
		}
	}
	free(p);
	return NULL;
}

/* Keys are admitted by hand: nobody can choose enough of them to make one chain long. */
static struct pace **chain_of(struct broker_pace *p, const uint8_t *key)
{
	uint32_t h;
	memcpy(&h, key, sizeof h);
	return &p->buckets[h % BUCKETS];
}

static struct pace *find(struct broker_pace *p, const uint8_t *key, uint8_t role, uint8_t lane)
{
	for (struct pace *e = *chain_of(p, key); e; e = e->next)
		if (e->role == role && e->lane == lane && memcmp(e->key, key, sizeof e->key) == 0)
			return e;
	return NULL;
}

static struct pace *add(
	struct broker_pace *p, const uint8_t *key, uint8_t role, uint8_t lane, struct torap_mono now)
{
	struct pace *e = p->count < BROKER_PACES_MAX ? malloc(sizeof *e) : NULL;
	if (!e)
		return NULL;
	struct pace **chain = chain_of(p, key);
	*e = (struct pace){ .next = *chain, .role = role, .lane = lane, .full_at = now };
	memcpy(e->key, key, sizeof e->key);
	*chain = e;
	p->count++;
	return e;
}

bool broker_pace_take(struct broker_pace *p, const uint8_t key[static TORAP_CURVE_KEY_SIZE], uint8_t role,
	uint8_t lane, struct torap_mono now)
{
	struct pace *e = find(p, key, role, lane);
	if (!e)
		e = add(p, key, role, lane, now);
	if (!e)
		return false;
	struct torap_mono from = torap_mono_reached(e->full_at, now) ? now : e->full_at;
	struct torap_mono full_at = torap_mono_add_ms(from, BROKER_PACE_EVERY_MS);
	/* That much is missing from a full bucket, with this one. */
	if (full_at.us - now.us > (int64_t)BROKER_PACE_BURST * BROKER_PACE_EVERY_MS * TORAP_US_PER_MS)
		return false;
	e->full_at = full_at;
	return true;
}

void broker_pace_sweep(struct broker_pace *p, struct torap_mono now)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct pace **at = &p->buckets[i]; *at;) {
			struct pace *e = *at;
			if (!torap_mono_reached(e->full_at, now)) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			free(e);
			p->count--;
		}
	}
}

size_t broker_pace_count(const struct broker_pace *p)
{
	return p->count;
}
