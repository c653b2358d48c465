#include "node/writes.h"

#include <assert.h>

#include "store/kv.h"

enum { OP_PUT = 1, OP_DELETE };

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

		int r = op == OP_PUT ? torap_kv_put(txn, table, key, value)
				     : torap_kv_delete(txn, table, key);
		if (r && !(r == TORAP_KV_MISSING && op != OP_PUT))
			return r;
	}
	return 0;
}
