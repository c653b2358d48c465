#include "node/writes.h"

#include <assert.h>
#include <string.h>

#include "store/kv.h"

enum { OP_PUT = 1, OP_DELETE, OP_DELETE_BELOW };

static void record(struct torap_writer *list, uint8_t op, enum node_table table, struct torap_bytes key,
	struct torap_bytes value)
{
	torap_write_u8(list, op);
	torap_write_u8(list, (uint8_t)table);
	torap_write_u32(list, (uint32_t)key.size);
	torap_write_u32(list, (uint32_t)value.size);
	torap_write_bytes(list, key);
	torap_write_bytes(list, value);
}

void node_writes_put(
	struct torap_writer *list, enum node_table table, struct torap_bytes key, struct torap_bytes value)
{
	record(list, OP_PUT, table, key, value);
}

void node_writes_delete(struct torap_writer *list, enum node_table table, struct torap_bytes key)
{
	record(list, OP_DELETE, table, key, torap_bytes(NULL, 0));
}

void node_writes_delete_below(
	struct torap_writer *list, enum node_table table, struct torap_bytes key, uint32_t most)
{
	uint8_t value[4];
	struct torap_writer w = { .data = value, .room = sizeof value };
	torap_write_u32(&w, most);
	record(list, OP_DELETE_BELOW, table, key, torap_bytes(value, sizeof value));
}

/* A walk must not change its table: keys are gathered, some at a time. */
enum { SOME = 64 };

struct some_keys {
	struct torap_bytes below;
	size_t most, count;
	struct {
		uint8_t size;
		uint8_t bytes[UINT8_MAX];
	} keys[SOME];
};

static int gather(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	struct some_keys *some = hint;
	size_t shorter = key.size < some->below.size ? key.size : some->below.size;
	int order = memcmp(key.data, some->below.data, shorter);
	(void)value;
	if (order > 0 || (order == 0 && key.size >= some->below.size) || key.size > UINT8_MAX ||
		some->count == some->most)
		return 1;
	some->keys[some->count].size = (uint8_t)key.size;
	memcpy(some->keys[some->count++].bytes, key.data, key.size);
	return 0;
}

static int delete_below(struct torap_kv_txn *txn, unsigned table, struct torap_bytes below, uint32_t most)
{
	while (most) {
		struct some_keys some = { .below = below, .most = most < SOME ? most : SOME };
		int r = torap_kv_walk(txn, table, torap_bytes(NULL, 0), gather, &some);
		if (r < 0 || txn->failure)
			return r;
		for (size_t i = 0; i < some.count; i++) {
			r = torap_kv_delete(txn, table, torap_bytes(some.keys[i].bytes, some.keys[i].size));
			if (r)
				return r;
		}
		if (some.count < SOME)
			return 0;
		most -= SOME;
	}
	return 0;
}

static int apply(struct torap_kv_txn *txn, uint8_t op, unsigned table, struct torap_bytes key,
	struct torap_bytes value)
{
	if (op == OP_PUT)
		return torap_kv_put(txn, table, key, value);
	if (op == OP_DELETE)
		return torap_kv_delete(txn, table, key);
	struct torap_reader most = torap_reader(value);
	return delete_below(txn, table, key, torap_read_u32(&most));
}

int node_writes_apply(const struct torap_writer *list, struct torap_kv_txn *txn)
{
	assert(!list->failed); /* Checked by whoever recorded them, before anybody was promised anything. */
	struct torap_reader reader = torap_reader(torap_bytes(list->data, list->size));
	while (reader.at < reader.end) {
		uint8_t op = torap_read_u8(&reader);
		unsigned table = torap_read_u8(&reader);
		uint32_t key_size = torap_read_u32(&reader);
		uint32_t value_size = torap_read_u32(&reader);
		struct torap_bytes key = torap_read_bytes(&reader, key_size);
		struct torap_bytes value = torap_read_bytes(&reader, value_size);
		assert(!reader.failed);

		int r = apply(txn, op, table, key, value);
		if (r && !(r == TORAP_KV_MISSING && op == OP_DELETE))
			return r;
	}
	return 0;
}
