/* kv_room.h: is there room for what a transaction is about to commit?  Private to lib/store.
 *
 * LMDB notices a full map in the middle of a put and a full disk in the middle of a flush, where a short write looks like a broken
 * disk.  So room is asked for before the commit: in the map by counting pages, on the disk by allocating ahead.  Only when the
 * disk is full and the transaction is to live on free pages within the file can a commit still run out of disk; LMDB then has
 * not written its meta page, and torap_kv_room_disk_is_full() tells that failure from a broken disk. */
#pragma once

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

struct torap_kv_txn;

struct torap_kv_room {
	uint64_t page_bytes;
	uint64_t map_bytes;
	uint64_t allocated_bytes; /* of the file, as far as this process has asked for it */
	uint64_t written_bytes;   /* of the file, as far as its blocks were written once */
	bool cannot_allocate;     /* the file system knows no allocation ahead, */
	bool writes_elsewhere;    /* or does not write into what it allocated */
	bool certain;             /* the commit that was checked last finds room, with some to spare */
};

/* When the file is open: does it lie where blocks that are allocated can be written, whatever happens? */
void torap_kv_room_file_system(struct torap_kv_room *room, MDB_env *env);

/* Pages that hold something now: those of the file without the free ones.  0 or LMDB's code. */
int torap_kv_room_used(MDB_env *env, uint64_t *out_pages);

/* The size of which TORAP_KV_HIGH_PERCENT can be used: the map's, or less where the file system gives less.  Any thread. */
uint64_t torap_kv_room_most(const struct torap_kv_room *room, MDB_env *env);

/* Pages of these tables as the transaction sees them. */
int torap_kv_room_tables(MDB_txn *txn, const MDB_dbi *tables, unsigned tables_count, MDB_stat *out_sum);

/* 0: the commit may go on.  TORAP_KV_FULL: it may not.  Else LMDB's code or a positive errno in *cause and negative. */
int torap_kv_room_check(struct torap_kv_room *room, MDB_env *env, const struct torap_kv_txn *txn,
	const MDB_stat *tables, int *cause);

/* Writes zeros behind the last page, a piece at a time, as far as blocks are allocated.  A block that was allocated and never written is a
 * change of the file's map, too, and a flush waits for that: half a millisecond on ext4, now and then ten.  While nobody else writes.
 * Returns 1: there may be more to write; 0: not now; negative: a failed write or flush, other than for want of room. */
int torap_kv_room_write_ahead(struct torap_kv_room *room, MDB_env *env);

/* After a commit that failed with an I/O error or for want of space. */
bool torap_kv_room_disk_is_full(MDB_env *env);
