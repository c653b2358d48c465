/* store.h: the disk below lib/store: LMDB's file, the file `redo`, how much room there is.  It outlives its process.
 *
 * All of lib/store is linked as it is, but for its thread (committer.c) and its files.  LMDB is tables in memory (lmdb.c), which keep what
 * LMDB promises: a transaction is whole or nothing, who reads sees the last commit.  The other files are those of store_files.c; of what
 * was written to `redo` and not flushed a death leaves any sectors. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/kv_env.h"

enum {
	STORE_NAMES = 1,  /* LMDB's own table of tables */
	STORE_TABLES = 2, /* ours, from here on */
	STORE_TABLES_MAX = STORE_TABLES + TORAP_KV_TABLES_MAX,
	STORE_REDO_BYTES = 64 << 10,
	STORE_SECTOR_BYTES = 512,
};

/* --- rows.c --- */

struct store_row {
	unsigned refs;
	size_t key_size, value_size;
	uint8_t bytes[]; /* key, value */
};
struct store_table {
	struct store_row **list; /* by rising key */
	size_t count, room;
};
struct store_change {
	unsigned table;
	struct store_row *before, *after; /* NULL: there was none, there is none */
};
struct store_changes {
	struct store_change *list;
	size_t count, room;
	bool hidden; /* not in the tables just now */
};

struct torap_bytes store_row_key(const struct store_row *r);
struct torap_bytes store_row_value(const struct store_row *r);
struct store_row *store_row_create(struct torap_bytes key, size_t value_size);
struct store_row *store_row_ref(struct store_row *r); /* accepts NULL */
void store_row_unref(struct store_row *r);            /* accepts NULL */
/* The first row whose key is not below. */
size_t store_table_place(const struct store_table *t, struct torap_bytes key);
struct store_row *store_table_find(const struct store_table *t, struct torap_bytes key);
void store_table_finish(struct store_table *t);
/* Takes the reference; NULL: the row goes. */
void store_change(struct store_changes *c, struct store_table *tables, unsigned table, struct torap_bytes key,
	struct store_row *after);
/* As if they were made, or were not. */
void store_changes_show(struct store_changes *c, struct store_table *tables, bool shown);
/* Has somebody else made the same ones? */
bool store_changes_are_made(const struct store_changes *c, const struct store_table *tables);
void store_changes_forget(struct store_changes *c);

/* --- lmdb.c --- */

struct MDB_env {
	struct sim_world *world;
	struct store_table tables[STORE_TABLES_MAX];
	char names[STORE_TABLES_MAX][24];
	unsigned tables_count;
	size_t map_bytes;
	uint64_t version, last_txn;
	struct MDB_txn *writer;
	struct store_changes changes; /* of the writer… */
	struct store_changes
		promised; /* …or of one that is dead, and told: until the next commit, which is to have them */
	struct torap_kv observer; /* what checkers look through */
	/* room */
	size_t rows_left;      /* until it is full; SIZE_MAX: it is not */
	bool is_for_deletions; /* what runs now may use what is kept back */
	bool may_run_out;      /* the commit under way, which nobody called certain */
	bool writes_elsewhere; /* its file system: nothing is ever certain */
	/* redo */
	bool redo_exists;
	uint8_t redo_written[STORE_REDO_BYTES], redo_flushed[STORE_REDO_BYTES];
	uint64_t
		redo_kept; /* the transaction of which a record is on the disk, as far as whoever wrote it was told */
};

/* Does the flush that is under way fail? */
bool store_flush_fails(struct MDB_env *store);
/* Its process dies. */
void store_redo_crash(struct MDB_env *store);
