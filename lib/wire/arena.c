#include "wire/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

enum { BLOCK_SIZE = 16 << 10 };

struct torap_arena_block {
	struct torap_arena_block *older;
	size_t size, used;
	alignas(max_align_t) uint8_t data[];
};

void *torap_arena_take(struct torap_arena *a, size_t size)
{
	if (size > a->limit)
		return NULL;
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct torap_arena_block *b = a->newest;
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		if (room > a->limit - a->total)
			return NULL;
		b = malloc(sizeof *b + room);
		if (!b)
			return NULL;
		*b = (struct torap_arena_block){ .older = a->newest, .size = room };
		a->newest = b;
		a->total += room;
	}
	void *at = b->data + b->used;
	b->used += size;
	return at;
}

static void *take(void *hint, size_t size)
{
	return torap_arena_take(hint, size);
}

static void leave(void *hint, void *memory)
{
	(void)hint;
	(void)memory; /* the whole block goes later */
}

void torap_arena_init(struct torap_arena *a, size_t limit)
{
	*a = (struct torap_arena){
		.allocator = { .alloc = take, .free = leave, .allocator_data = a },
		.limit = limit,
	};
}

static void drop_newest(struct torap_arena *a)
{
	struct torap_arena_block *b = a->newest;
	a->newest = b->older;
	a->total -= b->size;
	free(b);
}

struct torap_arena_mark torap_arena_mark(const struct torap_arena *a)
{
	return (struct torap_arena_mark){ a->newest, a->newest ? a->newest->used : 0 };
}

void torap_arena_rewind(struct torap_arena *a, struct torap_arena_mark mark)
{
	while (a->newest != mark.block)
		drop_newest(a);
	if (a->newest)
		a->newest->used = mark.used;
}

void torap_arena_reset(struct torap_arena *a)
{
	while (a->newest && a->newest->older)
		drop_newest(a);
	if (a->newest)
		a->newest->used = 0;
}

void torap_arena_finish(struct torap_arena *a)
{
	torap_arena_rewind(a, (struct torap_arena_mark){ 0 });
}
