/* forge.h: makes batches that nobody should make: takes a good one, changes it, and signs it again with whatever key.
 *
 * For tests only, so what cannot be made (out of memory, a manifest past its limit) ends the process. */
#pragma once

#include "base/buffer.h"
#include "proto/batch.pb-c.h"
#include "wire/batch.h"
#include "wire/seal.h"

/* May point the message's fields to anything that lives until it has been signed. */
typedef void (*forge_change)(Torap__Manifest *m);

/* The signed manifest, changed.  NULL as change: only signed anew.  key_id inside is that of the key before the change. */
struct torap_buffer *forge_manifest(
	const struct torap_buffer *signed_manifest, forge_change change, const struct torap_sign_key *key);

/* Other frames for a batch: a signed manifest of the same classes and counts, with the lengths of these frames and the digest of their
 * digests, which *out_digests are. */
struct torap_buffer *forge_frames(const struct torap_batch *b, struct torap_buffer *const frames[],
	const struct torap_sign_key *key, struct torap_buffer **out_digests);
