/* kv.h: LMDB, with one way to do each thing.
 *
 * An environment is a directory; tables are named once, at open.  Any number of threads read, one writes.  A transaction
 * remembers its first failure and does nothing from then on; torap_kv_commit() tells.  LMDB's codes end here: answers are those
 * of torap_kv_answer, anything else is a negative errno with a text.
 *
 * Full synchronisation always: a commit that returned 0 is on the disk, and what is urgent is there before it.  After a failed flush what the disk holds is not known,
 * so the caller must stop the process (committer.h does).
 *
 * Room is refused before it is gone: what grows the store past TORAP_KV_HIGH_PERCENT of the map, or past what the file system
 * can still give, is answered TORAP_KV_FULL at its commit and changes nothing.  A transaction that does not grow the store may
 * use what is kept back, and so may one that says that it makes room (torap_kv_frees()): retention always can run.  kv_room.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct torap_error;
struct torap_kv;

enum {
	TORAP_KV_TABLES_MAX = 16,
	TORAP_KV_KEY_MAX = 511,     /* bytes; a key is never empty */
	TORAP_KV_HIGH_PERCENT = 85, /* of the map: the most that growing transactions may use */
};

enum torap_kv_answer {
	TORAP_KV_MISSING = 1, /* no such key */
	TORAP_KV_FULL, /* map or disk is full: the transaction must be aborted; deletions still fit (see above) */
};

struct torap_kv_options {
	const char *const
		*tables; /* names, ended by NULL; a table's number is its place here; kept until the close */
	size_t map_size; /* bytes of address space and the most that the file may grow to */
	bool redo;       /* transactions may be urgent: DIR/redo is made where there is none */
	bool read_only;  /* for offline checks; takes no lock against a writer; map_size may be 0 */
	/* A file that was cut short is refused, for reading what is gone ends the process by SIGBUS.  True: not this one: who opens it reads what
	 * is left, and survives that. */
	bool cut_short_too;
};

/* Opens or creates `dir` (mode 0700).  Takes an exclusive lock file first: a second process is refused with a clear error.
 * Clears stale readers and flushes before it returns, so that what is read is what is on the disk.  What was written in another format is
 * refused with -ENOTSUP.  A process opens a directory
 * once, be it for reading: LMDB's own locks belong to the process. */
int torap_kv_open(struct torap_kv **out, const char *dir, const struct torap_kv_options *options,
	struct torap_error *err);
/* Accepts NULL.  Returns NULL. */
struct torap_kv *torap_kv_close(struct torap_kv *kv);

struct torap_kv_size {
	uint64_t map_bytes; /* most, by the options */
	uint64_t
		most_bytes; /* as map_bytes, or less: so much of it that the file system can give what it promises */
	uint64_t used_bytes; /* pages that hold something; free pages within the file are not counted */
};
/* When it cannot be counted, a log line says why and the store is given as full.  Any thread. */
struct torap_kv_size torap_kv_size(struct torap_kv *kv);

struct torap_kv_txn {
	struct torap_kv *kv;
	void *handle; /* MDB_txn */
	bool write;
	int failure; /* sticky: 0, TORAP_KV_FULL or negative */
	/* private */
	bool urgent, redone;    /* see torap_kv_urgent(), torap_kv_redo() */
	int cause;              /* LMDB's own code for the failure, for its text */
	unsigned puts, deletes; /* done so far */
	bool frees;             /* see torap_kv_frees() */
	unsigned high_percent;  /* see torap_kv_limit() */
	uint64_t value_pages;   /* of values that have pages of their own */
	uint64_t pages_before;  /* of all tables when it began */
};
/* About how many bytes the transaction holds in memory until its commit.  For those who bound a group of changes. */
uint64_t torap_kv_pending_bytes(const struct torap_kv_txn *txn);

/* On failure txn->failure is set and everything that follows does nothing and returns it. */
void torap_kv_begin(struct torap_kv_txn *txn, struct torap_kv *kv, bool write);
/* 0: flushed to the disk.  Else nothing was changed.  Ends the transaction either way.  Not for read transactions. */
int torap_kv_commit(struct torap_kv_txn *txn, struct torap_error *err);
/* Before the first change of a transaction that shall be durable as soon as may be. */
void torap_kv_urgent(struct torap_kv_txn *txn);
/* After its last change: one flush instead of the two of a commit (kv_redo.h).  True: nothing of it can be lost any more, and its commit must
 * follow, at once; what begins to read waits for that, so that nobody misses what he was told.  False: only the commit will tell. */
bool torap_kv_redo(struct torap_kv_txn *txn);
/* This transaction is there to make room: it may use what is kept back, even if it grows the store by the page that its notes need.
 * Nobody else may be in it (torap_commit_job.alone). */
void torap_kv_frees(struct torap_kv_txn *txn);
/* A growing transaction with this in it is FULL from `percent` of the map on, or of most_bytes of torap_kv_size() where the file
 * system gives less; of several limits the lowest counts. */
void torap_kv_limit(struct torap_kv_txn *txn, unsigned percent);
/* What makes later commits quicker, a piece of half a millisecond at a time: for the thread that writes, when it has nothing to do.
 * Returns 1 when there is more, 0 when there is not, or negative: a write or flush failed, as a commit can. */
int torap_kv_idle(struct torap_kv *kv, struct torap_error *err);
void torap_kv_abort(struct torap_kv_txn *txn); /* also ends read transactions; accepts an ended one */

/* The bytes belong to the map and hold until the transaction ends or, in a write transaction, until its next change. */
int torap_kv_get(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, struct torap_bytes *value);
int torap_kv_put(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, struct torap_bytes value);
/* As put, but gives room in the map for the caller to fill at once.  NULL on failure. */
void *torap_kv_reserve(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, size_t size);
int torap_kv_delete(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key);

/* How many rows a table has: read from its root, whatever their number.  0 or negative. */
int torap_kv_count(struct torap_kv_txn *txn, unsigned table, uint64_t *out);
/* Walks from the first key >= `from` on.  `each` returns 0 to go on, anything else to stop; that is then returned.  In a write
 * transaction `each` must not change this table. */
int torap_kv_walk(struct torap_kv_txn *txn, unsigned table, struct torap_bytes from,
	int (*each)(void *hint, struct torap_bytes key, struct torap_bytes value), void *hint);
/* The last pair whose key begins with `prefix`. */
int torap_kv_last(struct torap_kv_txn *txn, unsigned table, struct torap_bytes prefix,
	struct torap_bytes *key, struct torap_bytes *value);
