/* damage.h: is a manifest that was read from the store what its writer signed?
 *
 * A bit may have flipped in what was signed, in its signature, or in its date, so that no key of that time fits.  The first two show by the
 * signature; the third by the chain, for what stands behind a batch names its digest.  A key that is not known any more proves nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct torap_batch;
struct torap_kv;
struct torap_trust;

/* `number` is the stream's in `kv`, where the batch was read.  On any thread, outside a transaction. */
bool broker_is_damaged(
	const struct torap_batch *batch, struct torap_kv *kv, uint32_t number, struct torap_trust *trust);
