/* rendering.h: what an output has still to show, as lines, a chunk at a time.
 *
 *     chunk → written, its positions committed → kept
 *          `→ lost: what was not written is not remembered as written
 *
 * Batches of the critical lane first, those of a lane's streams in turn; before them what came by merges (mended.h) of batches
 * that were shown before.  One thread at a time; which, is the owner's matter. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/follow/printed.h"
#include "base/bytes.h"
#include "base/error.h"
#include "wire/open.h"

/* How far it is in one stream. */
struct follow_track {
	struct torap_stream_id stream;
	uint32_t number;                /* in the journal */
	uint64_t last_batch;            /* flushed */
	struct follow_printed at, next; /* written; with this chunk */
	bool dirty;                     /* `next` is ahead of the store */
};

struct follow_rendering {
	/* The owner's. */
	struct torap_kv *kv;
	const char *output; /* its name in the store */
	uint64_t count_max; /* events; 0: no end */
	void (*render)(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
		struct torap_writer *line);
	void *hint;
	/* For the owner to read. */
	struct torap_writer chunk; /* about a mebibyte */
	uint64_t events;           /* written */
	struct torap_error why;    /* of the last failure */
	/* private */
	struct follow_track *tracks; /* by number */
	size_t tracks_count, tracks_room;
	/* The last merge of which the output shows what came: committed, written, and with this chunk. */
	uint64_t mended_kept, mended_at, mended_next;
	bool mended_loaded;
	uint64_t chunk_events;
};

/* Fills the chunk, which is empty.  0: with all that there is; positive: there may be more, or count_max is reached; negative:
 * nothing can be shown, `why` says it. */
int follow_rendering_chunk(struct follow_rendering *f);
/* The chunk was written, or was not; it is empty then. */
void follow_rendering_written(struct follow_rendering *f);
void follow_rendering_lost(struct follow_rendering *f);

/* Is there a position that the store does not know? */
bool follow_rendering_moved(const struct follow_rendering *f);
/* Puts them: those behind the chunk.  0 or what kv returned. */
int follow_rendering_put(const struct follow_rendering *f, struct torap_kv_txn *txn);
/* What was put is committed. */
void follow_rendering_kept(struct follow_rendering *f);

void follow_rendering_finish(struct follow_rendering *f);
