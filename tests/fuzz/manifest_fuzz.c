/* Signed manifests and heads, as they come; and manifests signed by the right key, for a known writer may be hostile too. */
#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "wire/seal.h"
#include "wire/signature.h"
#include "wire/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct torap_sign_key key;

static const uint8_t *look_up(
	void *hint, const char *writer, const uint8_t key_id[static TORAP_KEY_ID_SIZE], struct torap_wall at)
{
	(void)hint;
	(void)writer;
	(void)at;
	return memcmp(key_id, key.id, sizeof key.id) == 0 ? key.public : NULL;
}

/* What is promised of every manifest that was accepted. */
static void check(const struct torap_batch *b)
{
	const struct torap_manifest *m = b->manifest;
	uint64_t events = 0, bytes = 0;
	unsigned frame = 0;
	assert(m->batch_no > 0 && m->first_seq >= m->batch_no && m->first_seq + m->count > m->first_seq);
	assert(m->groups_count > 0 && m->groups_count <= TORAP_BATCH_GROUPS_MAX);
	assert(m->has_previous == (m->batch_no != 1));
	for (unsigned i = 0; i < m->groups_count; i++) {
		const struct torap_group *g = &m->groups[i];
		assert(torap_class_lane(&g->class) == m->stream.lane && g->first_frame == frame);
		assert(g->parts_count >= 1 && g->parts_count <= 3);
		events += g->count;
		for (unsigned j = 0; j < g->parts_count; j++, frame++) {
			unsigned group, part;
			torap_batch_locate(b, frame, &group, &part);
			assert(group == i && part == j);
			bytes += g->parts[j].length;
		}
	}
	assert(events == m->count && m->count <= TORAP_BATCH_EVENTS_MAX);
	assert(frame == m->frames_count && frame <= TORAP_BATCH_FRAMES_MAX && bytes <= TORAP_BATCH_SIZE_MAX);
}

static void try_manifest(struct torap_buffer *signed_manifest, bool ours)
{
	struct torap_batch *b = NULL;
	struct torap_error err = { "" };
	struct torap_position at = { .next_batch = 2, .next_seq = 2 };
	if (torap_batch_create(&b, signed_manifest, &err)) {
		assert(err.text[0]);
		return;
	}
	check(b);
	enum torap_verdict v = torap_verify_batch(b, look_up, NULL, NULL);
	assert(!ours || v == TORAP_VERDICT_GOOD);
	if (torap_verify_chain(&at, b->manifest) == TORAP_VERDICT_GOOD)
		torap_position_advance(&at, b->manifest);
	struct torap_batch *clone = torap_batch_clone(b);
	torap_batch_destroy(b);
	check(clone);
	torap_batch_destroy(clone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct torap_head head;
	torap_sign_key_make(&key, (const uint8_t[32]){ 1 });
	torap_verify_head(&head, torap_bytes(data, size), look_up, NULL);

	struct torap_buffer *b = torap_buffer_copy(torap_bytes(data, size));
	try_manifest(b, false);
	torap_buffer_unref(b);

	if (size <= TORAP_MANIFEST_SIZE_MAX) {
		b = torap_signed_encode(torap_bytes(data, size), TORAP_MANIFEST_PREFIX, &key);
		try_manifest(b, true);
		torap_buffer_unref(b);
		b = torap_signed_encode(torap_bytes(data, size), TORAP_HEAD_PREFIX, &key);
		torap_verify_head(&head, torap_buffer_bytes(b), look_up, NULL);
		torap_buffer_unref(b);
	}
	return 0;
}
