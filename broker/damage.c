#include "broker/damage.h"

#include <string.h>

#include "conf/trust.h"
#include "store/journal.h"
#include "store/kv.h"

/* Is it another stream's, or does what stands behind it name another digest? */
static bool is_disowned(struct torap_kv *kv, uint32_t number, const struct torap_batch *batch)
{
	struct torap_kv_txn txn;
	struct torap_journal_head head;
	uint8_t digest[TORAP_DIGEST_SIZE];
	const struct torap_manifest *m = batch->manifest;
	torap_kv_begin(&txn, kv, false);
	int r = torap_journal_head(&txn, &m->stream, &head);
	bool stray = r == TORAP_KV_MISSING || (!r && head.number != number);
	bool known = !r && torap_journal_digest(&txn, &head, m->batch_no, digest, NULL) == 0;
	torap_kv_abort(&txn);
	return stray || (known && memcmp(digest, m->digest, sizeof digest) != 0);
}

bool broker_is_damaged(
	const struct torap_batch *batch, struct torap_kv *kv, uint32_t number, struct torap_trust *trust)
{
	switch (torap_verify_manifest(batch, torap_trust_lookup, trust)) {
	case TORAP_VERDICT_GOOD:
		return false;
	case TORAP_VERDICT_UNKNOWN_KEY:
		return is_disowned(kv, number, batch);
	default:
		return true;
	}
}
