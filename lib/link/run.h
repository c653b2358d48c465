/* run.h: the body of a RUN: signed manifests of consecutive batches, as they are or compressed all together. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"
#include "base/limits.h"

struct torap_compressor;
struct torap_error;

struct torap_run {
	size_t count; /* at least 1 */
	struct torap_bytes
		manifests[TORAP_RUN_MANIFESTS_MAX]; /* views into the body, or into what was decompressed */
	/* private */
	struct torap_buffer *content; /* what was decompressed; NULL: nothing was */
};

/* The run lives as long as the body, and is finished when this returned 0.  Else -EBADMSG with the reason, or -ENOMEM.  What a compressed one
 * says that it holds is looked at first: no more than TORAP_CONTENT_SIZE_MAX is ever made of it. */
int torap_run_decode(struct torap_run *out, struct torap_bytes body, struct torap_error *err);
void torap_run_finish(struct torap_run *r);

/* Of at most TORAP_RUN_MANIFESTS_MAX signed manifests.  NULL when memory ran out. */
struct torap_buffer *torap_run_encode(struct torap_buffer *const *signed_manifests, size_t count);
/* A run that was encoded, compressed; the same buffer, with a reference more, when it would not be shorter. */
struct torap_buffer *torap_run_compress(struct torap_compressor *c, struct torap_buffer *run);
