/* reissue.h: after a fork: tells again, in the new stream, what the old one holds and its broker may never have received.
 *
 * A journal that was restored from a backup may have sealed (and acknowledged to devices) batches under numbers that the broker knows
 * otherwise.  They can never be sent to it; their events can.  From the first batch without a receipt of that broker to the last of the
 * old stream each event is numbered once more.  What the broker had received after all, and other brokers have, comes twice: twice
 * beats never.  Canaries are not told again.
 *
 * How far it has come stands in the table `state`, in a row for each old stream ("reissue/critical/" and its incarnation): written
 * with the new incarnation, so that a crash cannot lose it, and moved on with each piece.  A stream that forks while it takes in
 * what another held adds a row; both are told in the next. */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "node/event.h"

struct node_batcher;
struct node_reissue;
struct torap_error;
struct torap_kv;
struct torap_stream_id;
struct torap_writer;

struct node_reissue_options {
	uv_loop_t *loop;
	struct torap_kv *kv;
	struct node_batcher *batcher;
	uint32_t lane;
	const char *writer;
};

/* Before the loop runs. */
int node_reissue_create(
	struct node_reissue **out, const struct node_reissue_options *options, struct torap_error *err);
/* After the loop has run out, and after the batcher.  Accepts NULL, returns NULL. */
struct node_reissue *node_reissue_destroy(struct node_reissue *r);

/* The row, for the commit that begins the new incarnation. */
void node_reissue_write(
	const struct torap_stream_id *old, uint64_t from, uint64_t to, struct torap_writer *writes);
/* Every 100 ms: goes on with what the row says, if it is not under way already. */
void node_reissue_tick(struct node_reissue *r, struct node_now now);
/* There may be a new row. */
void node_reissue_look(struct node_reissue *r);
/* Begins nothing new any more. */
void node_reissue_stop(struct node_reissue *r);
uint64_t node_reissue_count(const struct node_reissue *r); /* events told again */
