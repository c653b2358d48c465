#include "store/provenance.h"

#include <string.h>

#include "store/journal.h"
#include "store/kv.h"

static enum torap_provenance by_chain(
	struct torap_kv_txn *txn, uint32_t number, const struct torap_batch *batch)
{
	struct torap_journal_head head;
	uint8_t digest[TORAP_DIGEST_SIZE];
	const struct torap_manifest *m = batch->manifest;
	int r = torap_journal_head(txn, &m->stream, &head);
	if (r == TORAP_KV_MISSING || (!r && head.number != number))
		return TORAP_PROVENANCE_DAMAGED; /* another stream's */
	if (r || !torap_journal_named(txn, &head, m->batch_no, digest))
		return TORAP_PROVENANCE_UNPROVEN;
	return memcmp(digest, m->digest, sizeof digest) == 0 ? TORAP_PROVENANCE_SIGNED
							     : TORAP_PROVENANCE_DAMAGED;
}

enum torap_provenance torap_provenance_of(struct torap_kv_txn *txn, uint32_t number,
	const struct torap_batch *batch, torap_key_lookup lookup, void *hint)
{
	switch (torap_verify_manifest(batch, lookup, hint)) {
	case TORAP_VERDICT_GOOD:
		return TORAP_PROVENANCE_SIGNED;
	case TORAP_VERDICT_UNKNOWN_KEY:
		return by_chain(txn, number, batch);
	default:
		return TORAP_PROVENANCE_DAMAGED;
	}
}
