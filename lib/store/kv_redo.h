/* kv_redo.h: a small transaction, durable by one flush.  Private to lib/store.
 *
 * A commit of LMDB is two flushes, one after the other: of its pages, and of the meta page that makes them count.  What is urgent does not
 * wait for both.  What its transaction changes is written to DIR/redo first, as one record with a digest, and flushed; from then on it
 * cannot be lost, and whoever waits is told.  Then LMDB commits it as any other.  A record is that of transaction N: at open, after a
 * kill or a power cut, one that is whole is done again if LMDB ends at N - 1, and means nothing if it is there already.  There is
 * never more than one, for the next transaction begins when LMDB has the last.
 *
 * The file keeps its size, and was written once from end to end: writing it again moves no block, so that its flush is the data's alone. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

struct torap_error;
struct torap_kv;
struct torap_kv_txn;

struct torap_kv_redo {
	int fd; /* -1: there is none, and what is urgent waits as others do */
	/* Of the transaction that is under way; a key: table (u8), size (u32), bytes. */
	struct torap_writer keys, record;
};

/* When LMDB's file is open, whole and flushed, and before its tables are: does again what was flushed last.  Then, if it
 * is wished, makes the file where there is none.  Without room for it the store goes on, and a log line says so. */
int torap_kv_redo_open(struct torap_kv *kv, bool make, struct torap_error *err);
void torap_kv_redo_close(struct torap_kv *kv);

void torap_kv_redo_begin(struct torap_kv_redo *redo); /* a transaction */
void torap_kv_redo_note(struct torap_kv_redo *redo, unsigned table, struct torap_bytes key);
/* What the transaction has changed, and its commit will change.  0: it is on the disk.  TORAP_KV_FULL: too much for a record, or no room
 * for it.  Negative: nobody knows. */
int torap_kv_redo_write(struct torap_kv_txn *txn);
