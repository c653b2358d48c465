/* uplink.h: one broker: a carrier for each lane, and what is remembered of its acknowledgements.
 *
 * Receipts are written now and then, not with each acknowledgement: they may be behind the truth, which the broker's welcome tells. */
#pragma once

#include <stdbool.h>

#include "node/carrier.h"
#include "wire/taxonomy.h"

struct torap_error;
struct torap_kv_txn;
struct node_uplink;

struct node_uplink_options {
	struct node_carrier_options
		carrier; /* lane, broker, endpoint and broker_key are set from what follows */
	const char *name,
		*endpoint; /* borrowed for the uplink's life (endpoint: or until _redirect), as the key */
	const uint8_t *key;
	bool required;
	int64_t lag_max_us; /* of one that is not: past this it is given up (give_up.h); 0: no limit */
};

/* Reads the receipts.  Blocks; before the loop runs. */
int node_uplink_open(struct node_uplink **out, const struct node_uplink_options *options, struct node_now now,
	struct torap_error *err);
void node_uplink_close(struct node_uplink *u); /* stops at once; accepts NULL */
struct node_uplink *node_uplink_destroy(
	struct node_uplink *u); /* after the loop has run out; accepts NULL, returns NULL */

/* The next batch of a stream that a broker wants, as it was last written down.  0, TORAP_KV_MISSING or negative. */
int node_uplink_receipt(struct torap_kv_txn *txn, const char *broker, const struct torap_stream_id *stream,
	uint64_t *out_next_batch);

void node_uplink_tick(struct node_uplink *u, struct node_now now);  /* every 100 ms */
void node_uplink_rekey(struct node_uplink *u, struct node_now now); /* node_carrier_rekey() of each lane */
/* The broker is at another endpoint.  Needs a rekey, as another content of its key does. */
void node_uplink_redirect(struct node_uplink *u, const char *endpoint);
/* Every few seconds, and once before the end: writes down how far the broker has come. */
void node_uplink_receipts(struct node_uplink *u);
void node_uplink_sealed(
	struct node_uplink *u, uint32_t lane, const struct node_sealed *s, struct node_now now);
/* The lane has a further stream.  0 or -ENOMEM. */
int node_uplink_streams(struct node_uplink *u, uint32_t lane, struct node_now now);
void node_uplink_head(struct node_uplink *u, uint32_t lane, struct torap_buffer *head, struct node_now now);

/* node_carrier_ask() and node_carrier_fetched() of the stream's lane. */
bool node_uplink_ask(
	struct node_uplink *u, const struct torap_stream_id *stream, uint64_t batch_no, struct node_now now);
void node_uplink_fetched(struct node_uplink *u, const struct torap_stream_id *stream, uint64_t batch_no,
	bool mended, struct node_now now);

/* Bytes a second of its slowest lane, as far as their sessions have measured it; 0: none has. */
double node_uplink_slowest(const struct node_uplink *u);
const char *node_uplink_name(const struct node_uplink *u);
bool node_uplink_required(const struct node_uplink *u);
int64_t node_uplink_lag_max(const struct node_uplink *u);
/* The journal keeps nothing for it. */
void node_uplink_give_up(struct node_uplink *u, bool given_up);
bool node_uplink_given_up(const struct node_uplink *u);
const struct node_carrier *node_uplink_carrier(const struct node_uplink *u, uint32_t lane);
