/* fetch.h: manifests of our own that cannot be read in the journal any more, asked back from brokers that acknowledged them.
 *
 *     a carrier finds one → asked of each broker that has it, once each → its RUN of one manifest → is it the one that the chain names?
 *         → journal mended, flushed → carriers go on
 *
 * What nobody can give in time is given up: then the stream ends for whoever lacks the batch, and the rest is told again (reissue.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "node/event.h"

struct node_fetch;
struct node_uplink;
struct torap_committer;
struct torap_error;
struct torap_stream_id;
struct torap_trust;

struct node_fetch_options {
	struct torap_committer *committer;
	struct torap_trust *const *trust; /* in force */
	struct node_uplink *const *uplinks;
	const size_t *uplinks_count;
	/* It can be read again, or nobody could give it. */
	void (*done)(void *hint, const struct torap_stream_id *stream, uint64_t batch_no, bool mended);
	void (*now)(void *hint, struct node_now *out);
	void *hint;
};

int node_fetch_create(
	struct node_fetch **out, const struct node_fetch_options *options, struct torap_error *err);
/* After the loop has run out, and the committer.  Accepts NULL, returns NULL. */
struct node_fetch *node_fetch_destroy(struct node_fetch *f);

/* A manifest that cannot be read here.  True: wait for done().  False: no broker has acknowledged it, or none could give it. */
bool node_fetch_want(
	struct node_fetch *f, const struct torap_stream_id *stream, uint64_t batch_no, struct node_now now);
/* A broker sends the body of a RUN.  False: nobody asked for that. */
bool node_fetch_take(struct node_fetch *f, const struct torap_stream_id *stream, uint64_t batch_no,
	struct torap_bytes run, struct node_now now);
/* Every 100 ms. */
void node_fetch_tick(struct node_fetch *f, struct node_now now);
