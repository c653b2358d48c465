/* reissue.h: tells again, in the lane's current stream, what an older one holds and a broker cannot get from it.
 *
 * Forked: a journal that was restored from a backup may have sealed (and acknowledged to devices) batches under numbers that the broker
 * knows otherwise.  They can never be sent to it; their events can.  From the first batch without a receipt of that broker to the last
 * of the old stream each event is numbered once more.  Unreadable: nobody may go on behind a gap, so what stands behind a manifest that
 * is damaged is told again, too.  What the broker had received after all, and other brokers have, comes twice: twice beats never.
 * Canaries are not told again, nor what cannot be read: that is said (BATCH-LOST, an event by faults.h).
 *
 * What is wanted begins a new incarnation, if the stream is still the one that goes on.  How far it has come stands on the disk
 * (reissue_rows.h): written with the new incarnation, so that a crash cannot lose it, and moved on with each piece.  There it also stands
 * from where on a stream has been told again, so that it is not done anew for each session and each broker. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "node/event.h"

struct node_batcher;
struct node_faults;
struct node_reissue;
struct torap_error;
struct torap_kv;
struct torap_stream_id;
struct torap_trust;

struct node_reissue_options {
	uv_loop_t *loop;
	struct torap_kv *kv;
	struct node_batcher *batcher;
	struct node_faults *faults;       /* or NULL: nobody is told of what cannot be read */
	struct torap_trust *const *trust; /* replay.h */
	uint32_t lane;
	const char *writer;
};

/* Before the loop runs. */
int node_reissue_create(
	struct node_reissue **out, const struct node_reissue_options *options, struct torap_error *err);
/* After the loop has run out, and after the batcher.  Accepts NULL, returns NULL. */
struct node_reissue *node_reissue_destroy(struct node_reissue *r);

/* Of this stream everything from batch `from` on is to be told again.  Kept until the disk knows.  False: it is, or will be, already. */
bool node_reissue_want(struct node_reissue *r, const struct torap_stream_id *stream, uint64_t from);
/* Every 100 ms: goes on with what the row says, if it is not under way already. */
void node_reissue_tick(struct node_reissue *r);
/* There may be a new row. */
void node_reissue_look(struct node_reissue *r);
/* Begins nothing new any more. */
void node_reissue_stop(struct node_reissue *r);
uint64_t node_reissue_count(const struct node_reissue *r); /* events told again */
