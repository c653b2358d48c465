#include "node/reissue_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/writes.h"
#include "store/kv.h"
#include "wire/taxonomy.h"

enum { KEY_SIZE = NODE_STRETCH_KEY_SIZE };

static struct torap_bytes told_key(char text[static KEY_SIZE], const struct torap_stream_id *stream)
{
	int size = snprintf(
		text, KEY_SIZE, "told/%s/%016" PRIx64, torap_lane_name(stream->lane), stream->incarnation);
	return torap_bytes(text, (size_t)size);
}

static void put(struct torap_writer *writes, struct torap_bytes key, struct torap_writer *value)
{
	node_writes_put(writes, NODE_TABLE_STATE, key, torap_bytes(value->data, value->size));
	writes->failed = writes->failed || value->failed;
	torap_writer_finish(value);
}

void node_stretch_move(const struct node_stretch *s, struct torap_writer *writes)
{
	struct torap_bytes key = torap_bytes(s->key, strlen(s->key));
	struct torap_writer value = { 0 };
	if (s->from > s->to) {
		node_writes_delete(writes, NODE_TABLE_STATE, key);
		return;
	}
	torap_write_u64(&value, s->stream.incarnation);
	torap_write_u64(&value, s->from);
	torap_write_u64(&value, s->to);
	put(writes, key, &value);
}

void node_stretch_begin(
	const struct torap_stream_id *stream, uint64_t from, uint64_t to, struct torap_writer *writes)
{
	char key[KEY_SIZE];
	struct torap_writer value = { 0 };
	struct node_stretch s = { .stream = *stream, .from = from, .to = to };
	torap_write_u64(&value, from);
	put(writes, told_key(key, stream), &value);
	snprintf(s.key, sizeof s.key, "reissue/%s/%016" PRIx64 "/%016" PRIx64, torap_lane_name(stream->lane),
		stream->incarnation, to);
	if (from <= to)
		node_stretch_move(&s, writes);
}

bool node_stretch_find(struct node_stretch *out, struct torap_kv *kv, const char *writer, uint32_t lane)
{
	char prefix[KEY_SIZE];
	struct torap_kv_txn txn;
	struct torap_bytes key = { 0 }, value = { 0 };
	int size = snprintf(prefix, sizeof prefix, "reissue/%s/", torap_lane_name(lane));
	torap_kv_begin(&txn, kv, false);
	bool found =
		torap_kv_last(&txn, NODE_TABLE_STATE, torap_bytes(prefix, (size_t)size), &key, &value) == 0 &&
		key.size < sizeof out->key;
	if (found) {
		struct torap_reader reader = torap_reader(value);
		uint64_t incarnation = torap_read_u64(&reader);
		out->from = torap_read_u64(&reader);
		out->to = torap_read_u64(&reader);
		snprintf(out->key, sizeof out->key, "%.*s", (int)key.size, (const char *)key.data);
		found = torap_read_end(&reader) &&
			torap_stream_id_make(&out->stream, writer, lane, incarnation);
	}
	torap_kv_abort(&txn);
	return found;
}

uint64_t node_stretch_told(struct torap_kv *kv, const struct torap_stream_id *stream)
{
	char key[KEY_SIZE];
	struct torap_kv_txn txn;
	struct torap_bytes value = { 0 };
	uint64_t from = UINT64_MAX;
	torap_kv_begin(&txn, kv, false);
	if (torap_kv_get(&txn, NODE_TABLE_STATE, told_key(key, stream), &value) == 0) {
		struct torap_reader reader = torap_reader(value);
		from = torap_read_u64(&reader);
		if (!torap_read_end(&reader))
			from = UINT64_MAX;
	}
	torap_kv_abort(&txn);
	return from;
}
