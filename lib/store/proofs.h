/* proofs.h: documents that prove what a writer denies: a head or a manifest, signed by it, that contradicts what is stored.
 *
 * A table of the caller's: stream (text), sort, number → the signed document as it came.  The document that it contradicts stands in the
 * journal, or beside it.  The same one again is there once; another one of the same number stands beside it. */
#pragma once

#include <stdint.h>

#include "store/kv.h"
#include "wire/stream.h"

enum torap_proof { TORAP_PROOF_HEAD = 'h', TORAP_PROOF_MANIFEST = 'm' };

/* `number`: a head's time, a manifest's batch number.  0, or what kv returned. */
int torap_proof_put(struct torap_kv_txn *txn, unsigned table, const struct torap_stream_id *stream,
	enum torap_proof sort, uint64_t number, struct torap_bytes document);

struct torap_proof_row {
	struct torap_stream_id stream;
	enum torap_proof sort;
	uint64_t number;
	struct torap_bytes document; /* holds until the transaction ends */
};
/* All of them, those of a stream together.  `each` as in torap_kv_walk(); a key that is none of ours is -EBADMSG. */
int torap_proofs(struct torap_kv_txn *txn, unsigned table,
	int (*each)(void *hint, const struct torap_proof_row *row), void *hint);
