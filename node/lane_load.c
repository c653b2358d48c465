#include "node/lane_load.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/lane.h"
#include "node/writes.h"
#include "store/journal.h"
#include "store/kv.h"
#include "store/kv_key.h"

enum { STATE_KEY_SIZE = 32 };

uint64_t node_lane_random(void)
{
	uint64_t n;
	randombytes_buf(&n, sizeof n);
	return n;
}

static struct torap_bytes state_key(char text[static STATE_KEY_SIZE], uint32_t lane)
{
	int size = snprintf(text, STATE_KEY_SIZE, "incarnation/%s", torap_lane_name(lane));
	return torap_bytes(text, (size_t)size);
}

static struct torap_kv_key number(uint64_t n)
{
	struct torap_kv_key value = { 0 };
	torap_kv_key_u64(&value, n);
	return value;
}

void node_lane_write_incarnation(const struct torap_stream_id *id, struct torap_writer *writes)
{
	char key[STATE_KEY_SIZE];
	struct torap_kv_key value = number(id->incarnation);
	node_writes_put(writes, NODE_TABLE_STATE, state_key(key, id->lane), torap_kv_key_bytes(&value));
}

static int make_incarnation(struct torap_kv *kv, uint32_t lane, uint64_t *out, struct torap_error *err)
{
	char key[STATE_KEY_SIZE];
	struct torap_kv_txn txn;
	*out = node_lane_random();
	struct torap_kv_key value = number(*out);
	torap_kv_begin(&txn, kv, true);
	torap_kv_put(&txn, NODE_TABLE_STATE, state_key(key, lane), torap_kv_key_bytes(&value));
	int r = torap_kv_commit(&txn, err);
	return r == TORAP_KV_FULL ? torap_errorf(err, -ENOSPC, "journal: no room even to begin") : r;
}

static int find_incarnation(struct torap_kv *kv, uint32_t lane, uint64_t *out, struct torap_error *err)
{
	char key[STATE_KEY_SIZE];
	struct torap_bytes value = { 0 };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	int r = torap_kv_get(&txn, NODE_TABLE_STATE, state_key(key, lane), &value);
	if (r == 0) {
		struct torap_reader reader = torap_reader(value);
		*out = torap_read_u64(&reader);
		if (!torap_read_end(&reader))
			r = torap_errorf(err, -EBADMSG, "journal: the incarnation cannot be read");
	} else if (r < 0) {
		torap_errorf(err, r, "journal: the incarnation cannot be read");
	}
	torap_kv_abort(&txn);
	return r == TORAP_KV_MISSING ? make_incarnation(kv, lane, out, err) : r;
}

struct find_streams {
	struct node_lane *l;
	uint64_t current;
	int failure;
};

static int add_stream(struct node_lane *l, const struct torap_stream_id *id)
{
	if (l->streams_count == NODE_STREAMS_OF_LANE_MAX)
		return -E2BIG;
	struct node_stream *more = realloc(l->streams, (l->streams_count + 1) * sizeof *more);
	if (!more)
		return -ENOMEM;
	l->streams = more;
	node_stream_init(&l->streams[l->streams_count++], id);
	return 0;
}

/* The journal counts its streams in the order in which they began.  The current one comes last, and by itself. */
static int on_journal_stream(void *hint, const struct torap_journal_head *head)
{
	struct find_streams *f = hint;
	const struct torap_stream_id *id = &head->stream;
	if (strcmp(id->writer, f->l->options->writer) != 0 || id->lane != f->l->lane ||
		id->incarnation == f->current)
		return 0;
	f->failure = add_stream(f->l, id);
	return f->failure;
}

static int load_streams(
	struct node_lane *l, struct torap_kv_txn *txn, uint64_t current, struct torap_error *err)
{
	struct find_streams f = { l, current, 0 };
	struct torap_stream_id id;
	if (!torap_stream_id_make(&id, l->options->writer, l->lane, current))
		return torap_errorf(
			err, -EINVAL, "\"%s\" cannot be the name of a writer", l->options->writer);
	int r = torap_journal_heads(txn, on_journal_stream, &f);
	if (r == 0)
		r = add_stream(l, &id);
	if (r)
		return torap_errorf(
			err, r < 0 ? r : -EIO, "journal: its streams cannot be read: %s", strerror(abs(r)));
	for (size_t i = 0; i < l->streams_count && r == 0; i++)
		r = node_stream_read(&l->streams[i], txn, err);
	return r;
}

struct load_unsealed {
	struct node_lane *l;
	struct torap_error *err;
};

static int on_unsealed_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	const struct load_unsealed *load = hint;
	struct node_events *list = &load->l->unsealed;
	struct torap_reader reader = torap_reader(key);
	if (torap_read_u8(&reader) != load->l->lane)
		return 1; /* The next lane's rows. */
	uint64_t seq = torap_read_u64(&reader);
	if (!torap_read_end(&reader) || (list->last && seq != list->last->seq + 1))
		return torap_errorf(load->err, -EBADMSG, "journal: the table unsealed has a gap before %llu",
			(unsigned long long)seq);
	struct node_event *e;
	int r = node_event_read(&e, value, load->err);
	if (r)
		return r;
	e->seq = seq;
	if (list->last)
		list->last->next = e;
	else
		list->first = e;
	list->last = e;
	list->count++;
	return 0;
}

int node_lane_load(struct node_lane *l, struct torap_error *err)
{
	uint64_t current;
	int r = find_incarnation(l->options->kv, l->lane, &current, err);
	if (r)
		return r;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, l->options->kv, false);
	r = load_streams(l, &txn, current, err);
	if (r == 0) {
		struct load_unsealed load = { l, err };
		uint8_t from = (uint8_t)l->lane;
		torap_errorf(err, 0, "journal: the table unsealed cannot be read");
		r = torap_kv_walk(&txn, NODE_TABLE_UNSEALED, torap_bytes(&from, 1), on_unsealed_row, &load);
		if (r > 0)
			r = 0;
	}
	torap_kv_abort(&txn);
	return r;
}
