#include "node/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/batcher.h"
#include "node/writes.h"
#include "store/kv.h"

enum { FIRST_LANE = TORAP__LANE__LANE_CRITICAL, RECEIPT_KEY_MAX = 64 + 1 + TORAP_STREAM_TEXT_SIZE };

struct node_uplink {
	struct node_uplink_options options;
	struct node_carrier carriers[TORAP_LANES]; /* 0 is unused */
	bool given_up;
};

static size_t receipt_key(
	char key[static RECEIPT_KEY_MAX], const char *broker, const struct torap_stream_id *stream)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	int size =
		snprintf(key, RECEIPT_KEY_MAX, "%.63s%c%s", broker, 0, torap_stream_id_format(stream, text));
	return (size_t)size;
}

int node_uplink_receipt(struct torap_kv_txn *txn, const char *broker, const struct torap_stream_id *stream,
	uint64_t *out_next_batch)
{
	char key[RECEIPT_KEY_MAX];
	struct torap_bytes value = { 0 };
	size_t size = receipt_key(key, broker, stream);
	int r = torap_kv_get(txn, NODE_TABLE_RECEIPTS, torap_bytes(key, size), &value);
	if (r)
		return r;
	struct torap_reader reader = torap_reader(value);
	uint64_t next_batch = torap_read_u64(&reader);
	if (!torap_read_end(&reader) || next_batch == 0)
		return TORAP_KV_MISSING;
	*out_next_batch = next_batch;
	return 0;
}

static int read_receipt(struct node_uplink *u, struct torap_kv_txn *txn, const struct node_stream *stream,
	struct node_mark *out)
{
	uint64_t next_batch;
	int r = node_uplink_receipt(txn, u->options.name, &stream->id, &next_batch);
	if (r)
		return r;
	if (next_batch > stream->sealed.batch_no + 1)
		return TORAP_KV_MISSING; /* Of another life of this journal: the broker will tell. */
	return node_mark_read(out, &stream->id, next_batch - 1, txn);
}

static int read_receipts(struct node_uplink *u, struct node_carrier *c, struct torap_kv_txn *txn)
{
	size_t count;
	const struct node_stream *streams = node_batcher_streams(c->options.batcher, c->options.lane, &count);
	for (size_t i = 0; i < count; i++) {
		struct node_mark mark, next;
		int r = read_receipt(u, txn, &streams[i], &mark);
		if (r < 0)
			return r;
		if (r == 0)
			node_carrier_receipt(c, i, &mark);
		uint64_t behind = (r == 0 ? mark.batch_no : 0) + 1;
		if (c->behind_since.us == 0 && behind <= streams[i].sealed.batch_no &&
			node_mark_read(&next, &streams[i].id, behind, txn) == 0)
			c->behind_since = next.sealed_at;
	}
	return 0;
}

int node_uplink_open(struct node_uplink **out, const struct node_uplink_options *options, struct node_now now,
	struct torap_error *err)
{
	struct node_uplink *u = calloc(1, sizeof *u);
	if (!u)
		return torap_errorf(err, -ENOMEM, "broker %s: out of memory", options->name);
	u->options = *options;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, options->carrier.kv, false);
	int r = 0;
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES && r == 0; lane++) {
		struct node_carrier_options carrier = options->carrier;
		carrier.lane = lane;
		carrier.broker = options->name;
		carrier.endpoint = options->endpoint;
		carrier.broker_key = options->key;
		r = node_carrier_open(&u->carriers[lane], &carrier, now);
		if (r == 0)
			r = read_receipts(u, &u->carriers[lane], &txn);
	}
	torap_kv_abort(&txn);
	if (r) {
		node_uplink_destroy(u);
		return torap_errorf(
			err, r, "broker %s: its receipts cannot be read: %s", options->name, strerror(-r));
	}
	*out = u;
	return 0;
}

void node_uplink_close(struct node_uplink *u)
{
	for (uint32_t lane = FIRST_LANE; u && lane < TORAP_LANES; lane++)
		node_carrier_close(&u->carriers[lane]);
}

struct node_uplink *node_uplink_destroy(struct node_uplink *u)
{
	if (u) {
		for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
			node_carrier_finish(&u->carriers[lane]);
		free(u);
	}
	return NULL;
}

void node_uplink_tick(struct node_uplink *u, struct node_now now)
{
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		node_carrier_tick(&u->carriers[lane], now);
}

void node_uplink_rekey(struct node_uplink *u, struct node_now now)
{
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		node_carrier_rekey(&u->carriers[lane], now);
}

void node_uplink_redirect(struct node_uplink *u, const char *endpoint)
{
	u->options.endpoint = endpoint;
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		u->carriers[lane].options.endpoint = endpoint;
}

static void on_written(struct node_entry *entry, enum node_entry_result result)
{
	(void)result; /* A receipt that is not kept is only an older one. */
	free(entry);
}

static void record_receipts(struct node_uplink *u, struct node_carrier *c, struct torap_writer *writes)
{
	size_t count;
	const struct node_stream *streams = node_batcher_streams(c->options.batcher, c->options.lane, &count);
	for (size_t i = 0; i < c->streams_count; i++) {
		if (!c->streams[i].receipt_due)
			continue;
		c->streams[i].receipt_due = false;
		char key[RECEIPT_KEY_MAX];
		struct torap_writer value = { 0 };
		size_t size = receipt_key(key, u->options.name, &streams[i].id);
		torap_write_u64(&value, c->streams[i].acked.batch_no + 1);
		node_writes_put(writes, NODE_TABLE_RECEIPTS, torap_bytes(key, size),
			torap_bytes(value.data, value.size));
		writes->failed = writes->failed || value.failed;
		torap_writer_finish(&value);
	}
}

void node_uplink_receipts(struct node_uplink *u)
{
	struct node_entry *entry = calloc(1, sizeof *entry);
	if (!entry)
		return;
	entry->done = on_written;
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		record_receipts(u, &u->carriers[lane], &entry->writes);
	if (entry->writes.size == 0 || node_batcher_add(u->options.carrier.batcher, entry)) {
		torap_writer_finish(&entry->writes);
		free(entry);
	}
}

void node_uplink_sealed(
	struct node_uplink *u, uint32_t lane, const struct node_sealed *s, struct node_now now)
{
	node_carrier_sealed(&u->carriers[lane], s, now);
}

int node_uplink_streams(struct node_uplink *u, uint32_t lane, struct node_now now)
{
	return node_carrier_streams(&u->carriers[lane], now);
}

void node_uplink_head(struct node_uplink *u, uint32_t lane, struct torap_buffer *head, struct node_now now)
{
	node_carrier_head(&u->carriers[lane], head, now);
}

bool node_uplink_ask(
	struct node_uplink *u, const struct torap_stream_id *stream, uint64_t batch_no, struct node_now now)
{
	return node_carrier_ask(&u->carriers[stream->lane], stream, batch_no, now);
}

void node_uplink_fetched(struct node_uplink *u, const struct torap_stream_id *stream, uint64_t batch_no,
	bool mended, struct node_now now)
{
	node_carrier_fetched(&u->carriers[stream->lane], stream, batch_no, mended, now);
}

double node_uplink_slowest(const struct node_uplink *u)
{
	double slowest = 0;
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		const struct node_carrier *c = &u->carriers[lane];
		if (c->has_window && c->window.measured && (slowest == 0 || c->window.rate < slowest))
			slowest = c->window.rate;
	}
	return slowest;
}

const char *node_uplink_name(const struct node_uplink *u)
{
	return u->options.name;
}

bool node_uplink_required(const struct node_uplink *u)
{
	return u->options.required;
}

int64_t node_uplink_lag_max(const struct node_uplink *u)
{
	return u->options.lag_max_us;
}

void node_uplink_give_up(struct node_uplink *u, bool given_up)
{
	u->given_up = given_up;
}

bool node_uplink_given_up(const struct node_uplink *u)
{
	return u->given_up;
}

const struct node_carrier *node_uplink_carrier(const struct node_uplink *u, uint32_t lane)
{
	return &u->carriers[lane];
}
