#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "store/kv.h"
#include "store/kv_env.h"

int torap_kv_translate(int rc)
{
	if (torap_error_is_room(rc))
		return TORAP_KV_FULL;
	switch (rc) {
	case 0:
		return 0;
	case MDB_NOTFOUND:
		return TORAP_KV_MISSING;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
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

/* Keeps the first failure.  Missing is an answer, not a failure. */
static int note(struct torap_kv_txn *txn, int rc)
{
	int r = torap_kv_translate(rc);
	if (r && r != TORAP_KV_MISSING) {
		txn->failure = r;
		txn->cause = rc;
	}
	return r;
}

/* For one commit: more than that nobody was told when he began to wait. */
static void wait_for_commit(struct torap_kv *kv)
{
	pthread_mutex_lock(&kv->mutex);
	uint64_t this_time = kv->times_ahead;
	while (atomic_load(&kv->ahead) && kv->times_ahead == this_time)
		pthread_cond_wait(&kv->level, &kv->mutex);
	pthread_mutex_unlock(&kv->mutex);
}

static void go_ahead(struct torap_kv *kv, bool ahead)
{
	pthread_mutex_lock(&kv->mutex);
	atomic_store(&kv->ahead, ahead);
	kv->times_ahead += ahead;
	pthread_mutex_unlock(&kv->mutex);
	pthread_cond_broadcast(&kv->level);
}

void torap_kv_begin(struct torap_kv_txn *txn, struct torap_kv *kv, bool write)
{
	*txn = (struct torap_kv_txn){ .kv = kv, .write = write, .high_percent = TORAP_KV_HIGH_PERCENT };
	if (!write && atomic_load(&kv->ahead))
		wait_for_commit(kv);
	MDB_txn *handle = NULL;
	if (note(txn, mdb_txn_begin(kv->env, NULL, write ? 0 : MDB_RDONLY, &handle)))
		return;
	txn->handle = handle;
	MDB_stat sum;
	if (write && !note(txn, torap_kv_room_tables(handle, kv->tables, kv->tables_count, &sum)))
		txn->pages_before = sum.ms_branch_pages + sum.ms_leaf_pages + sum.ms_overflow_pages;
}

void torap_kv_frees(struct torap_kv_txn *txn)
{
	txn->frees = true;
}

void torap_kv_limit(struct torap_kv_txn *txn, unsigned percent)
{
	if (percent < txn->high_percent)
		txn->high_percent = percent;
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
	bool space = torap_error_is_room(rc) || (rc == EIO && torap_kv_room_disk_is_full(kv->env));
	if (!space)
		return torap_kv_translate(rc);
	MDB_txn *probe;
	int panic = mdb_txn_begin(kv->env, NULL, 0, &probe);
	if (panic)
		return rc > 0 ? -rc : -EIO;
	mdb_txn_abort(probe);
	return TORAP_KV_FULL;
}

void torap_kv_urgent(struct torap_kv_txn *txn)
{
	assert(txn->write);
	if (txn->kv->redo.fd < 0)
		return;
	txn->urgent = true;
	torap_kv_redo_begin(&txn->kv->redo);
}

bool torap_kv_redo(struct torap_kv_txn *txn)
{
	if (!txn->urgent || txn->failure || (!txn->puts && !txn->deletes))
		return false;
	if (check_room(txn) || !txn->kv->room.certain)
		return false;
	int r = torap_kv_redo_write(txn);
	if (r < 0) {
		txn->failure = r;
		txn->cause = -r;
	}
	if (r)
		return false;
	txn->redone = true;
	go_ahead(txn->kv, true);
	return true;
}

int torap_kv_commit(struct torap_kv_txn *txn, struct torap_error *err)
{
	assert(txn->write);
	if (!txn->failure && !txn->redone)
		check_room(txn);
	if (!txn->failure) {
		int rc = mdb_txn_commit(txn->handle);
		txn->handle = NULL;
		if (!rc && txn->redone)
			go_ahead(txn->kv, false);
		if (!rc)
			return 0;
		txn->cause = rc;
		txn->failure = commit_failed(txn->kv, rc);
		if (txn->redone && txn->failure == TORAP_KV_FULL)
			txn->failure = -ENOSPC; /* Somebody was told: it is no answer any more. */
	}
	torap_kv_abort(txn);
	if (txn->failure == TORAP_KV_FULL)
		return torap_errorf(err, TORAP_KV_FULL, "%s: the store is full", txn->kv->dir);
	return torap_errorf(err, txn->failure, "%s: %s", txn->kv->dir, mdb_strerror(txn->cause));
}

int torap_kv_idle(struct torap_kv *kv, struct torap_error *err)
{
	MDB_txn *txn; /* Nobody else writes meanwhile. */
	int rc = mdb_txn_begin(kv->env, NULL, 0, &txn);
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot write ahead", err);
	int r = torap_kv_room_write_ahead(&kv->room, kv->env);
	mdb_txn_abort(txn);
	return r < 0 ? torap_errorf(err, r, "%s: cannot write ahead: %s", kv->dir, strerror(-r)) : r;
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

static void note_change(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key)
{
	if (txn->urgent)
		torap_kv_redo_note(&txn->kv->redo, table, key);
}

int torap_kv_put(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, struct torap_bytes value)
{
	if (txn->failure)
		return txn->failure;
	MDB_val k = to_key(txn, table, key), v = to_val(value);
	count_put(txn, value.size);
	note_change(txn, table, key);
	return note(txn, mdb_put(txn->handle, txn->kv->tables[table], &k, &v, 0));
}

void *torap_kv_reserve(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, size_t size)
{
	if (txn->failure)
		return NULL;
	MDB_val k = to_key(txn, table, key), v = { size, NULL };
	count_put(txn, size);
	note_change(txn, table, key);
	if (note(txn, mdb_put(txn->handle, txn->kv->tables[table], &k, &v, MDB_RESERVE)))
		return NULL;
	return v.mv_data;
}

int torap_kv_delete(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key)
{
	if (txn->failure)
		return txn->failure;
	MDB_val k = to_key(txn, table, key);
	note_change(txn, table, key);
	int r = note(txn, mdb_del(txn->handle, txn->kv->tables[table], &k, NULL));
	if (!r)
		txn->deletes++;
	return r;
}

int torap_kv_count(struct torap_kv_txn *txn, unsigned table, uint64_t *out)
{
	MDB_stat stat;
	if (txn->failure)
		return txn->failure;
	assert(txn->handle && table < txn->kv->tables_count);
	int r = note(txn, mdb_stat(txn->handle, txn->kv->tables[table], &stat));
	if (!r)
		*out = stat.ms_entries;
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
