/* envelope.h: frame 0 of every message. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "wire/batch.h"
#include "wire/stream.h"

struct torap_error;

struct torap_envelope {
	uint32_t type; /* Torap__MessageType */
	bool has_stream;
	struct torap_stream_id stream;
	uint64_t batch_no;
	unsigned omissions_count;
	struct {
		uint16_t frame;
		uint8_t reason;
	} omissions[TORAP_BATCH_FRAMES_MAX];
};

/* Bounded; -EBADMSG with the reason for anything malformed: no type, a bad stream, a batch without stream or number. */
int torap_envelope_decode(struct torap_envelope *out, struct torap_bytes bytes, struct torap_error *err);
/* The envelope of a message of `type` alone, of a batch (with its omissions), of a run or head.  NULL when memory ran out. */
struct torap_buffer *torap_envelope_plain(uint32_t type);
struct torap_buffer *torap_envelope_batch(const struct torap_batch *b);
struct torap_buffer *torap_envelope_stream(
	uint32_t type, const struct torap_stream_id *stream, uint64_t batch_no);

enum {
	TORAP_BATCH_MESSAGE_HEAD =
		3, /* frames of a BATCH message before the parts': envelope, signed manifest, digests */
	TORAP_BATCH_MESSAGE_MAX = TORAP_BATCH_MESSAGE_HEAD + TORAP_BATCH_FRAMES_MAX,
};

/* Lists the frames of a BATCH message as it is sent; NULL: an empty one.  The digests go with the parts' frames, and when there is none
 * they stay here.  frames[0] is a new envelope, and the caller's; the others are the batch's.  Returns their number, 0 when memory ran out. */
unsigned torap_batch_to_frames(
	struct torap_buffer *frames[static TORAP_BATCH_MESSAGE_MAX], const struct torap_batch *b);

/* Makes a batch of the frames of a BATCH message behind the envelope: the SignedManifest, the digests of the parts' frames, then these;
 * takes references.  The envelope must agree with the manifest, each frame must be empty or have its listed length, and where one is
 * there, so must be the digests.  -EBADMSG with the reason. */
int torap_batch_from_frames(struct torap_batch **out, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t frames_count, struct torap_error *err);
