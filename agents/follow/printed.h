/* printed.h: how far an output has come: in each stream, and, if it is a file, its length.
 *
 * A table of its own, and in meta "length/OUTPUT" (u64).  Functions run inside the caller's transaction and return 0,
 * TORAP_KV_MISSING (of what was never put), or what kv returned. */
#pragma once

#include <stdint.h>

#include "store/kv.h"
#include "wire/stream.h"

/* All batches below next_batch, and of that one the events below next_seq. */
struct follow_printed {
	uint64_t next_batch, next_seq;
};
int follow_printed_put(struct torap_kv_txn *txn, const char *output, const struct torap_stream_id *stream,
	struct follow_printed at);
int follow_printed_get(struct torap_kv_txn *txn, const char *output, const struct torap_stream_id *stream,
	struct follow_printed *out);

int follow_printed_put_length(struct torap_kv_txn *txn, const char *output, uint64_t length);
int follow_printed_length(struct torap_kv_txn *txn, const char *output, uint64_t *out);
