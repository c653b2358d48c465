#include "wire/batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int torap_batch_create(
	struct torap_batch **out, struct torap_buffer *signed_manifest, struct torap_error *err)
{
	struct torap_manifest *m;
	int r = torap_manifest_decode(&m, torap_buffer_bytes(signed_manifest), err);
	if (r)
		return r;
	struct torap_batch *b = calloc(1, sizeof *b);
	if (!b) {
		torap_manifest_destroy(m);
		return torap_errorf(err, -ENOMEM, "batch: out of memory");
	}
	b->manifest = m;
	b->signed_manifest = torap_buffer_ref(signed_manifest);
	memset(b->omissions, TORAP__OMISSION_REASON__OMISSION_NOT_HELD, m->frames_count);
	*out = b;
	return 0;
}

int torap_batch_take_digests(struct torap_batch *b, struct torap_buffer *digests, struct torap_error *err)
{
	const struct torap_manifest *m = b->manifest;
	if (digests->size != (size_t)m->frames_count * TORAP_DIGEST_SIZE)
		return torap_errorf(err, -EBADMSG, "batch: digests of %zu bytes for %u frames", digests->size,
			m->frames_count);
	torap_buffer_ref(digests);
	torap_buffer_unref(b->digests);
	b->digests = digests;
	return 0;
}

struct torap_batch *torap_batch_destroy(struct torap_batch *b)
{
	if (b) {
		for (unsigned i = 0; i < b->manifest->frames_count; i++)
			torap_buffer_unref(b->frames[i]);
		torap_buffer_unref(b->signed_manifest);
		torap_buffer_unref(b->digests);
		torap_manifest_destroy(b->manifest);
		free(b);
	}
	return NULL;
}

struct torap_batch *torap_batch_clone(const struct torap_batch *b)
{
	size_t size = sizeof *b->manifest + b->manifest->groups_count * sizeof b->manifest->groups[0];
	struct torap_batch *clone = malloc(sizeof *clone);
	struct torap_manifest *m = malloc(size);
	if (!clone || !m) {
		free(clone);
		free(m);
		return NULL;
	}
	memcpy(m, b->manifest, size);
	*clone = *b;
	clone->manifest = m;
	torap_buffer_ref(clone->signed_manifest);
	if (clone->digests)
		torap_buffer_ref(clone->digests);
	for (unsigned i = 0; i < m->frames_count; i++)
		if (clone->frames[i])
			torap_buffer_ref(clone->frames[i]);
	return clone;
}

bool torap_omission_is_hole(int reason)
{
	return reason == TORAP__OMISSION_REASON__OMISSION_DAMAGED ||
	       reason == TORAP__OMISSION_REASON__OMISSION_NOT_HELD;
}

bool torap_batch_lacks(const struct torap_batch *b)
{
	for (unsigned i = 0; i < b->manifest->frames_count; i++)
		if (!b->frames[i] && torap_omission_is_hole(b->omissions[i]))
			return true;
	return false;
}

bool torap_batch_is_damaged(const struct torap_batch *b)
{
	for (unsigned i = 0; i < b->manifest->frames_count; i++)
		if (!b->frames[i] && b->omissions[i] == TORAP__OMISSION_REASON__OMISSION_DAMAGED)
			return true;
	return false;
}

size_t torap_batch_size(const struct torap_batch *b)
{
	size_t size = b->signed_manifest->size + (b->digests ? b->digests->size : 0);
	for (unsigned i = 0; i < b->manifest->frames_count; i++)
		if (b->frames[i])
			size += b->frames[i]->size;
	return size;
}

void torap_batch_locate(const struct torap_batch *b, unsigned frame, unsigned *group, unsigned *part)
{
	const struct torap_manifest *m = b->manifest;
	assert(frame < m->frames_count);
	unsigned low = 0, high = m->groups_count; /* the frame is in a group of [low, high) */
	while (high - low > 1) {
		unsigned middle = (low + high) / 2;
		if (m->groups[middle].first_frame <= frame)
			low = middle;
		else
			high = middle;
	}
	*group = low;
	*part = frame - m->groups[low].first_frame;
}
