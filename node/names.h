/* names.h: from a pair of names to a number, by hash, without regard to ASCII case. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node_names_slot;

/* Zero is an empty one. */
struct node_names {
	struct node_names_slot *slots;
	size_t room, used;
};

enum { NODE_NAMES_NONE = UINT32_MAX };

/* The number of the pair, or NODE_NAMES_NONE. */
uint32_t node_names_find(const struct node_names *names, const char *a, const char *b);
/* The pair must not be there.  Keeps the pointers.  False when memory ran out. */
bool node_names_add(struct node_names *names, const char *a, const char *b, uint32_t number);
void node_names_finish(struct node_names *names);
