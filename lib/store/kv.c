#include "store/kv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "store/kv_lock.h"
#include "store/kv_room.h"

struct torap_kv {
	MDB_env *env;
	char *dir;
	int lock_fd; /* -1: read only, or not locked yet */
	struct torap_kv_room room;
	unsigned tables_count;
	MDB_dbi tables[TORAP_KV_TABLES_MAX];
};

/* LMDB's own codes are below any errno; its others are positive errnos. */
static int translate(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case MDB_NOTFOUND:
		return TORAP_KV_MISSING;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
		return TORAP_KV_FULL;
	case MDB_READERS_FULL:
		return -EAGAIN;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
		return -EBADMSG;
	default:
		return rc > 0 ? -rc : -EIO;
	}
}

/* For open, where "missing" and "full" are failures like any other. */
static int open_failed(const struct torap_kv *kv, int rc, const char *what, struct torap_error *err)
{
	int code = translate(rc);
	if (code > 0)
		code = code == TORAP_KV_FULL ? -ENOSPC : -ENOENT;
	return torap_errorf(err, code, "%s: %s: %s", kv->dir, what, mdb_strerror(rc));
}

/* The entry of a new file is on the disk only when its directory is. */
static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = fsync(fd) ? -errno : 0;
	close(fd);
	return r;
}

static int sync_parent(const char *dir)
{
	size_t size = strlen(dir) + sizeof "/..";
	char *parent = malloc(size);
	if (!parent)
		return -ENOMEM;
	snprintf(parent, size, "%s/..", dir);
	int r = sync_dir(parent);
	free(parent);
	return r;
}

static int make_dir(struct torap_kv *kv, struct torap_error *err)
{
	if (!mkdir(kv->dir, 0700)) {
		int r = sync_parent(kv->dir);
		return r ? torap_errorf(
				   err, r, "%s: cannot flush its parent directory: %s", kv->dir, strerror(-r))
			 : 0;
	}
	int code = errno;
	struct stat st;
	if (code == EEXIST && !stat(kv->dir, &st) && !S_ISDIR(st.st_mode))
		code = ENOTDIR;
	if (code == EEXIST)
		return 0;
	return torap_errorf(err, -code, "%s: cannot make the directory: %s", kv->dir, strerror(code));
}

static int open_env(struct torap_kv *kv, const struct torap_kv_options *options, struct torap_error *err)
{
	int rc = mdb_env_create(&kv->env);
	if (rc)
		return open_failed(kv, rc, "cannot prepare the store", err);
	if (options->map_size) {
		rc = mdb_env_set_mapsize(kv->env, options->map_size);
		if (rc)
			return open_failed(kv, rc, "cannot map as much", err);
	}
	rc = mdb_env_set_maxdbs(kv->env, TORAP_KV_TABLES_MAX);
	if (rc)
		return open_failed(kv, rc, "cannot prepare the tables", err);
	/* NOTLS: a thread may hold several readers.  NORDAHEAD: a feed reads its own frames, not what lies beside them. */
	unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (options->read_only ? MDB_RDONLY : 0);
	rc = mdb_env_open(kv->env, kv->dir, flags, 0600);
	if (rc)
		return open_failed(kv, rc, "cannot open the store", err);
	int dead;
	rc = mdb_reader_check(kv->env, &dead);
	if (rc)
		return open_failed(kv, rc, "cannot clear readers that died", err);

	MDB_envinfo info;
	MDB_stat stat;
	rc = mdb_env_info(kv->env, &info);
	if (!rc)
		rc = mdb_env_stat(kv->env, &stat);
	if (rc)
		return open_failed(kv, rc, "cannot ask for the size", err);
	kv->room.map_bytes = info.me_mapsize;
	kv->room.page_bytes = stat.ms_psize;
	return 0;
}

/* What a killed process wrote may be in the page cache only: nothing is believed before it is on the disk. */
static int flush(struct torap_kv *kv, struct torap_error *err)
{
	int rc = mdb_env_sync(kv->env, 1);
	if (rc)
		return open_failed(kv, rc, "cannot flush", err);
	int r = sync_dir(kv->dir);
	if (r)
		return torap_errorf(err, r, "%s: cannot flush the directory: %s", kv->dir, strerror(-r));
	return 0;
}

static int open_tables(struct torap_kv *kv, const struct torap_kv_options *options, struct torap_error *err)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(kv->env, NULL, options->read_only ? MDB_RDONLY : 0, &txn);
	if (rc)
		return open_failed(kv, rc, "cannot read the tables", err);
	for (const char *const *name = options->tables; *name; name++) {
		assert(kv->tables_count < TORAP_KV_TABLES_MAX);
		rc = mdb_dbi_open(
			txn, *name, options->read_only ? 0 : MDB_CREATE, &kv->tables[kv->tables_count]);
		if (rc) {
			mdb_txn_abort(txn);
			char what[64];
			snprintf(what, sizeof what, "cannot open table %s", *name);
			return open_failed(kv, rc, what, err);
		}
		kv->tables_count++;
	}
	rc = mdb_txn_commit(txn); /* Also of a read transaction: an abort would close the tables again. */
	return rc ? open_failed(kv, rc, "cannot make the tables", err) : 0;
}

int torap_kv_open(struct torap_kv **out, const char *dir, const struct torap_kv_options *options,
	struct torap_error *err)
{
	struct torap_kv *kv = calloc(1, sizeof *kv);
	if (!kv)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", dir);
	kv->lock_fd = -1;
	int r = -ENOMEM;
	kv->dir = strdup(dir);
	if (!kv->dir) {
		torap_errorf(err, r, "%s: out of memory", dir);
		goto fail;
	}
	if (!options->read_only) {
		r = make_dir(kv, err);
		if (r)
			goto fail;
		r = torap_kv_lock_take(&kv->lock_fd, dir, err);
		if (r)
			goto fail;
	}
	r = open_env(kv, options, err);
	if (r)
		goto fail;
	if (!options->read_only) {
		r = flush(kv, err);
		if (r)
			goto fail;
	}
	r = open_tables(kv, options, err);
	if (r)
		goto fail;
	*out = kv;
	return 0;
fail:
	torap_kv_close(kv);
	return r;
}

struct torap_kv *torap_kv_close(struct torap_kv *kv)
{
	if (!kv)
		return NULL;
	if (kv->env)
		mdb_env_close(kv->env);
	if (kv->lock_fd >= 0)
		close(kv->lock_fd); /* Last: the next process must not come before the map is gone. */
	free(kv->dir);
	free(kv);
	return NULL;
}

struct torap_kv_size torap_kv_size(struct torap_kv *kv)
{
	struct torap_kv_size size = { kv->room.map_bytes, kv->room.map_bytes };
	uint64_t pages;
	int rc = torap_kv_room_used(kv->env, &pages);
	if (rc)
		torap_warn("STORE-SIZE-UNKNOWN", "%s: cannot count the pages: %s; taken for full", kv->dir,
			mdb_strerror(rc));
	else
		size.used_bytes = pages * kv->room.page_bytes;
	return size;
}

/* Keeps the first failure.  Missing is an answer, not a failure. */
static int note(struct torap_kv_txn *txn, int rc)
{
	int r = translate(rc);
	if (r && r != TORAP_KV_MISSING) {
		txn->failure = r;
		txn->cause = rc;
	}
	return r;
}

void torap_kv_begin(struct torap_kv_txn *txn, struct torap_kv *kv, bool write)
{
	*txn = (struct torap_kv_txn){ .kv = kv, .write = write };
	MDB_txn *handle = NULL;
	if (note(txn, mdb_txn_begin(kv->env, NULL, write ? 0 : MDB_RDONLY, &handle)))
		return;
	txn->handle = handle;
	MDB_stat sum;
	if (write && !note(txn, torap_kv_room_tables(handle, kv->tables, kv->tables_count, &sum)))
		txn->pages_before = sum.ms_branch_pages + sum.ms_leaf_pages + sum.ms_overflow_pages;
}

uint64_t torap_kv_pending_bytes(const struct torap_kv_txn *txn)
{
	return (txn->value_pages + txn->puts + txn->deletes) * txn->kv->room.page_bytes;
}

static int check_room(struct torap_kv_txn *txn)
{
	struct torap_kv *kv = txn->kv;
	MDB_stat sum;
	int r = note(txn, torap_kv_room_tables(txn->handle, kv->tables, kv->tables_count, &sum));
	if (r)
		return r;
	r = torap_kv_room_check(&kv->room, kv->env, txn, &sum, &txn->cause);
	txn->failure = r;
	return r;
}

/* LMDB flushes the pages of a commit before it writes the meta page that makes them count.  Without space, then, the old meta page
 * stands, unless it was the meta page itself that failed: of that LMDB says so when it is next asked for a transaction. */
static int commit_failed(struct torap_kv *kv, int rc)
{
	bool space = rc == ENOSPC || rc == EDQUOT || (rc == EIO && torap_kv_room_disk_is_full(kv->env));
	if (!space)
		return translate(rc);
	MDB_txn *probe;
	int panic = mdb_txn_begin(kv->env, NULL, 0, &probe);
	if (panic)
		return rc > 0 ? -rc : -EIO;
	mdb_txn_abort(probe);
	return TORAP_KV_FULL;
}

int torap_kv_commit(struct torap_kv_txn *txn, struct torap_error *err)
{
	assert(txn->write);
	if (!txn->failure)
		check_room(txn);
	if (!txn->failure) {
		int rc = mdb_txn_commit(txn->handle);
		txn->handle = NULL;
		if (!rc)
			return 0;
		txn->cause = rc;
		txn->failure = commit_failed(txn->kv, rc);
	}
	torap_kv_abort(txn);
	if (txn->failure == TORAP_KV_FULL)
		return torap_errorf(err, TORAP_KV_FULL, "%s: the store is full", txn->kv->dir);
	return torap_errorf(err, txn->failure, "%s: %s", txn->kv->dir, mdb_strerror(txn->cause));
}

void torap_kv_abort(struct torap_kv_txn *txn)
{
	if (txn->handle)
		mdb_txn_abort(txn->handle);
	txn->handle = NULL;
}

static MDB_val to_val(struct torap_bytes bytes)
{
	return (MDB_val){ bytes.size, (void *)(uintptr_t)bytes.data };
}

static struct torap_bytes from_val(MDB_val val)
{
	return torap_bytes(val.mv_data, val.mv_size);
}

static MDB_val to_key(const struct torap_kv_txn *txn, unsigned table, struct torap_bytes key)
{
	assert(txn->handle && table < txn->kv->tables_count);
	assert(key.size >= 1 && key.size <= TORAP_KV_KEY_MAX);
	return to_val(key);
}

int torap_kv_get(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, struct torap_bytes *value)
{
	if (txn->failure)
		return txn->failure;
	MDB_val k = to_key(txn, table, key), v;
	int r = note(txn, mdb_get(txn->handle, txn->kv->tables[table], &k, &v));
	if (!r)
		*value = from_val(v);
	return r;
}

/* For the estimate of room: LMDB gives pages of its own to a value that does not fit half a page. */
static void count_put(struct torap_kv_txn *txn, size_t size)
{
	uint64_t page = txn->kv->room.page_bytes;
	txn->puts++;
	if (size > page / 2 - 64)
		txn->value_pages += size / page + 2;
}

int torap_kv_put(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, struct torap_bytes value)
{
	if (txn->failure)
		return txn->failure;
	MDB_val k = to_key(txn, table, key), v = to_val(value);
	count_put(txn, value.size);
	return note(txn, mdb_put(txn->handle, txn->kv->tables[table], &k, &v, 0));
}

void *torap_kv_reserve(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, size_t size)
{
	if (txn->failure)
		return NULL;
	MDB_val k = to_key(txn, table, key), v = { size, NULL };
	count_put(txn, size);
	if (note(txn, mdb_put(txn->handle, txn->kv->tables[table], &k, &v, MDB_RESERVE)))
		return NULL;
	return v.mv_data;
}

int torap_kv_delete(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key)
{
	if (txn->failure)
		return txn->failure;
	MDB_val k = to_key(txn, table, key);
	int r = note(txn, mdb_del(txn->handle, txn->kv->tables[table], &k, NULL));
	if (!r)
		txn->deletes++;
	return r;
}

int torap_kv_walk(struct torap_kv_txn *txn, unsigned table, struct torap_bytes from,
	int (*each)(void *hint, struct torap_bytes key, struct torap_bytes value), void *hint)
{
	if (txn->failure)
		return txn->failure;
	assert(txn->handle && table < txn->kv->tables_count && from.size <= TORAP_KV_KEY_MAX);
	MDB_cursor *cursor;
	int r = note(txn, mdb_cursor_open(txn->handle, txn->kv->tables[table], &cursor));
	if (r)
		return r;
	MDB_val k = to_val(from), v;
	MDB_cursor_op op = from.size ? MDB_SET_RANGE : MDB_FIRST;
	for (;; op = MDB_NEXT) {
		r = note(txn, mdb_cursor_get(cursor, &k, &v, op));
		if (r)
			break;
		r = each(hint, from_val(k), from_val(v));
		if (r)
			goto stopped;
	}
	if (r == TORAP_KV_MISSING)
		r = 0; /* Past the last pair. */
stopped:
	mdb_cursor_close(cursor);
	return r;
}

/* The smallest key after all that begin with the prefix; size 0: there is none. */
static struct torap_bytes after_prefix(uint8_t room[static TORAP_KV_KEY_MAX], struct torap_bytes prefix)
{
	size_t size = prefix.size;
	if (size)
		memcpy(room, prefix.data, size);
	while (size && room[size - 1] == 0xff)
		size--;
	if (size)
		room[size - 1]++;
	return torap_bytes(room, size);
}

int torap_kv_last(struct torap_kv_txn *txn, unsigned table, struct torap_bytes prefix,
	struct torap_bytes *key, struct torap_bytes *value)
{
	if (txn->failure)
		return txn->failure;
	assert(txn->handle && table < txn->kv->tables_count && prefix.size <= TORAP_KV_KEY_MAX);
	MDB_cursor *cursor;
	int r = note(txn, mdb_cursor_open(txn->handle, txn->kv->tables[table], &cursor));
	if (r)
		return r;
	uint8_t room[TORAP_KV_KEY_MAX];
	struct torap_bytes after = after_prefix(room, prefix);
	MDB_val k = to_val(after), v;
	MDB_cursor_op op = MDB_LAST;
	if (after.size) {
		r = note(txn, mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE));
		op = r == TORAP_KV_MISSING ? MDB_LAST : MDB_PREV;
	}
	if (!txn->failure)
		r = note(txn, mdb_cursor_get(cursor, &k, &v, op));
	mdb_cursor_close(cursor);
	if (r)
		return r;
	if (k.mv_size < prefix.size || (prefix.size && memcmp(k.mv_data, prefix.data, prefix.size)))
		return TORAP_KV_MISSING;
	*key = from_val(k);
	*value = from_val(v);
	return 0;
}
