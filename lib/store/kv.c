#include "store/kv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "store/kv_dir.h"
#include "store/kv_env.h"
#include "store/kv_lock.h"
#include "store/kv_whole.h"

int torap_kv_open_failed(const struct torap_kv *kv, int rc, const char *what, struct torap_error *err)
{
	int code = torap_kv_translate(rc);
	if (code > 0)
		code = code == TORAP_KV_FULL ? -ENOSPC : -ENOENT;
	return torap_errorf(err, code, "%s: %s: %s", kv->dir, what, mdb_strerror(rc));
}

static int open_env(struct torap_kv *kv, const struct torap_kv_options *options, struct torap_error *err)
{
	int rc = mdb_env_create(&kv->env);
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot prepare the store", err);
	if (options->map_size) {
		rc = mdb_env_set_mapsize(kv->env, options->map_size);
		if (rc)
			return torap_kv_open_failed(kv, rc, "cannot map as much", err);
	}
	rc = mdb_env_set_maxdbs(kv->env, TORAP_KV_TABLES_MAX);
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot prepare the tables", err);
	/* NOTLS: a thread may hold several readers.  Without NORDAHEAD: reading a store that is not in memory page by page is seven times slower, and
	 * the kernel sees by itself when what lies beside is of no use (tests/bench/README.md). */
	unsigned flags = MDB_NOTLS | (options->read_only ? MDB_RDONLY : 0);
	rc = mdb_env_open(kv->env, kv->dir, flags, 0600);
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot open the store", err);
	int dead;
	rc = mdb_reader_check(kv->env, &dead);
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot clear readers that died", err);

	MDB_envinfo info;
	MDB_stat stat;
	rc = mdb_env_info(kv->env, &info);
	if (!rc)
		rc = mdb_env_stat(kv->env, &stat);
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot ask for the size", err);
	kv->room.map_bytes = info.me_mapsize;
	kv->room.page_bytes = stat.ms_psize;
	torap_kv_room_file_system(&kv->room, kv->env);
	return 0;
}

/* What a killed process wrote may be in the page cache only: nothing is believed before it is on the disk. */
static int flush(struct torap_kv *kv, bool redo, struct torap_error *err)
{
	int rc = mdb_env_sync(kv->env, 1);
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot flush", err);
	int r = torap_kv_redo_open(kv, redo, err);
	if (r)
		return r;
	return torap_kv_dir_flush(kv->dir, err);
}

static int open_tables(struct torap_kv *kv, const struct torap_kv_options *options, struct torap_error *err)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(kv->env, NULL, options->read_only ? MDB_RDONLY : 0, &txn);
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot read the tables", err);
	int r = options->read_only ? 0 : torap_kv_format_write(kv, txn, err);
	if (r) {
		mdb_txn_abort(txn);
		return r;
	}
	for (const char *const *name = options->tables; *name; name++) {
		assert(kv->tables_count < TORAP_KV_TABLES_MAX);
		rc = mdb_dbi_open(
			txn, *name, options->read_only ? 0 : MDB_CREATE, &kv->tables[kv->tables_count]);
		if (rc) {
			mdb_txn_abort(txn);
			char what[64];
			snprintf(what, sizeof what, "cannot open table %s", *name);
			return torap_kv_open_failed(kv, rc, what, err);
		}
		kv->tables_count++;
	}
	rc = mdb_txn_commit(txn); /* Also of a read transaction: an abort would close the tables again. */
	return rc ? torap_kv_open_failed(kv, rc, "cannot make the tables", err) : 0;
}

int torap_kv_open(struct torap_kv **out, const char *dir, const struct torap_kv_options *options,
	struct torap_error *err)
{
	struct torap_kv *kv = calloc(1, sizeof *kv);
	if (!kv)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", dir);
	kv->lock_fd = kv->redo.fd = -1;
	kv->names = options->tables;
	pthread_mutex_init(&kv->mutex, NULL); /* With default attributes these two cannot fail. */
	pthread_cond_init(&kv->level, NULL);
	int r = -ENOMEM;
	kv->dir = strdup(dir);
	if (!kv->dir) {
		torap_errorf(err, r, "%s: out of memory", dir);
		goto fail;
	}
	if (!options->read_only) {
		r = torap_kv_dir_make(dir, err);
		if (r)
			goto fail;
		r = torap_kv_lock_take(&kv->lock_fd, dir, err);
		if (r)
			goto fail;
	}
	r = torap_kv_whole_begin(dir, err);
	if (!r)
		r = open_env(kv, options, err);
	if (!r && !options->cut_short_too)
		r = torap_kv_whole(kv->env, dir, err);
	if (!r)
		r = torap_kv_format_read(kv, err);
	if (r)
		goto fail;
	if (!options->read_only) {
		r = flush(kv, options->redo, err);
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
	torap_kv_redo_close(kv);
	if (kv->env)
		mdb_env_close(kv->env);
	pthread_cond_destroy(&kv->level);
	pthread_mutex_destroy(&kv->mutex);
	if (kv->lock_fd >= 0)
		close(kv->lock_fd); /* Last: the next process must not come before the map is gone. */
	free(kv->dir);
	free(kv);
	return NULL;
}

struct torap_kv_size torap_kv_size(struct torap_kv *kv)
{
	struct torap_kv_size size = { .map_bytes = kv->room.map_bytes, .used_bytes = kv->room.map_bytes };
	size.most_bytes = torap_kv_room_most(&kv->room, kv->env);
	uint64_t pages;
	int rc = torap_kv_room_used(kv->env, &pages);
	if (rc)
		torap_warn("STORE-SIZE-UNKNOWN", "%s: cannot count the pages: %s; taken for full", kv->dir,
			mdb_strerror(rc));
	else
		size.used_bytes = pages * kv->room.page_bytes;
	return size;
}
