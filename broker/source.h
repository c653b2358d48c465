/* source.h: who brings a stream, and up to which batch all that it brought is on the disk.
 *
 * A stream may come from its writer and from upstreams, and each may have frames that the others lack.  What a source must send (again)
 * begins at the first batch that is not whole here and that it has not shown us yet; a table of the store keeps how far each came, in the
 * transaction of the batch.  So what one source was granted and another was not is fetched also when a link was away. */
#pragma once

#include <stdint.h>

#include "base/limits.h"
#include "wire/stream.h"
#include "wire/verify.h"

struct broker_stream;
struct torap_kv_txn;

enum broker_source_kind {
	BROKER_SOURCE_NONE,
	BROKER_SOURCE_WRITER, /* on its own link */
	BROKER_SOURCE_UPSTREAM,
};

struct broker_source {
	enum broker_source_kind kind;
	char name[TORAP_WRITER_ID_MAX + 1]; /* of the writer or upstream */
	uint64_t serial; /* of an upstream: one that was taken out and put in again is another; not kept */
	uint64_t
		after; /* of its session: what came of the stream before this batch ended here; 0: nothing did; not kept */
};

/* It came up to `next_batch` - 1.  Never goes back, and not past what came before it and found no room: that must come again.  0 or what kv
 * returned. */
int broker_source_put(struct torap_kv_txn *txn, const struct broker_source *source,
	const struct torap_stream_id *stream, uint64_t next_batch);
/* From where the source is to send the stream: at most the flushed position.  0 or what kv returned; then *out is the flushed one. */
int broker_source_resume(struct torap_kv_txn *txn, const struct broker_source *source,
	const struct broker_stream *stream, struct torap_position *out);
