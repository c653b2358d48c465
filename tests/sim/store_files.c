/* The files of a store beside LMDB's: its directory, `lock`, `redo`; and what there is of room. */
#include <errno.h>
#include <string.h>

#include "sim/process.h"
#include "sim/store.h"
#include "store/kv_dir.h"
#include "store/kv_lock.h"
#include "store/kv_redo_file.h"
#include "store/kv_room.h"
#include "store/kv_whole.h"

enum {
	REDO_FD = 1 << 20, /* nobody else's */
	REDO_FULL_ONE_IN = 8,
	CHECK_FULL_ONE_IN = 8,
};

int torap_kv_dir_make(const char *dir, struct torap_error *err)
{
	(void)dir, (void)err;
	return 0;
}

int torap_kv_dir_flush(const char *dir, struct torap_error *err)
{
	(void)dir, (void)err;
	return 0;
}

int torap_kv_lock_take(int *out_fd, const char *dir, struct torap_error *err)
{
	(void)dir, (void)err;
	*out_fd = -1;
	return 0;
}

int torap_kv_whole_begin(const char *dir, struct torap_error *err)
{
	(void)dir, (void)err;
	return 0;
}

int torap_kv_whole(MDB_env *store, const char *dir, struct torap_error *err)
{
	(void)store, (void)dir, (void)err;
	return 0;
}

/* --- redo --- */

static bool is_short(const struct MDB_env *store)
{
	return store->rows_left != SIZE_MAX;
}

static bool finds_no_room(struct MDB_env *store)
{
	return is_short(store) && sim_random(store->world, REDO_FULL_ONE_IN) == 0;
}

int torap_kv_redo_file_open(const char *dir, bool make)
{
	struct MDB_env *store = sim_here->store;
	(void)dir;
	if (!store->redo_exists && !make)
		return -ENOENT;
	store->redo_exists = true;
	return REDO_FD;
}

int torap_kv_redo_file_read(int fd, size_t most, struct torap_writer *out)
{
	struct torap_bytes all =
		torap_bytes(sim_here->store->redo_written, most < STORE_REDO_BYTES ? most : STORE_REDO_BYTES);
	(void)fd;
	torap_write_bytes(out, all);
	return out->failed ? -ENOMEM : 0;
}

int torap_kv_redo_file_write(int fd, struct torap_bytes bytes)
{
	struct MDB_env *store = sim_here->store;
	bool has_room = !finds_no_room(store);
	(void)fd;
	if (sim_here->dead)
		return -EIO;
	store->redo_kept = 0;
	memcpy(store->redo_written, bytes.data,
		has_room ? bytes.size : (size_t)sim_random(store->world, bytes.size));
	return has_room ? 0 : -ENOSPC;
}

int torap_kv_redo_file_flush(int fd)
{
	struct MDB_env *store = sim_here->store;
	(void)fd;
	if (sim_here->dead)
		return -EIO;
	if (store_flush_fails(store)) {
		sim_note(store->world, "%s: a flush of redo fails", sim_here->name);
		sim_here->disk_failed = true;
		return -EIO;
	}
	if (finds_no_room(store)) /* Blocks may be looked for as late as now. */
		return -ENOSPC;
	memcpy(store->redo_flushed, store->redo_written, sizeof store->redo_flushed);
	if (store->writer && store->redo_written[0]) { /* Not zeros. */
		store->redo_kept = store->last_txn + 1;
		store->version++;
	}
	return 0;
}

void torap_kv_redo_file_close(int fd)
{
	(void)fd;
}

/* Of what was not flushed, all is on the disk, or nothing, or any sectors. */
void store_redo_crash(struct MDB_env *store)
{
	uint64_t luck = sim_random(store->world, 4);
	if (memcmp(store->redo_written, store->redo_flushed, sizeof store->redo_written) == 0)
		return;
	store->world->torn++;
	for (size_t at = 0; at < STORE_REDO_BYTES; at += STORE_SECTOR_BYTES)
		if (luck == 0 || (luck > 1 && sim_random(store->world, 2)))
			memcpy(store->redo_flushed + at, store->redo_written + at, STORE_SECTOR_BYTES);
	memcpy(store->redo_written, store->redo_flushed, sizeof store->redo_written);
}

/* --- room --- */

void torap_kv_room_file_system(struct torap_kv_room *room, MDB_env *store)
{
	room->writes_elsewhere = store->writes_elsewhere;
}

int torap_kv_room_used(MDB_env *store, uint64_t *out_pages)
{
	(void)store;
	*out_pages = 256;
	return 0;
}

uint64_t torap_kv_room_most(const struct torap_kv_room *room, MDB_env *store)
{
	(void)store;
	return room->map_bytes;
}

int torap_kv_room_tables(MDB_txn *txn, const MDB_dbi *tables, unsigned tables_count, MDB_stat *out_sum)
{
	(void)txn, (void)tables, (void)tables_count;
	*out_sum = (MDB_stat){ 0 };
	return 0;
}

int torap_kv_room_check(struct torap_kv_room *room, MDB_env *store, const struct torap_kv_txn *txn,
	const MDB_stat *tables, int *cause)
{
	bool may_be_refused = is_short(store) && !txn->frees;
	(void)tables, (void)cause;
	room->certain = !store->writes_elsewhere && (!is_short(store) || sim_random(store->world, 2));
	store->may_run_out = may_be_refused && !room->certain;
	return may_be_refused && sim_random(store->world, CHECK_FULL_ONE_IN) == 0 ? TORAP_KV_FULL : 0;
}

int torap_kv_room_write_ahead(struct torap_kv_room *room, MDB_env *store)
{
	(void)room, (void)store;
	return 0;
}

bool torap_kv_room_disk_is_full(MDB_env *store)
{
	(void)store;
	return false;
}
