#include "node/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int node_table_read(struct torap_kv *kv, enum node_table table,
	int (*each)(void *hint, struct torap_bytes key, struct torap_bytes value), void *hint,
	struct torap_error *err)
{
	static const char *const names[] = { NODE_TABLE_NAMES };
	uint8_t first = 0; /* No key begins lower. */
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	int r = torap_kv_walk(&txn, table, torap_bytes(&first, 1), each, hint);
	torap_kv_abort(&txn);
	if (r == 0)
		return 0;
	return torap_errorf(err, r < 0 ? r : -EIO, "journal: the table %s cannot be read: %s", names[table],
		strerror(abs(r)));
}
