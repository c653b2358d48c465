#include "wire/verify.h"

#include <string.h>

#include "wire/arena.h"
#include "wire/digest.h"
#include "wire/signature.h"

enum {
	HEAD_SIZE_MAX = 1024, /* 110 bytes of fields today */
	DECODE_MEMORY_MAX = 128 << 10,
};

const char *torap_verdict_name(enum torap_verdict v)
{
	switch (v) {
	case TORAP_VERDICT_GOOD:
		return "good";
	case TORAP_VERDICT_MALFORMED:
		return "malformed";
	case TORAP_VERDICT_UNKNOWN_KEY:
		return "unknown-key";
	case TORAP_VERDICT_BAD_SIGNATURE:
		return "bad-signature";
	case TORAP_VERDICT_BAD_DIGEST:
		return "bad-digest";
	case TORAP_VERDICT_GAP:
		return "gap";
	case TORAP_VERDICT_OLD:
		return "old";
	case TORAP_VERDICT_BROKEN_CHAIN:
		return "broken-chain";
	}
	return "unknown";
}

bool torap_verify_digests(const struct torap_batch *b)
{
	uint8_t digest[TORAP_DIGEST_SIZE];
	if (!b->digests)
		return true;
	torap_digest(digest, torap_buffer_bytes(b->digests));
	return memcmp(digest, b->manifest->frames, sizeof digest) == 0;
}

bool torap_verify_frame(const struct torap_batch *b, unsigned frame)
{
	unsigned group, part;
	torap_batch_locate(b, frame, &group, &part);
	const struct torap_buffer *bytes = b->frames[frame];
	if (!bytes)
		return true;
	const struct torap_part *p = &b->manifest->groups[group].parts[part];
	uint8_t digest[TORAP_DIGEST_SIZE];
	if (bytes->size != p->length || !b->digests)
		return false;
	torap_digest(digest, torap_buffer_bytes(bytes));
	return memcmp(digest, b->digests->data + (size_t)frame * TORAP_DIGEST_SIZE, sizeof digest) == 0;
}

enum torap_verdict torap_verify_manifest(const struct torap_batch *b, torap_key_lookup lookup, void *hint)
{
	const struct torap_manifest *m = b->manifest;
	struct torap_signed s;
	if (!torap_signed_decode(&s, torap_buffer_bytes(b->signed_manifest)))
		return TORAP_VERDICT_MALFORMED;
	const uint8_t *key =
		lookup(hint, m->stream.writer, m->key_id, (struct torap_wall){ m->sealed_at_us });
	if (!key)
		return TORAP_VERDICT_UNKNOWN_KEY;
	return torap_signed_verify(&s, TORAP_MANIFEST_PREFIX, key) ? TORAP_VERDICT_GOOD
								   : TORAP_VERDICT_BAD_SIGNATURE;
}

enum torap_verdict torap_verify_batch(
	const struct torap_batch *b, torap_key_lookup lookup, void *hint, unsigned *bad_frame)
{
	enum torap_verdict v = torap_verify_manifest(b, lookup, hint);
	if (v != TORAP_VERDICT_GOOD)
		return v;
	unsigned i = torap_verify_digests(b) ? 0 : b->manifest->frames_count;
	bool good = i == 0;
	while (good && i < b->manifest->frames_count && (good = torap_verify_frame(b, i)))
		i++;
	if (!good && bad_frame)
		*bad_frame = i;
	return good ? TORAP_VERDICT_GOOD : TORAP_VERDICT_BAD_DIGEST;
}

enum torap_verdict torap_verify_chain(const struct torap_position *at, const struct torap_manifest *m)
{
	if (m->batch_no > at->next_batch)
		return TORAP_VERDICT_GAP;
	if (m->batch_no < at->next_batch)
		return TORAP_VERDICT_OLD;
	if (at->next_seq != 0 && m->first_seq != at->next_seq)
		return TORAP_VERDICT_BROKEN_CHAIN;
	if (at->has_digest &&
		(!m->has_previous || memcmp(m->previous, at->last_digest, TORAP_DIGEST_SIZE) != 0))
		return TORAP_VERDICT_BROKEN_CHAIN;
	return TORAP_VERDICT_GOOD;
}

void torap_position_advance(struct torap_position *at, const struct torap_manifest *m)
{
	at->next_batch = m->batch_no + 1;
	at->next_seq = m->first_seq + m->count;
	at->has_digest = true;
	memcpy(at->last_digest, m->digest, TORAP_DIGEST_SIZE);
}

/* False when the fields do not belong together.  No batch is empty, so events never have lower numbers than batches. */
static bool head_decode(struct torap_head *out, const Torap__Head *in)
{
	*out = (struct torap_head){ .last_batch = in->last_batch, .next_seq = in->next_seq };
	out->at.us = in->at_us;
	out->canary_s = in->canary_s;
	out->has_digest = in->last_batch != 0;
	if (!torap_stream_id_decode(&out->stream, in->stream) || in->next_seq <= in->last_batch ||
		(in->last_batch == 0 && in->next_seq != 1) ||
		in->last_digest.len != (out->has_digest ? TORAP_DIGEST_SIZE : 0))
		return false;
	if (out->has_digest)
		memcpy(out->last_digest, in->last_digest.data, TORAP_DIGEST_SIZE);
	return true;
}

static bool decode_signed_head(struct torap_head *out, struct torap_signed *s, struct torap_bytes signed_head)
{
	if (signed_head.size > HEAD_SIZE_MAX || !torap_signed_decode(s, signed_head))
		return false;
	struct torap_arena arena;
	torap_arena_init(&arena, DECODE_MEMORY_MAX);
	Torap__Head *in = torap__head__unpack(&arena.allocator, s->document.size, s->document.data);
	bool decoded = in && head_decode(out, in);
	torap_arena_finish(&arena);
	if (decoded)
		memcpy(out->key_id, s->key_id.data, TORAP_KEY_ID_SIZE);
	return decoded;
}

bool torap_head_decode(struct torap_head *out, struct torap_bytes signed_head)
{
	struct torap_signed s;
	return decode_signed_head(out, &s, signed_head);
}

enum torap_verdict torap_verify_head(
	struct torap_head *out, struct torap_bytes signed_head, torap_key_lookup lookup, void *hint)
{
	struct torap_signed s;
	struct torap_head head;
	if (!decode_signed_head(&head, &s, signed_head))
		return TORAP_VERDICT_MALFORMED;
	const uint8_t *key = lookup(hint, head.stream.writer, head.key_id, head.at);
	if (!key)
		return TORAP_VERDICT_UNKNOWN_KEY;
	if (!torap_signed_verify(&s, TORAP_HEAD_PREFIX, key))
		return TORAP_VERDICT_BAD_SIGNATURE;
	*out = head;
	return TORAP_VERDICT_GOOD;
}
