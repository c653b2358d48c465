/* Decoding a manifest: every field has one allowed form, and a manifest that contradicts itself is refused whole. */
#include "wire/batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/arena.h"
#include "wire/digest.h"
#include "wire/signature.h"

enum {
	/* The densest protobuf of 64 KiB needs less than this; beyond it is an attack. */
	DECODE_MEMORY_MAX = 8 << 20,
};

static size_t part_size_max(uint32_t part)
{
	return part == TORAP__PART_KIND__PART_IMAGE ? TORAP_IMAGE_FRAME_SIZE_MAX : TORAP_FRAME_SIZE_MAX;
}

static int decode_part(struct torap_part *out, const Torap__Part *in, unsigned *last, struct torap_error *err)
{
	uint32_t part = (uint32_t)in->part;
	if (!torap_part_name(part) || part <= *last)
		return torap_errorf(err, -EBADMSG, "part %" PRIu32 " after part %u", part, *last);
	/* A frame is its salt and at least one message, of which the length takes a byte. */
	if (in->length <= TORAP_SALT_SIZE || in->length > part_size_max(part))
		return torap_errorf(
			err, -EBADMSG, "part %s of %" PRIu32 " bytes", torap_part_name(part), in->length);
	out->part = (uint8_t)part;
	out->length = in->length;
	*last = part;
	return 0;
}

static int decode_class(struct torap_class *out, const Torap__Class *in, struct torap_error *err)
{
	if (!in)
		return torap_errorf(err, -EBADMSG, "no class");
	if (in->region > TORAP_REGION_MAX || in->facility > UINT16_MAX || in->kind > UINT16_MAX ||
		in->severity > UINT8_MAX)
		return torap_errorf(err, -EBADMSG,
			"class (%" PRIu32 ", %" PRIu32 ", %" PRIu32 ", %" PRIu32 ") out of range", in->region,
			in->facility, in->kind, in->severity);
	*out = (struct torap_class){
		.region = in->region,
		.facility = (uint16_t)in->facility,
		.kind = (uint16_t)in->kind,
		.severity = (uint8_t)in->severity,
	};
	return 0;
}

static int decode_group(
	struct torap_group *out, const Torap__Group *in, uint32_t lane, struct torap_error *err)
{
	int r = decode_class(&out->class, in->class_, err);
	if (r)
		return r;
	if (torap_class_lane(&out->class) != lane)
		return torap_errorf(err, -EBADMSG, "class of lane %s in a stream of lane %s",
			torap_lane_name(torap_class_lane(&out->class)), torap_lane_name(lane));
	if (in->subject.len != 0 && in->subject.len != TORAP_SUBJECT_SIZE)
		return torap_errorf(err, -EBADMSG, "subject of %zu bytes", in->subject.len);
	out->has_subject = in->subject.len != 0;
	if (out->has_subject)
		memcpy(out->subject, in->subject.data, TORAP_SUBJECT_SIZE);
	if (in->count == 0 || in->count > TORAP_BATCH_EVENTS_MAX)
		return torap_errorf(err, -EBADMSG, "count of %" PRIu32, in->count);
	out->count = in->count;

	if (in->n_parts == 0 || in->n_parts > 3 || in->parts[0]->part != TORAP__PART_KIND__PART_OPEN)
		return torap_errorf(err, -EBADMSG, "%zu parts, the first of which must be open", in->n_parts);
	unsigned last = 0;
	for (size_t i = 0; i < in->n_parts; i++) {
		r = decode_part(&out->parts[i], in->parts[i], &last, err);
		if (r)
			return r;
	}
	out->parts_count = (unsigned)in->n_parts;
	return 0;
}

static bool same_group(const struct torap_group *a, const struct torap_group *b)
{
	return torap_class_equal(&a->class, &b->class) && a->has_subject == b->has_subject &&
	       memcmp(a->subject, b->subject, TORAP_SUBJECT_SIZE) == 0;
}

static int decode_groups(struct torap_manifest *m, const Torap__Manifest *in, struct torap_error *err)
{
	uint64_t events = 0, bytes = 0;
	for (unsigned i = 0; i < m->groups_count; i++) {
		struct torap_group *g = &m->groups[i];
		int r = decode_group(g, in->groups[i], m->stream.lane, err);
		if (r) {
			torap_error_prefix(err, "group %u: ", i);
			return r;
		}
		for (unsigned j = 0; j < i; j++)
			if (same_group(&m->groups[j], g))
				return torap_errorf(err, -EBADMSG, "groups %u and %u are of one class", j, i);
		g->first_frame = m->frames_count;
		m->frames_count += g->parts_count;
		events += g->count;
		for (unsigned j = 0; j < g->parts_count; j++)
			bytes += g->parts[j].length;
	}
	if (events != m->count)
		return torap_errorf(err, -EBADMSG, "its groups hold %" PRIu64 " events, it says %" PRIu32,
			events, m->count);
	if (bytes > TORAP_BATCH_SIZE_MAX)
		return torap_errorf(err, -EBADMSG, "frames of %" PRIu64 " bytes", bytes);
	return 0;
}

static int decode_numbers(struct torap_manifest *m, const Torap__Manifest *in, struct torap_error *err)
{
	if (in->batch_no == 0 || in->batch_no == UINT64_MAX)
		return torap_errorf(err, -EBADMSG, "batch number %" PRIu64, in->batch_no);
	if (in->count == 0 || in->count > TORAP_BATCH_EVENTS_MAX)
		return torap_errorf(err, -EBADMSG, "count of %" PRIu32, in->count);
	/* No batch is empty, so the events never have lower numbers than their batches. */
	if (in->first_seq < in->batch_no || in->first_seq > UINT64_MAX - in->count ||
		(in->batch_no == 1 && in->first_seq != 1))
		return torap_errorf(err, -EBADMSG, "first event %" PRIu64 " in batch %" PRIu64, in->first_seq,
			in->batch_no);
	m->batch_no = in->batch_no;
	m->first_seq = in->first_seq;
	m->count = in->count;
	m->sealed_at_us = in->sealed_at_us;
	return 0;
}

static int decode_fields(struct torap_manifest *m, const Torap__Manifest *in, struct torap_bytes key_id,
	struct torap_error *err)
{
	if (!torap_stream_id_decode(&m->stream, in->stream))
		return torap_errorf(err, -EBADMSG, "no valid stream");
	int r = decode_numbers(m, in, err);
	if (r)
		return r;
	if (in->previous.len != (in->batch_no == 1 ? 0 : TORAP_DIGEST_SIZE))
		return torap_errorf(err, -EBADMSG, "previous of %zu bytes in batch %" PRIu64,
			in->previous.len, in->batch_no);
	m->has_previous = in->batch_no != 1;
	if (m->has_previous)
		memcpy(m->previous, in->previous.data, TORAP_DIGEST_SIZE);
	if (!torap_bytes_equal(torap_bytes(in->key_id.data, in->key_id.len), key_id))
		return torap_errorf(err, -EBADMSG, "key id inside differs from the one outside");
	memcpy(m->key_id, key_id.data, TORAP_KEY_ID_SIZE);
	if (in->digest != TORAP__DIGEST_ALGORITHM__DIGEST_BLAKE2B_256)
		return torap_errorf(err, -EBADMSG, "digest algorithm %d is not known", (int)in->digest);
	if (in->compression != TORAP__COMPRESSION__COMPRESSION_NONE &&
		in->compression != TORAP__COMPRESSION__COMPRESSION_ZSTD)
		return torap_errorf(err, -EBADMSG, "compression %d is not known", (int)in->compression);
	m->compressed = in->compression == TORAP__COMPRESSION__COMPRESSION_ZSTD;
	if (in->frames.len != TORAP_DIGEST_SIZE)
		return torap_errorf(err, -EBADMSG, "digest of its frames of %zu bytes", in->frames.len);
	memcpy(m->frames, in->frames.data, TORAP_DIGEST_SIZE);
	return decode_groups(m, in, err);
}

static int decode_document(struct torap_manifest **out, const struct torap_signed *s,
	struct torap_arena *arena, struct torap_error *err)
{
	Torap__Manifest *in = torap__manifest__unpack(&arena->allocator, s->document.size, s->document.data);
	if (!in)
		return torap_errorf(err, -EBADMSG, "manifest: cannot be decoded");
	if (in->n_groups == 0 || in->n_groups > TORAP_BATCH_GROUPS_MAX)
		return torap_errorf(err, -EBADMSG, "manifest: %zu groups", in->n_groups);
	struct torap_manifest *m = calloc(1, sizeof *m + in->n_groups * sizeof m->groups[0]);
	if (!m)
		return torap_errorf(err, -ENOMEM, "manifest: out of memory");
	m->groups_count = (unsigned)in->n_groups;
	int r = decode_fields(m, in, s->key_id, err);
	if (r) {
		torap_error_prefix(err, "manifest: ");
		torap_manifest_destroy(m);
		return r;
	}
	torap_digest(m->digest, s->document);
	*out = m;
	return 0;
}

int torap_manifest_decode(
	struct torap_manifest **out, struct torap_bytes signed_manifest, struct torap_error *err)
{
	struct torap_signed s;
	if (!torap_signed_decode(&s, signed_manifest))
		return torap_errorf(err, -EBADMSG, "signed manifest: cannot be decoded");
	struct torap_arena arena;
	torap_arena_init(&arena, DECODE_MEMORY_MAX);
	int r = decode_document(out, &s, &arena, err);
	torap_arena_finish(&arena);
	return r;
}

void torap_manifest_destroy(struct torap_manifest *m)
{
	free(m);
}
