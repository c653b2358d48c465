#include "wire/envelope.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "wire/arena.h"

enum {
	/* An omission takes at most 8 bytes, the rest less than 80. */
	ENVELOPE_SIZE_MAX = 8 * TORAP_BATCH_FRAMES_MAX + 1024,
	DECODE_MEMORY_MAX = 1 << 20,
};

static int decode_omissions(struct torap_envelope *out, const Torap__Envelope *in, struct torap_error *err)
{
	bool seen[TORAP_BATCH_FRAMES_MAX] = { false };
	if (in->n_omissions > TORAP_BATCH_FRAMES_MAX)
		return torap_errorf(err, -EBADMSG, "envelope: %zu omissions", in->n_omissions);
	for (size_t i = 0; i < in->n_omissions; i++) {
		uint32_t frame = in->omissions[i]->frame;
		uint32_t reason = (uint32_t)in->omissions[i]->reason;
		if (frame >= TORAP_BATCH_FRAMES_MAX || seen[frame])
			return torap_errorf(err, -EBADMSG,
				"envelope: omission of frame %" PRIu32 ", past the last or twice", frame);
		/* What was not granted is never listed.  A number without a name is a newer peer's reason. */
		if (reason == TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED || reason > UINT8_MAX)
			return torap_errorf(err, -EBADMSG, "envelope: omission for reason %" PRIu32, reason);
		seen[frame] = true;
		out->omissions[i].frame = (uint16_t)frame;
		out->omissions[i].reason = (uint8_t)reason;
	}
	out->omissions_count = (unsigned)in->n_omissions;
	return 0;
}

static int decode_stream(struct torap_envelope *out, const Torap__Envelope *in, struct torap_error *err)
{
	if (!torap_stream_id_decode(&out->stream, in->stream))
		return torap_errorf(err, -EBADMSG, "envelope: no valid stream");
	out->has_stream = true;
	return 0;
}

static int decode_numbered(struct torap_envelope *out, const Torap__Envelope *in, struct torap_error *err)
{
	int r = decode_stream(out, in, err);
	if (r)
		return r;
	if (in->batch_no == 0)
		return torap_errorf(err, -EBADMSG, "envelope: no batch number");
	out->batch_no = in->batch_no;
	return 0;
}

static int decode_by_type(struct torap_envelope *out, const Torap__Envelope *in, struct torap_error *err)
{
	int r;
	switch (in->type) {
	case TORAP__MESSAGE_TYPE__MESSAGE_UNSPECIFIED:
		return torap_errorf(err, -EBADMSG, "envelope: no type");
	case TORAP__MESSAGE_TYPE__MESSAGE_BATCH:
		r = decode_numbered(out, in, err);
		return r ? r : decode_omissions(out, in, err);
	case TORAP__MESSAGE_TYPE__MESSAGE_RUN:
		return decode_numbered(out, in, err);
	case TORAP__MESSAGE_TYPE__MESSAGE_HEAD:
		return decode_stream(out, in, err);
	default: /* the others have nothing but a type; those to come are ignored by the receiver */
		return 0;
	}
}

int torap_envelope_decode(struct torap_envelope *out, struct torap_bytes bytes, struct torap_error *err)
{
	if (bytes.size == 0 || bytes.size > ENVELOPE_SIZE_MAX)
		return torap_errorf(err, -EBADMSG, "envelope: %zu bytes", bytes.size);
	struct torap_arena arena;
	torap_arena_init(&arena, DECODE_MEMORY_MAX);
	*out = (struct torap_envelope){ 0 };
	int r;
	Torap__Envelope *in = torap__envelope__unpack(&arena.allocator, bytes.size, bytes.data);
	if (in) {
		out->type = (uint32_t)in->type;
		r = decode_by_type(out, in, err);
	} else {
		r = torap_errorf(err, -EBADMSG, "envelope: cannot be decoded");
	}
	torap_arena_finish(&arena);
	return r;
}

static struct torap_buffer *pack(const Torap__Envelope *e)
{
	struct torap_buffer *b = torap_buffer_create(torap__envelope__get_packed_size(e));
	if (b)
		torap__envelope__pack(e, b->data);
	return b;
}

struct torap_buffer *torap_envelope_plain(uint32_t type)
{
	Torap__Envelope e = TORAP__ENVELOPE__INIT;
	e.type = (Torap__MessageType)type;
	return pack(&e);
}

struct torap_buffer *torap_envelope_stream(
	uint32_t type, const struct torap_stream_id *stream, uint64_t batch_no)
{
	Torap__Envelope e = TORAP__ENVELOPE__INIT;
	Torap__StreamId id;
	torap_stream_id_encode(&id, stream);
	e.type = (Torap__MessageType)type;
	e.stream = &id;
	e.batch_no = batch_no;
	return pack(&e);
}

struct torap_buffer *torap_envelope_batch(const struct torap_batch *b)
{
	Torap__Omission omissions[TORAP_BATCH_FRAMES_MAX];
	Torap__Omission *listed[TORAP_BATCH_FRAMES_MAX];
	Torap__Envelope e = TORAP__ENVELOPE__INIT;
	Torap__StreamId id;
	torap_stream_id_encode(&id, &b->manifest->stream);
	e.type = TORAP__MESSAGE_TYPE__MESSAGE_BATCH;
	e.stream = &id;
	e.batch_no = b->manifest->batch_no;
	e.omissions = listed;
	for (unsigned i = 0; i < b->manifest->frames_count; i++) {
		if (b->frames[i] || b->omissions[i] == TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED)
			continue;
		Torap__Omission *o = &omissions[e.n_omissions];
		torap__omission__init(o);
		o->frame = i;
		o->reason = (Torap__OmissionReason)b->omissions[i];
		listed[e.n_omissions++] = o;
	}
	return pack(&e);
}

unsigned torap_batch_to_frames(
	struct torap_buffer *frames[static TORAP_BATCH_MESSAGE_MAX], const struct torap_batch *b)
{
	unsigned count = b->manifest->frames_count;
	frames[0] = torap_envelope_batch(b);
	if (!frames[0])
		return 0;
	frames[1] = b->signed_manifest;
	frames[2] = NULL;
	for (unsigned i = 0; i < count; i++) {
		frames[TORAP_BATCH_MESSAGE_HEAD + i] = b->frames[i];
		if (b->frames[i])
			frames[2] = b->digests;
	}
	return TORAP_BATCH_MESSAGE_HEAD + count;
}

/* Takes over what the message brought; the batch is whole but for frames that were left out. */
static int fill(struct torap_batch *b, const struct torap_envelope *envelope, struct torap_buffer **frames,
	struct torap_error *err)
{
	const struct torap_manifest *m = b->manifest;
	for (unsigned i = 0; i < m->frames_count; i++) {
		unsigned group, part;
		torap_batch_locate(b, i, &group, &part);
		b->omissions[i] = TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED;
		if (frames[i]->size == 0)
			continue;
		if (frames[i]->size != m->groups[group].parts[part].length)
			return torap_errorf(err, -EBADMSG, "frame %u: %zu bytes, its manifest says %" PRIu32,
				i, frames[i]->size, m->groups[group].parts[part].length);
		if (!b->digests)
			return torap_errorf(err, -EBADMSG, "frame %u: came without the digests", i);
		b->frames[i] = torap_buffer_ref(frames[i]);
	}
	for (unsigned i = 0; i < envelope->omissions_count; i++) {
		unsigned frame = envelope->omissions[i].frame;
		if (frame >= m->frames_count || b->frames[frame])
			return torap_errorf(err, -EBADMSG,
				"envelope: omission of frame %u, which is there or past the last", frame);
		b->omissions[frame] = envelope->omissions[i].reason;
	}
	return 0;
}

int torap_batch_from_frames(struct torap_batch **out, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t frames_count, struct torap_error *err)
{
	if (envelope->type != TORAP__MESSAGE_TYPE__MESSAGE_BATCH || frames_count == 0)
		return torap_errorf(err, -EBADMSG, "batch: not a batch, or without a manifest");
	struct torap_batch *b = NULL;
	int r = torap_batch_create(&b, frames[0], err);
	if (r)
		return r;
	if (!torap_stream_id_equal(&envelope->stream, &b->manifest->stream) ||
		envelope->batch_no != b->manifest->batch_no)
		r = torap_errorf(err, -EBADMSG, "batch: envelope and manifest name different batches");
	else if (frames_count != 2 + (size_t)b->manifest->frames_count)
		r = torap_errorf(err, -EBADMSG, "batch: %zu frames behind the manifest, which lists %u",
			frames_count - 1, b->manifest->frames_count);
	else if (frames[1]->size)
		r = torap_batch_take_digests(b, frames[1], err);
	if (!r)
		r = fill(b, envelope, frames + 2, err);
	if (r) {
		torap_batch_destroy(b);
		return r;
	}
	*out = b;
	return 0;
}
