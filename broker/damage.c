#include "broker/damage.h"

#include "conf/trust.h"
#include "store/kv.h"

enum torap_provenance broker_provenance_of(
	const struct torap_batch *batch, struct torap_kv *kv, uint32_t number, struct torap_trust *trust)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	enum torap_provenance p = torap_provenance_of(&txn, number, batch, torap_trust_lookup, trust);
	torap_kv_abort(&txn);
	return p;
}
