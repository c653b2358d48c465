/* lib/store/kv.h as tables in memory: what LMDB promises of a transaction, and nothing else.  It outlives its process. */
#include "sim/process.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/kv.h"

struct row {
	unsigned refs;
	size_t key_size, value_size;
	uint8_t bytes[]; /* key, value */
};

struct table {
	struct row **list; /* by rising key */
	size_t count, room;
};

struct change {
	unsigned table;
	struct row *before, *after; /* NULL: there was none, there is none */
};

struct torap_kv {
	struct table tables[TORAP_KV_TABLES_MAX];
	uint64_t version;
	size_t rows_left;       /* until it is full */
	struct change *changes; /* of the transaction that writes */
	size_t changes_count, changes_room;
	uint64_t change_bytes;
};

static struct torap_bytes key_of(const struct row *r)
{
	return torap_bytes(r->bytes, r->key_size);
}

static struct torap_bytes value_of(const struct row *r)
{
	return torap_bytes(r->bytes + r->key_size, r->value_size);
}

static struct row *row_create(struct torap_bytes key, size_t value_size)
{
	struct row *r = malloc(sizeof *r + key.size + value_size);
	assert(r);
	*r = (struct row){ .refs = 1, .key_size = key.size, .value_size = value_size };
	memcpy(r->bytes, key.data, key.size);
	return r;
}

static struct row *ref(struct row *r)
{
	if (r)
		r->refs++;
	return r;
}

static void unref(struct row *r)
{
	if (r && --r->refs == 0)
		free(r);
}

static int compare(struct torap_bytes a, struct torap_bytes b)
{
	int r = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
	return r ? r : (a.size > b.size) - (a.size < b.size);
}

/* The first row whose key is not below. */
static size_t place(const struct table *t, struct torap_bytes key)
{
	size_t low = 0, high = t->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (key.size && compare(key_of(t->list[middle]), key) < 0)
			low = middle + 1;
		else
			high = key.size ? middle : 0;
	}
	return low;
}

static struct row *row_at(const struct table *t, size_t i, struct torap_bytes key)
{
	return i < t->count && compare(key_of(t->list[i]), key) == 0 ? t->list[i] : NULL;
}

/* Puts `row` (NULL: nothing) where the key stands.  Takes the reference, and gives that of what was there. */
static struct row *set(struct table *t, struct torap_bytes key, struct row *row)
{
	size_t i = place(t, key);
	struct row *before = row_at(t, i, key);
	if (before && row) {
		t->list[i] = row;
	} else if (before) {
		memmove(t->list + i, t->list + i + 1, (--t->count - i) * sizeof(struct row *));
	} else if (row) {
		if (t->count == t->room) {
			t->room = t->room ? 2 * t->room : 64;
			t->list = realloc(t->list, t->room * sizeof(struct row *));
			assert(t->list);
		}
		memmove(t->list + i + 1, t->list + i, (t->count++ - i) * sizeof(struct row *));
		t->list[i] = row;
	}
	return before;
}

/* --- outside --- */

struct torap_kv *sim_store_create(void)
{
	struct torap_kv *kv = calloc(1, sizeof *kv);
	assert(kv);
	kv->rows_left = SIZE_MAX;
	return kv;
}

void sim_store_destroy(struct torap_kv *kv)
{
	for (unsigned i = 0; kv && i < TORAP_KV_TABLES_MAX; i++) {
		for (size_t k = 0; k < kv->tables[i].count; k++)
			unref(kv->tables[i].list[k]);
		free(kv->tables[i].list);
	}
	if (kv)
		free(kv->changes);
	free(kv);
}

void sim_store_room(struct torap_kv *kv, size_t rows)
{
	kv->rows_left = rows;
}

uint64_t sim_store_version(const struct torap_kv *kv)
{
	return kv->version;
}

size_t sim_store_rows(const struct torap_kv *kv, unsigned table)
{
	return kv->tables[table].count;
}

bool sim_store_damage(struct torap_kv *kv, unsigned table, size_t i, uint64_t luck, uint8_t key[static 16],
	size_t *key_size)
{
	struct table *t = &kv->tables[table];
	if (i >= t->count || t->list[i]->value_size == 0 || t->list[i]->key_size > 16)
		return false;
	struct row *before = t->list[i], *after = row_create(key_of(before), before->value_size);
	memcpy(after->bytes, before->bytes, before->key_size + before->value_size);
	after->bytes[after->key_size + luck / 8 % after->value_size] ^= (uint8_t)(1 << luck % 8);
	memcpy(key, after->bytes, after->key_size);
	*key_size = after->key_size;
	t->list[i] = after;
	unref(before);
	kv->version++;
	return true;
}

/* --- kv.h --- */

int torap_kv_open(struct torap_kv **out, const char *dir, const struct torap_kv_options *options,
	struct torap_error *err)
{
	(void)dir, (void)options, (void)err;
	*out = sim_here->store;
	return 0;
}

struct torap_kv *torap_kv_close(struct torap_kv *kv)
{
	(void)kv;
	return NULL;
}

struct torap_kv_size torap_kv_size(struct torap_kv *kv)
{
	(void)kv;
	return (struct torap_kv_size){ 1 << 30, 1 << 30, 1 << 20 };
}

uint64_t torap_kv_pending_bytes(const struct torap_kv_txn *txn)
{
	return txn->kv->change_bytes;
}

void torap_kv_begin(struct torap_kv_txn *txn, struct torap_kv *kv, bool write)
{
	*txn = (struct torap_kv_txn){ .kv = kv, .handle = kv, .write = write };
	assert(!write || kv->changes_count == 0);
}

static void forget(struct torap_kv *kv, bool undo)
{
	for (size_t i = kv->changes_count; i-- > 0;) {
		struct change *c = &kv->changes[i];
		if (undo) {
			unref(set(&kv->tables[c->table], key_of(c->after ? c->after : c->before),
				ref(c->before)));
			kv->rows_left += kv->rows_left != SIZE_MAX && c->after;
		}
		unref(c->before);
		unref(c->after);
	}
	kv->changes_count = 0;
	kv->change_bytes = 0;
}

int torap_kv_commit(struct torap_kv_txn *txn, struct torap_error *err)
{
	assert(txn->write);
	if (txn->failure) {
		torap_kv_abort(txn);
		return torap_errorf(err, txn->failure, "the store is full");
	}
	txn->kv->version += txn->kv->changes_count > 0;
	forget(txn->kv, false);
	txn->handle = NULL;
	return 0;
}

void torap_kv_frees(struct torap_kv_txn *txn)
{
	txn->frees = true;
}

void torap_kv_limit(struct torap_kv_txn *txn, unsigned percent)
{
	(void)txn, (void)percent;
}

void torap_kv_abort(struct torap_kv_txn *txn)
{
	if (txn->handle && txn->write)
		forget(txn->kv, true);
	txn->handle = NULL;
}

int torap_kv_get(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, struct torap_bytes *value)
{
	if (txn->failure)
		return txn->failure;
	const struct table *t = &txn->kv->tables[table];
	const struct row *r = row_at(t, place(t, key), key);
	if (!r)
		return TORAP_KV_MISSING;
	*value = value_of(r);
	return 0;
}

static void change(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, struct row *after)
{
	struct torap_kv *kv = txn->kv;
	if (kv->changes_count == kv->changes_room) {
		kv->changes_room = kv->changes_room ? 2 * kv->changes_room : 64;
		kv->changes = realloc(kv->changes, kv->changes_room * sizeof *kv->changes);
		assert(kv->changes);
	}
	kv->change_bytes += after ? after->key_size + after->value_size : key.size;
	struct row *before = set(&kv->tables[table], key, ref(after));
	kv->changes[kv->changes_count++] = (struct change){ table, before, after };
}

void *torap_kv_reserve(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, size_t size)
{
	struct torap_kv *kv = txn->kv;
	if (txn->failure)
		return NULL;
	assert(txn->write && txn->handle);
	if (kv->rows_left == 0 && !txn->frees) {
		txn->failure = TORAP_KV_FULL;
		return NULL;
	}
	if (kv->rows_left != SIZE_MAX && kv->rows_left)
		kv->rows_left--;
	struct row *row = row_create(key, size);
	change(txn, table, key_of(row), row);
	return row->bytes + row->key_size;
}

int torap_kv_put(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key, struct torap_bytes value)
{
	void *room = torap_kv_reserve(txn, table, key, value.size);
	if (room && value.size)
		memcpy(room, value.data, value.size);
	return room ? 0 : txn->failure;
}

int torap_kv_delete(struct torap_kv_txn *txn, unsigned table, struct torap_bytes key)
{
	struct torap_bytes value;
	int r = torap_kv_get(txn, table, key, &value);
	if (!r)
		change(txn, table, key, NULL);
	return r;
}

int torap_kv_walk(struct torap_kv_txn *txn, unsigned table, struct torap_bytes from,
	int (*each)(void *hint, struct torap_bytes key, struct torap_bytes value), void *hint)
{
	if (txn->failure)
		return txn->failure;
	const struct table *t = &txn->kv->tables[table];
	for (size_t i = place(t, from); i < t->count; i++) {
		int r = each(hint, key_of(t->list[i]), value_of(t->list[i]));
		if (r)
			return r;
	}
	return 0;
}

int torap_kv_count(struct torap_kv_txn *txn, unsigned table, uint64_t *out)
{
	*out = txn->kv->tables[table].count;
	return txn->failure;
}

static bool begins_with(const struct row *r, struct torap_bytes prefix)
{
	return r->key_size >= prefix.size &&
	       (!prefix.size || memcmp(r->bytes, prefix.data, prefix.size) == 0);
}

int torap_kv_last(struct torap_kv_txn *txn, unsigned table, struct torap_bytes prefix,
	struct torap_bytes *key, struct torap_bytes *value)
{
	if (txn->failure)
		return txn->failure;
	const struct table *t = &txn->kv->tables[table];
	size_t low = prefix.size ? place(t, prefix) : 0, high = t->count;
	while (low < high) { /* the first from there on that does not begin with it */
		size_t middle = low + (high - low) / 2;
		if (begins_with(t->list[middle], prefix))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || !begins_with(t->list[low - 1], prefix))
		return TORAP_KV_MISSING;
	*key = key_of(t->list[low - 1]);
	*value = value_of(t->list[low - 1]);
	return 0;
}
