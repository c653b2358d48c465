/* damage.h: is a manifest that was read from the store what its writer signed?  store/provenance.h, by the broker's keys. */
#pragma once

#include <stdint.h>

#include "store/provenance.h"

struct torap_kv;
struct torap_trust;

/* On any thread, outside a transaction. */
enum torap_provenance broker_provenance_of(
	const struct torap_batch *batch, struct torap_kv *kv, uint32_t number, struct torap_trust *trust);
