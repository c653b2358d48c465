#include "store/kv_redo.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/kv_env.h"
#include "store/kv_redo_file.h"
#include "wire/digest.h"

/* A record: magic, digest of what follows, id of the data file, transaction (u64), size of its changes (u32), changes.  A change: name of the
 * table (u8 size, text), what (u8), key (u32 size, bytes) and, of a row that was put, value (u32 size, bytes). */
enum {
	REDO_BYTES = 64 << 10,
	REDO_BLOCK_BYTES = 4 << 10, /* written whole: nothing that stands there need be read first */
	REDO_MAGIC_BYTES = 8,
	REDO_DIGESTED_AT = REDO_MAGIC_BYTES + TORAP_DIGEST_SIZE,
	REDO_HEAD_BYTES = REDO_DIGESTED_AT + TORAP_KV_ID_SIZE + 8 + 4,

	CHANGE_PUT = 1,
	CHANGE_DELETE = 2,
};

static const char magic[REDO_MAGIC_BYTES + 1] = "redo 1\r\n";

/* --- the file --- */

static int write_flushed(int fd, struct torap_bytes bytes)
{
	int r = torap_kv_redo_file_write(fd, bytes);
	return r ? r : torap_kv_redo_file_flush(fd);
}

/* Nothing of a record stays: one of this store's past could fit a copy of it that somebody puts in its place. */
static int empty(int fd)
{
	static const uint8_t zeros[REDO_BYTES];
	return write_flushed(fd, torap_bytes(zeros, sizeof zeros));
}

/* --- doing it again --- */

static int change_again(MDB_txn *txn, struct torap_reader *r)
{
	char name[UINT8_MAX + 1] = { 0 };
	struct torap_bytes table = torap_read_bytes(r, torap_read_u8(r));
	uint8_t what = torap_read_u8(r);
	struct torap_bytes key = torap_read_bytes(r, torap_read_u32(r)), value = { 0 };
	if (what == CHANGE_PUT)
		value = torap_read_bytes(r, torap_read_u32(r));
	if (r->failed || (what != CHANGE_PUT && what != CHANGE_DELETE))
		return EBADMSG;
	memcpy(name, table.data, table.size);
	MDB_dbi dbi;
	int rc = mdb_dbi_open(txn, name, 0, &dbi);
	if (rc)
		return rc;
	MDB_val k = { key.size, (void *)(uintptr_t)key.data };
	MDB_val v = { value.size, (void *)(uintptr_t)value.data };
	if (what == CHANGE_PUT)
		return mdb_put(txn, dbi, &k, &v, 0);
	rc = mdb_del(txn, dbi, &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int do_again(struct torap_kv *kv, struct torap_reader changes, struct torap_error *err)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(kv->env, NULL, 0, &txn);
	if (rc)
		return torap_kv_open_failed(kv, rc, "cannot change what its redo says", err);
	unsigned count = 0;
	for (; !rc && !torap_read_end(&changes); count++)
		rc = change_again(txn, &changes);
	if (rc)
		mdb_txn_abort(txn);
	else
		rc = mdb_txn_commit(txn);
	if (rc)
		return torap_kv_open_failed(kv, rc,
			"what was acknowledged last, and stands in its file redo, cannot be put into the tables (keep that file, and make room)",
			err);
	torap_notice("STORE-REDONE",
		"%s: %u rows that were flushed last, and not in their tables yet when the process ended",
		kv->dir, count);
	return 0;
}

/* The changes of a record that is whole, of this store, and the next to what LMDB has.  Size 0: there is no such record. */
static struct torap_bytes changes_due(const struct torap_kv *kv, struct torap_bytes file)
{
	const struct torap_bytes none = { 0 };
	MDB_envinfo info;
	struct torap_reader r = torap_reader(file);
	struct torap_bytes begin = torap_read_bytes(&r, REDO_MAGIC_BYTES);
	struct torap_bytes digest = torap_read_bytes(&r, TORAP_DIGEST_SIZE);
	struct torap_bytes id = torap_read_bytes(&r, TORAP_KV_ID_SIZE);
	uint64_t number = torap_read_u64(&r);
	struct torap_bytes changes = torap_read_bytes(&r, torap_read_u32(&r));
	if (r.failed || memcmp(begin.data, magic, REDO_MAGIC_BYTES) || mdb_env_info(kv->env, &info))
		return none;
	if (!kv->format.has_id || memcmp(id.data, kv->format.id, TORAP_KV_ID_SIZE) ||
		number != (uint64_t)info.me_last_txnid + 1)
		return none;
	uint8_t due[TORAP_DIGEST_SIZE];
	torap_digest(due,
		torap_bytes(file.data + REDO_DIGESTED_AT, REDO_HEAD_BYTES - REDO_DIGESTED_AT + changes.size));
	return memcmp(due, digest.data, sizeof due) ? none : changes;
}

static int look_at(struct torap_kv *kv, int fd, struct torap_error *err)
{
	struct torap_writer file = { 0 };
	int r = torap_kv_redo_file_read(fd, REDO_BYTES, &file);
	if (r) {
		torap_errorf(err, r, "%s/redo: cannot read: %s", kv->dir, strerror(-r));
	} else {
		struct torap_bytes changes = changes_due(kv, torap_bytes(file.data, file.size));
		if (changes.size)
			r = do_again(kv, torap_reader(changes), err);
	}
	torap_writer_finish(&file);
	return r;
}

static int go_without(const struct torap_kv *kv, int code)
{
	torap_warn("STORE-WITHOUT-REDO",
		"%s/redo: %s; alarms wait for two flushes instead of one, until the next start", kv->dir,
		strerror(-code));
	return 0;
}

/* Takes the descriptor when all is well. */
static int take(struct torap_kv *kv, int fd, struct torap_error *err)
{
	int r = look_at(kv, fd, err);
	if (r)
		return r;
	r = empty(fd);
	if (torap_error_is_room(-r))
		return go_without(kv, r);
	if (r)
		return torap_errorf(err, r, "%s/redo: cannot write: %s", kv->dir, strerror(-r));
	kv->redo.fd = fd;
	return 0;
}

int torap_kv_redo_open(struct torap_kv *kv, bool make, struct torap_error *err)
{
	int fd = torap_kv_redo_file_open(kv->dir, make);
	if (fd == -ENOENT && !make)
		return 0;
	if (fd < 0 && torap_error_is_room(-fd))
		return go_without(kv, fd);
	if (fd < 0)
		return torap_errorf(err, fd, "%s/redo: cannot open: %s", kv->dir, strerror(-fd));
	int r = take(kv, fd, err);
	if (kv->redo.fd != fd)
		torap_kv_redo_file_close(fd);
	return r;
}

void torap_kv_redo_close(struct torap_kv *kv)
{
	if (kv->redo.fd >= 0)
		torap_kv_redo_file_close(kv->redo.fd);
	torap_writer_finish(&kv->redo.keys);
	torap_writer_finish(&kv->redo.record);
}

/* --- writing it --- */

void torap_kv_redo_begin(struct torap_kv_redo *redo)
{
	redo->keys.size = redo->record.size = 0;
	redo->keys.failed = redo->record.failed = false;
}

void torap_kv_redo_note(struct torap_kv_redo *redo, unsigned table, struct torap_bytes key)
{
	if (redo->keys.size > REDO_BYTES) /* It does not fit already. */
		return;
	torap_write_u8(&redo->keys, (uint8_t)table);
	torap_write_u32(&redo->keys, (uint32_t)key.size);
	torap_write_bytes(&redo->keys, key);
}

/* A row as it is now; one that was changed twice stands there twice. */
static int write_change(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key)
{
	struct torap_writer *w = &txn->kv->redo.record;
	const char *name = txn->kv->names[table];
	struct torap_bytes value = { 0 };
	int r = torap_kv_get(txn, table, key, &value);
	if (r && r != TORAP_KV_MISSING)
		return r;
	if (w->size + key.size + value.size > REDO_BYTES)
		return TORAP_KV_FULL;
	torap_write_u8(w, (uint8_t)strlen(name));
	torap_write_bytes(w, torap_bytes(name, strlen(name)));
	torap_write_u8(w, r ? CHANGE_DELETE : CHANGE_PUT);
	torap_write_u32(w, (uint32_t)key.size);
	torap_write_bytes(w, key);
	if (!r) {
		torap_write_u32(w, (uint32_t)value.size);
		torap_write_bytes(w, value);
	}
	return 0;
}

static int write_changes(struct torap_kv_txn *txn)
{
	struct torap_reader keys =
		torap_reader(torap_bytes(txn->kv->redo.keys.data, txn->kv->redo.keys.size));
	int r = 0;
	while (!r && !torap_read_end(&keys)) {
		unsigned table = torap_read_u8(&keys);
		r = write_change(txn, table, torap_read_bytes(&keys, torap_read_u32(&keys)));
	}
	return r;
}

/* What stands before the changes; they are there, and end at `size`. */
static void write_head(const struct torap_kv *kv, size_t size, uint64_t number)
{
	uint8_t *at = kv->redo.record.data;
	struct torap_writer head = { .data = at, .room = REDO_HEAD_BYTES };
	uint8_t digest[TORAP_DIGEST_SIZE] = { 0 };
	torap_write_bytes(&head, torap_bytes(magic, REDO_MAGIC_BYTES));
	torap_write_bytes(&head, torap_bytes(digest, sizeof digest));
	torap_write_bytes(&head, torap_bytes(kv->format.id, TORAP_KV_ID_SIZE));
	torap_write_u64(&head, number);
	torap_write_u32(&head, (uint32_t)(size - REDO_HEAD_BYTES));
	torap_digest(digest, torap_bytes(at + REDO_DIGESTED_AT, size - REDO_DIGESTED_AT));
	memcpy(at + REDO_MAGIC_BYTES, digest, sizeof digest);
}

/* Whole blocks: nothing of what stands in them need be read. */
static void fill_last_block(struct torap_writer *w)
{
	size_t beyond = w->size % REDO_BLOCK_BYTES, missing = beyond ? REDO_BLOCK_BYTES - beyond : 0;
	uint8_t *rest = torap_write_room(w, missing);
	if (rest && missing)
		memset(rest, 0, missing);
}

/* A record that may be in the page cache and was told to nobody must not come back at the next start. */
static void give_up(struct torap_kv *kv, int code)
{
	static const uint8_t zeros[REDO_BLOCK_BYTES];
	go_without(kv, code);
	int r = write_flushed(kv->redo.fd, torap_bytes(zeros, sizeof zeros));
	if (r)
		torap_warn("STORE-WITHOUT-REDO", "%s/redo: cannot be emptied: %s", kv->dir, strerror(-r));
	torap_kv_redo_file_close(kv->redo.fd);
	kv->redo.fd = -1;
}

int torap_kv_redo_write(struct torap_kv_txn *txn)
{
	struct torap_kv_redo *redo = &txn->kv->redo;
	struct torap_writer *w = &redo->record;
	if (redo->keys.failed || redo->keys.size > REDO_BYTES)
		return TORAP_KV_FULL;
	torap_write_room(w, REDO_HEAD_BYTES);
	int r = write_changes(txn);
	if (r)
		return r;
	size_t size = w->size;
	fill_last_block(w);
	if (w->failed || w->size > REDO_BYTES)
		return TORAP_KV_FULL;
	write_head(txn->kv, size, mdb_txn_id(txn->handle));
	r = write_flushed(redo->fd, torap_bytes(w->data, w->size));
	if (!torap_error_is_room(-r))
		return r;
	give_up(txn->kv, r);
	return TORAP_KV_FULL;
}
