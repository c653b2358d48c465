#include "node/names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct node_names_slot {
	const char *a, *b; /* NULL: free */
	uint32_t hash;
	uint32_t number;
};

#define MIX 0x9e3779b97f4a7c15u /* odd, and with as many ones as zeros */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * MIX;
	return hash ^ hash >> 32;
}

/* As FNV-1a, but eight bytes at a time; names are short, so a walk to the end costs less than to ask for it first.  The bit that tells large
 * letters from small ones is always set: what else it makes equal is compared. */
static uint64_t hash_name(uint64_t hash, const char *name)
{
	uint64_t word = 0;
	unsigned bits = 0;
	for (; *name; name++) {
		word |= (uint64_t)((uint8_t)*name | 0x20) << bits;
		bits += 8;
		if (bits == 64) {
			hash = mix(hash, word);
			word = bits = 0;
		}
	}
	return mix(hash, word); /* an end, so that ("a", "bc") is not ("ab", "c") */
}

static uint32_t hash_pair(const char *a, const char *b)
{
	return (uint32_t)(hash_name(hash_name(0, a), b) * MIX >> 32); /* low bits of either see all */
}

/* Regardless of case, which devices seldom change. */
static bool is_same(const char *a, const char *b)
{
	for (; *a && *a == *b; a++)
		b++;
	return *a == *b || strcasecmp(a, b) == 0;
}

/* The slot of the pair, or the free one where it would go.  There is always a free one. */
static struct node_names_slot *seek(
	const struct node_names *names, uint32_t hash, const char *a, const char *b)
{
	for (size_t i = hash & (names->room - 1);; i = (i + 1) & (names->room - 1)) {
		struct node_names_slot *s = &names->slots[i];
		if (!s->a || (s->hash == hash && is_same(s->a, a) && is_same(s->b, b)))
			return s;
	}
}

uint32_t node_names_find(const struct node_names *names, const char *a, const char *b)
{
	if (names->used == 0)
		return NODE_NAMES_NONE;
	const struct node_names_slot *s = seek(names, hash_pair(a, b), a, b);
	return s->a ? s->number : NODE_NAMES_NONE;
}

static bool grow(struct node_names *names)
{
	struct node_names bigger = { .room = names->room ? names->room * 2 : 64, .used = names->used };
	bigger.slots = calloc(bigger.room, sizeof *bigger.slots);
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < names->room; i++) {
		const struct node_names_slot *s = &names->slots[i];
		if (s->a)
			*seek(&bigger, s->hash, s->a, s->b) = *s;
	}
	free(names->slots);
	*names = bigger;
	return true;
}

bool node_names_add(struct node_names *names, const char *a, const char *b, uint32_t number)
{
	if (names->used * 2 >= names->room && !grow(names))
		return false;
	uint32_t hash = hash_pair(a, b);
	*seek(names, hash, a, b) = (struct node_names_slot){ a, b, hash, number };
	names->used++;
	return true;
}

void node_names_finish(struct node_names *names)
{
	free(names->slots);
	*names = (struct node_names){ 0 };
}
