/* grants.h: what the feed was granted when, so that a missing frame can be told from one that was never due.
 *
 * Each grant that was in force has a number, from 1; for each stream the batch is noted from which on a grant held.  Tables: store.h.
 * Functions run inside the caller's transaction. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/time.h"
#include "link/grant.h"
#include "store/kv.h"
#include "wire/stream.h"

struct follow_grant {
	uint32_t number;
	struct torap_wall since;
	struct torap_buffer *body; /* of a GRANT message */
};

/* The newest grant; .body is NULL when there was none yet, else the caller's. */
int follow_grant_last(struct torap_kv_txn *txn, struct follow_grant *out);
int follow_grant_put(struct torap_kv_txn *txn, const struct follow_grant *grant);
/* The caller's.  0, TORAP_KV_MISSING, -EBADMSG. */
int follow_grant_rows(
	struct torap_kv_txn *txn, uint32_t number, struct torap_grant_row **out, size_t *out_count);

/* From this batch on, which is in the journal, the grant of that number holds in the stream. */
int follow_grant_hold(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t batch_no, uint32_t grant);
/* The grant that a batch came under; TORAP_KV_MISSING when nothing tells. */
int follow_grant_of(struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no, uint32_t *out_grant);
