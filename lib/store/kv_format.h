/* kv_format.h: what LMDB's own table of tables says of a data file: in which form the tables are, and which file it is.  Private to
 * lib/store. */
#pragma once

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

struct torap_error;
struct torap_kv;

enum { TORAP_KV_ID_SIZE = 16 };

struct torap_kv_format {
	bool is_new, is_former;       /* it has no tables yet; it becomes one of this version */
	bool has_id;                  /* of the former format, or new: not yet */
	uint8_t id[TORAP_KV_ID_SIZE]; /* random */
};

/* Before anything else is read of it, or written: 0, or -ENOTSUP for one that this version cannot read, or negative. */
int torap_kv_format_read(struct torap_kv *kv, struct torap_error *err);
/* In the transaction that makes the tables: what it lacks.  0 or negative. */
int torap_kv_format_write(struct torap_kv *kv, MDB_txn *txn, struct torap_error *err);
