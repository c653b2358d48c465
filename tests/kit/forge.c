#include "kit/forge.h"

#include <stdlib.h>

#include "wire/arena.h"
#include "wire/digest.h"
#include "wire/signature.h"

enum { MEMORY_MAX = 8 << 20 };

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static Torap__Manifest *unpack(const struct torap_buffer *signed_manifest, struct torap_arena *arena)
{
	struct torap_signed s;
	if (!torap_signed_decode(&s, torap_buffer_bytes(signed_manifest)))
		abort();
	return must(torap__manifest__unpack(&arena->allocator, s.document.size, s.document.data));
}

static struct torap_buffer *sign(const Torap__Manifest *m, const struct torap_sign_key *key)
{
	size_t size = torap__manifest__get_packed_size(m);
	if (size > TORAP_MANIFEST_SIZE_MAX)
		abort();
	uint8_t *bytes = must(malloc(size + 1));
	torap__manifest__pack(m, bytes);
	struct torap_buffer *b =
		must(torap_signed_encode(torap_bytes(bytes, size), TORAP_MANIFEST_PREFIX, key));
	free(bytes);
	return b;
}

struct torap_buffer *forge_manifest(
	const struct torap_buffer *signed_manifest, forge_change change, const struct torap_sign_key *key)
{
	struct torap_arena arena;
	torap_arena_init(&arena, MEMORY_MAX);
	Torap__Manifest *m = unpack(signed_manifest, &arena);
	m->key_id = (ProtobufCBinaryData){ TORAP_KEY_ID_SIZE, (uint8_t *)key->id };
	if (change)
		change(m);
	struct torap_buffer *b = sign(m, key);
	torap_arena_finish(&arena);
	return b;
}

struct torap_buffer *forge_frames(const struct torap_batch *b, struct torap_buffer *const frames[],
	const struct torap_sign_key *key, struct torap_buffer **out_digests)
{
	struct torap_buffer *digests =
		must(torap_buffer_create((size_t)b->manifest->frames_count * TORAP_DIGEST_SIZE));
	uint8_t digest[TORAP_DIGEST_SIZE];
	struct torap_arena arena;
	torap_arena_init(&arena, MEMORY_MAX);
	Torap__Manifest *m = unpack(b->signed_manifest, &arena);
	unsigned frame = 0;
	for (size_t i = 0; i < m->n_groups; i++) {
		for (size_t j = 0; j < m->groups[i]->n_parts; j++, frame++) {
			torap_digest(digests->data + (size_t)frame * TORAP_DIGEST_SIZE,
				torap_buffer_bytes(frames[frame]));
			m->groups[i]->parts[j]->length = (uint32_t)frames[frame]->size;
		}
	}
	torap_digest(digest, torap_buffer_bytes(digests));
	m->frames = (ProtobufCBinaryData){ sizeof digest, digest };
	struct torap_buffer *signed_manifest = sign(m, key);
	torap_arena_finish(&arena);
	*out_digests = digests;
	return signed_manifest;
}
