#include "node/request_places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/requests.h"

static struct node_place **bucket_of(struct node_places *places, const char *site)
{
	uint32_t h = 2166136261u;
	for (const char *p = site; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return &places->buckets[h % NODE_PLACES_BUCKETS];
}

struct node_place *node_places_find(struct node_places *places, const char *site)
{
	for (struct node_place *p = *bucket_of(places, site); p; p = p->next)
		if (strcmp(p->site, site) == 0)
			return p;
	return NULL;
}

struct node_place *node_places_make(struct node_places *places, const char *site)
{
	struct node_place **bucket = bucket_of(places, site), *p = node_places_find(places, site);
	if (p)
		return p;
	p = places->count < NODE_REQUESTS_SITES ? calloc(1, sizeof *p) : NULL;
	if (!p)
		return NULL;
	snprintf(p->site, sizeof p->site, "%s", site);
	p->next = *bucket;
	*bucket = p;
	places->count++;
	return p;
}

static void wait_at(struct node_places *places, struct node_place *p)
{
	p->next_waiting = places->waiting;
	places->waiting = p;
}

void node_places_add(struct node_places *places, struct node_place *p, struct node_wish *take)
{
	struct node_unasked *u = &p->unasked;
	u->last = take->alarm;
	if (u->count++ == 0) {
		p->fresh = true;
		wait_at(places, p);
	}
	if (!take->row) {
		node_places_forget(places, take);
		return;
	}
	take->next = u->wishes;
	u->wishes = take;
	u->rows++;
}

struct node_unasked node_place_take(struct node_place *p)
{
	struct node_unasked all = p->unasked;
	p->unasked = (struct node_unasked){ .count = 0 };
	return all;
}

bool node_places_give_back(struct node_places *places, const char *site, struct node_unasked *take,
	struct torap_mono pause_until)
{
	struct node_place *p = node_places_make(places, site);
	if (!p) {
		node_places_forget_all(places, take);
		return false;
	}
	struct node_unasked since = node_place_take(p);
	p->unasked = *take;
	*take = (struct node_unasked){ .count = 0 };
	if (since.count) {
		struct node_wish **end = &p->unasked.wishes;
		while (*end)
			end = &(*end)->next;
		*end = since.wishes;
		p->unasked.rows += since.rows;
		p->unasked.count += since.count;
		p->unasked.last = since.last;
	} else {
		wait_at(places, p);
	}
	p->asked = p->fresh = false;
	p->pause_until = pause_until;
	return true;
}

void node_places_forget(struct node_places *places, struct node_wish *take)
{
	places->rows -= take && take->row;
	free(take);
}

void node_places_forget_all(struct node_places *places, struct node_unasked *take)
{
	for (struct node_wish *w = take->wishes, *next; w; w = next) {
		next = w->next;
		node_places_forget(places, w);
	}
	*take = (struct node_unasked){ .count = 0 };
}

void node_places_sweep(struct node_places *places, int64_t interval_us, struct torap_mono now)
{
	for (size_t i = 0; i < NODE_PLACES_BUCKETS; i++) {
		for (struct node_place **at = &places->buckets[i]; *at;) {
			struct node_place *p = *at;
			if (p->unasked.count || now.us - p->asked_at.us < interval_us) {
				at = &p->next;
				continue;
			}
			*at = p->next;
			free(p);
			places->count--;
		}
	}
}

void node_places_finish(struct node_places *places)
{
	for (size_t i = 0; i < NODE_PLACES_BUCKETS; i++) {
		for (struct node_place *p = places->buckets[i], *next; p; p = next) {
			next = p->next;
			node_places_forget_all(places, &p->unasked);
			free(p);
		}
	}
}
