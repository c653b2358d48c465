/* provenance.h: is a manifest that was read from a store what its writer signed?
 *
 * A bit may have flipped in what was signed, in its signature, or in its date or key, so that no key of that time fits.  The first two show by
 * the signature; the third by the chain, for what stands behind a batch names its digest.  A key that is not known any more proves nothing. */
#pragma once

#include <stdint.h>

#include "wire/verify.h"

struct torap_batch;
struct torap_kv_txn;

enum torap_provenance {
	TORAP_PROVENANCE_SIGNED,   /* by a key that is known, or the chain names it */
	TORAP_PROVENANCE_UNPROVEN, /* no key of its time is known, and what stands behind it cannot be read */
	TORAP_PROVENANCE_DAMAGED,
};

/* `number`: of the stream in the store, where the batch was read.  `lookup`, `hint`: as torap_verify_manifest() takes them. */
enum torap_provenance torap_provenance_of(struct torap_kv_txn *txn, uint32_t number,
	const struct torap_batch *batch, torap_key_lookup lookup, void *hint);
