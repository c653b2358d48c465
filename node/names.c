#include "node/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

struct node_names_slot {
	const char *a, *b; /* NULL: free */
	uint32_t hash;
	uint32_t number;
};

/* FNV-1a. */
static uint32_t hash_name(uint32_t hash, const char *name)
{
	for (; *name; name++)
		hash = (hash ^ (uint8_t)tolower((unsigned char)*name)) * 16777619u;
	return (hash ^ 0xff) *
	       16777619u; /* an end that no text has, so that ("a", "bc") is not ("ab", "c") */
}

static uint32_t hash_pair(const char *a, const char *b)
{
	return hash_name(hash_name(2166136261u, a), b);
}

/* The slot of the pair, or the free one where it would go.  There is always a free one. */
static struct node_names_slot *seek(
	const struct node_names *names, uint32_t hash, const char *a, const char *b)
{
	for (size_t i = hash & (names->room - 1);; i = (i + 1) & (names->room - 1)) {
		struct node_names_slot *s = &names->slots[i];
		if (!s->a || (s->hash == hash && strcasecmp(s->a, a) == 0 && strcasecmp(s->b, b) == 0))
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
