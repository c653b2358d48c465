/* verify.h: is this batch what its writer signed, and does it continue the stream?
 *
 * Pure: keys come from the caller (conf/trust.h has them). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "wire/batch.h"

struct torap_error;

/* The public key with this id of this writer that was valid at `at` (sealed_at, or a head's time); NULL: there is none. */
typedef const uint8_t *(*torap_key_lookup)(
	void *hint, const char *writer, const uint8_t key_id[static TORAP_KEY_ID_SIZE], struct torap_wall at);

enum torap_verdict {
	TORAP_VERDICT_GOOD,
	TORAP_VERDICT_MALFORMED,   /* cannot be decoded, or contradicts itself */
	TORAP_VERDICT_UNKNOWN_KEY, /* signed by a key that the writer did not have at that time */
	TORAP_VERDICT_BAD_SIGNATURE,
	TORAP_VERDICT_BAD_DIGEST,   /* a frame that is there is not the one that was signed */
	TORAP_VERDICT_GAP,          /* batches between this and the one before are missing */
	TORAP_VERDICT_OLD,          /* at or before the position */
	TORAP_VERDICT_BROKEN_CHAIN, /* the number fits, `previous` or first_seq does not: a fork or a rewrite */
};
/* "good", "bad-signature"… as in proto/vectors/index.tsv. */
const char *torap_verdict_name(enum torap_verdict v);

/* Signature, digests, and all frames that are there.  On BAD_DIGEST *bad_frame (may be NULL) is the first such frame, or frames_count when it
 * is the digests. */
enum torap_verdict torap_verify_batch(
	const struct torap_batch *b, torap_key_lookup lookup, void *hint, unsigned *bad_frame);
enum torap_verdict torap_verify_manifest(const struct torap_batch *b, torap_key_lookup lookup, void *hint);
/* Are the digests of its frames, if they are known, those that the manifest names? */
bool torap_verify_digests(const struct torap_batch *b);
/* Length and digest of one frame, by digests that were verified; true also when it was left out, false when they are not known. */
bool torap_verify_frame(const struct torap_batch *b, unsigned frame);

/* Where a reader stands in a stream. */
struct torap_position {
	uint64_t next_batch;
	uint64_t next_seq; /* 0: not known yet */
	bool has_digest;   /* false at batch 1, or after beginning in the middle with no digest */
	uint8_t last_digest[TORAP_DIGEST_SIZE];
};
/* GOOD, GAP, OLD or BROKEN_CHAIN. */
enum torap_verdict torap_verify_chain(const struct torap_position *at, const struct torap_manifest *m);
void torap_position_advance(struct torap_position *at, const struct torap_manifest *m);

/* A signed head, decoded and verified. */
struct torap_head {
	struct torap_stream_id stream;
	uint64_t last_batch, next_seq;
	bool has_digest;
	uint8_t last_digest[TORAP_DIGEST_SIZE];
	struct torap_wall at;
	uint32_t canary_s; /* its writer puts a canary into the stream so often; 0: it does not say */
	uint8_t key_id[TORAP_KEY_ID_SIZE];
};
/* Decoded alone.  False: it is malformed. */
bool torap_head_decode(struct torap_head *out, struct torap_bytes signed_head);
enum torap_verdict torap_verify_head(
	struct torap_head *out, struct torap_bytes signed_head, torap_key_lookup lookup, void *hint);
