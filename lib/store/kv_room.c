#include "store/kv_room.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "store/kv.h"

enum {
	ROOM_STEP_BYTES = 8 << 20,    /* the file is allocated ahead in steps of this size */
	ROOM_WRITTEN_BYTES = 1 << 20, /* behind the last page, written with zeros when there is time */
	ROOM_WRITE_BYTES = 128 << 10, /* so much at once: somebody may come */
	ROOM_RESERVE_BYTES = 2 << 20, /* on the disk, for transactions that delete; less for a small map */
	ROOM_SLACK_PAGES = 32,        /* of a commit: the free list and the roots of the tables */
	ROOM_FREE_TABLE = 0,          /* LMDB's own table of free pages */
};

int torap_kv_room_tables(MDB_txn *txn, const MDB_dbi *tables, unsigned tables_count, MDB_stat *out_sum)
{
	memset(out_sum, 0, sizeof *out_sum);
	for (unsigned i = 0; i < tables_count; i++) {
		MDB_stat one;
		int rc = mdb_stat(txn, tables[i], &one);
		if (rc)
			return rc;
		out_sum->ms_branch_pages += one.ms_branch_pages;
		out_sum->ms_leaf_pages += one.ms_leaf_pages;
		out_sum->ms_overflow_pages += one.ms_overflow_pages;
	}
	return 0;
}

static int free_pages(MDB_txn *txn, uint64_t *out)
{
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(txn, ROOM_FREE_TABLE, &cursor);
	if (rc)
		return rc;
	uint64_t sum = 0;
	MDB_val key, value;
	while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		size_t count; /* A row is a list of page numbers that begins with its length. */
		memcpy(&count, value.mv_data, sizeof count);
		sum += count;
	}
	mdb_cursor_close(cursor);
	if (rc != MDB_NOTFOUND)
		return rc;
	*out = sum;
	return 0;
}

void torap_kv_room_file_system(struct torap_kv_room *room, MDB_env *env)
{
	/* magic(5): these copy on write, or know only of another machine what is free. */
	static const unsigned elsewhere[] = { BTRFS_SUPER_MAGIC, 0xca451a4e /* bcachefs */,
		0x2fc12fc1 /* ZFS */, NFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, CIFS_SUPER_MAGIC, FUSE_SUPER_MAGIC };
	int fd;
	struct statfs fs = { 0 };
	room->writes_elsewhere = mdb_env_get_fd(env, &fd) || fstatfs(fd, &fs);
	for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
		room->writes_elsewhere |= (unsigned)fs.f_type == elsewhere[i];
}

int torap_kv_room_used(MDB_env *env, uint64_t *out_pages)
{
	MDB_envinfo info;
	int rc = mdb_env_info(env, &info);
	if (rc)
		return rc;
	MDB_txn *txn;
	rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
	if (rc)
		return rc;
	uint64_t unused = 0;
	rc = free_pages(txn, &unused);
	mdb_txn_abort(txn);
	if (rc)
		return rc;
	uint64_t all = (uint64_t)info.me_last_pgno + 1;
	*out_pages = all > unused ? all - unused : 0;
	return 0;
}

/* What deletions keep of the disk. */
static uint64_t reserve_bytes(const struct torap_kv_room *room)
{
	return ROOM_RESERVE_BYTES < room->map_bytes / 16 ? ROOM_RESERVE_BYTES : room->map_bytes / 16;
}

uint64_t torap_kv_room_most(const struct torap_kv_room *room, MDB_env *env)
{
	int fd;
	struct stat file;
	struct statvfs disk;
	if (mdb_env_get_fd(env, &fd) || fstat(fd, &file) || fstatvfs(fd, &disk))
		return room->map_bytes;                /* The commit finds out. */
	uint64_t has = (uint64_t)file.st_blocks * 512; /* with what was allocated ahead */
	if (has < (uint64_t)file.st_size)
		has = (uint64_t)file.st_size; /* a file system that compresses */
	/* Once for deletions, and once so that a lower limit comes well before the end, however small the disk is. */
	uint64_t can = has + (uint64_t)disk.f_bavail * disk.f_frsize, kept = 2 * reserve_bytes(room);
	if (can >= room->map_bytes + kept)
		return room->map_bytes;
	uint64_t most = (can > kept ? can - kept : 0) * 100 / TORAP_KV_HIGH_PERCENT;
	return most < room->map_bytes ? most : room->map_bytes;
}

/* Most pages that the commit can write: touched pages of the trees, values with pages of their own, and some. */
static uint64_t pages_to_write(const struct torap_kv_txn *txn, const MDB_stat *tables)
{
	uint64_t touched = 2 * ((uint64_t)txn->puts + txn->deletes);
	if (touched > tables->ms_leaf_pages)
		touched = tables->ms_leaf_pages;
	return touched + tables->ms_branch_pages + txn->value_pages + ROOM_SLACK_PAGES;
}

/* Asks the file system for the blocks before LMDB writes them: a full disk is then found while nothing has been written. */
static int allocate(struct torap_kv_room *room, MDB_env *env, uint64_t need_bytes)
{
	if (need_bytes > room->map_bytes)
		need_bytes = room->map_bytes;
	if (room->cannot_allocate || need_bytes <= room->allocated_bytes)
		return 0;
	int fd;
	int rc = mdb_env_get_fd(env, &fd);
	if (rc)
		return rc;
	uint64_t ahead_bytes = need_bytes + ROOM_STEP_BYTES;
	if (ahead_bytes > room->map_bytes)
		ahead_bytes = room->map_bytes;
	for (;;) {
		if (!fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)ahead_bytes)) {
			room->allocated_bytes = ahead_bytes;
			return 0;
		}
		if (errno == EINTR)
			continue;
		if (torap_error_is_room(errno) && ahead_bytes > need_bytes) {
			ahead_bytes = need_bytes;
			continue;
		}
		if (errno == EOPNOTSUPP || errno == ENOSYS) {
			room->cannot_allocate = true;
			return 0;
		}
		return errno;
	}
}

/* The estimate and the reserve lie in the map, in blocks that are allocated, and below what a file may hold here. */
static bool is_certain(const struct torap_kv_room *room, uint64_t pages)
{
	struct rlimit file;
	uint64_t bytes = pages * room->page_bytes + reserve_bytes(room);
	return !room->writes_elsewhere && bytes <= room->map_bytes && bytes <= room->allocated_bytes &&
	       !getrlimit(RLIMIT_FSIZE, &file) && bytes <= file.rlim_cur;
}

int torap_kv_room_check(struct torap_kv_room *room, MDB_env *env, const struct torap_kv_txn *txn,
	const MDB_stat *tables, int *cause)
{
	MDB_envinfo info;
	int rc = mdb_env_info(env, &info);
	if (rc)
		goto fail;
	uint64_t pages_now = tables->ms_branch_pages + tables->ms_leaf_pages + tables->ms_overflow_pages;
	uint64_t grown = pages_now > txn->pages_before ? pages_now - txn->pages_before : 0;
	bool makes_room = !grown || txn->frees;

	uint64_t last = (uint64_t)info.me_last_pgno + 1;
	uint64_t writes = pages_to_write(txn, tables);
	/* Whoever may have all takes it until the file system refuses; a lower limit leaves its part of the disk, too. */
	uint64_t most =
		txn->high_percent < TORAP_KV_HIGH_PERCENT ? torap_kv_room_most(room, env) : room->map_bytes;
	uint64_t high = most / room->page_bytes * txn->high_percent / 100;
	if (!makes_room && last + writes > high) { /* Only near the end do the free pages matter. */
		uint64_t used;
		rc = torap_kv_room_used(env, &used);
		if (rc)
			goto fail;
		if (used + grown > high)
			return TORAP_KV_FULL;
	}

	uint64_t need = writes + (makes_room ? 0 : reserve_bytes(room) / room->page_bytes);
	rc = allocate(room, env, (last + need) * room->page_bytes);
	room->certain = !rc && is_certain(room, last + writes);
	if (torap_error_is_room(rc)) {
		uint64_t used;
		rc = torap_kv_room_used(env, &used);
		if (!rc) /* Free pages are on the disk already. */
			return last - used >= need ? 0 : TORAP_KV_FULL;
	}
	if (!rc)
		return 0;
fail:
	*cause = rc;
	return rc > 0 ? -rc : -EIO;
}

int torap_kv_room_write_ahead(struct torap_kv_room *room, MDB_env *env)
{
	static const uint8_t zeros[ROOM_WRITE_BYTES];
	MDB_envinfo info;
	int fd;
	if (mdb_env_info(env, &info) || mdb_env_get_fd(env, &fd))
		return 0;
	uint64_t end = ((uint64_t)info.me_last_pgno + 1) * room->page_bytes;
	uint64_t at = room->written_bytes > end ? room->written_bytes : end;
	uint64_t until = end + ROOM_WRITTEN_BYTES;
	if (until > room->allocated_bytes)
		until = room->allocated_bytes;
	if (at + sizeof zeros > until)
		return 0;
	ssize_t size = pwrite(fd, zeros, sizeof zeros, (off_t)at);
	if (size < 0 || fdatasync(fd))
		return errno == EINTR || torap_error_is_room(errno) ? 0 : -errno;
	room->written_bytes = at + (uint64_t)size;
	return 1;
}

bool torap_kv_room_disk_is_full(MDB_env *env)
{
	int fd;
	struct statvfs disk;
	if (mdb_env_get_fd(env, &fd) || fstatvfs(fd, &disk))
		return false;
	return (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_RESERVE_BYTES;
}
