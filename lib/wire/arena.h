/* arena.h: memory for what one decoding of hostile protobuf brings, bounded, and given back all at once.
 *
 * Protobuf can make 60 bytes of memory of 2 bytes of input: beyond the limit allocations fail, and so does the decoding. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct torap_arena_block;

struct torap_arena {
	/* For the _unpack functions; never call a _free_unpacked on what it made. */
	ProtobufCAllocator allocator;
	/* private */
	struct torap_arena_block *newest;
	size_t total, limit;
};

/* Allocates nothing yet. */
void torap_arena_init(struct torap_arena *a, size_t limit);
/* For whoever does not go through the allocator.  NULL: beyond the limit, or memory ran out. */
void *torap_arena_take(struct torap_arena *a, size_t size);
/* All that came from it since the mark is gone. */
struct torap_arena_mark {
	struct torap_arena_block *block;
	size_t used;
};
struct torap_arena_mark torap_arena_mark(const struct torap_arena *a);
void torap_arena_rewind(struct torap_arena *a, struct torap_arena_mark mark);
/* All that came from it is gone; keeps one block for the next round. */
void torap_arena_reset(struct torap_arena *a);
void torap_arena_finish(struct torap_arena *a);
