/* batch.h: a sealed batch in memory: its manifest decoded and checked for shape, its frames as they came.
 *
 * The bytes of the signed manifest and of the frames are never re-encoded: what was signed is what is stored is what is sent.
 * Decoding here makes no statement about truth; that is verify.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "wire/stream.h"
#include "wire/taxonomy.h"

struct torap_error;

struct torap_part {
	uint8_t part; /* Torap__PartKind */
	uint32_t length;
};

struct torap_group {
	struct torap_class class;
	bool has_subject;
	uint8_t subject[TORAP_SUBJECT_SIZE];
	uint32_t count;
	unsigned first_frame; /* index of its first part's frame in the batch */
	unsigned parts_count; /* 0 to 3 */
	struct torap_part parts[3];
};

struct torap_manifest {
	struct torap_stream_id stream;
	uint64_t batch_no, first_seq;
	uint32_t count;
	int64_t sealed_at_us;
	bool compressed; /* what stands behind the salt of each open frame: compress.h */
	bool has_previous;
	uint8_t previous[TORAP_DIGEST_SIZE];
	uint8_t key_id[TORAP_KEY_ID_SIZE];
	uint8_t digest[TORAP_DIGEST_SIZE]; /* of the manifest's own bytes: the `previous` of the next */
	uint8_t frames[TORAP_DIGEST_SIZE]; /* of the digests of its frames (torap_batch.digests) */
	unsigned frames_count;
	unsigned groups_count;
	struct torap_group groups[]; /* groups_count */
};

struct torap_batch {
	struct torap_manifest *manifest;      /* owned */
	struct torap_buffer *signed_manifest; /* frame 1 as it came */
	struct torap_buffer
		*digests; /* of its frames, one behind the other, as they came.  NULL: not known here */
	struct torap_buffer *frames[TORAP_BATCH_FRAMES_MAX]; /* manifest->frames_count; NULL: left out */
	uint8_t omissions[TORAP_BATCH_FRAMES_MAX];           /* Torap__OmissionReason of each NULL */
};

/* Decodes a SignedManifest.  Everything is bounded and must agree with itself: counts add up, parts are in order and listed once,
 * every class belongs to the stream's lane, lengths are within limits.  Returns 0 or -EBADMSG with the reason. */
int torap_manifest_decode(
	struct torap_manifest **out, struct torap_bytes signed_manifest, struct torap_error *err);
void torap_manifest_destroy(struct torap_manifest *m); /* accepts NULL */

/* Makes a batch of a signed manifest (takes a reference) without frames: all left out, reason NOT_HELD. */
int torap_batch_create(
	struct torap_batch **out, struct torap_buffer *signed_manifest, struct torap_error *err);
/* Gives it the digests of its frames (takes a reference), without which no frame of it can be verified.  -EBADMSG with the reason when
 * they are more or fewer. */
int torap_batch_take_digests(struct torap_batch *b, struct torap_buffer *digests, struct torap_error *err);
/* Accepts NULL.  Returns NULL. */
struct torap_batch *torap_batch_destroy(struct torap_batch *b);
/* Another batch object over the same buffers. */
struct torap_batch *torap_batch_clone(const struct torap_batch *b);
/* Are frames missing that somebody may still have: damaged, or not held where the batch came from? */
bool torap_batch_lacks(const struct torap_batch *b);
/* Was one of them here, or where it came from, and is damaged? */
bool torap_batch_is_damaged(const struct torap_batch *b);
bool torap_omission_is_hole(int reason); /* an OmissionReason of that kind */
/* Bytes of all frames, their digests and the manifest: what it costs of a window. */
size_t torap_batch_size(const struct torap_batch *b);
/* Which group, and which of its parts, a frame belongs to. */
void torap_batch_locate(const struct torap_batch *b, unsigned frame, unsigned *group, unsigned *part);
