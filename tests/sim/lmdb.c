/* LMDB, as lib/store sees it.  What is defined here stands in front of the library.
 *
 * Of a commit that fails the disk has all or nothing, which is what LMDB promises (unit/lib/store).  It also may run
 * out of disk, where nobody called it certain; then nothing has changed. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/process.h"
#include "sim/store.h"

enum { PAGE_BYTES = 4096, RUNS_OUT_ONE_IN = 4, WRITES_ELSEWHERE_ONE_IN = 8, START_TIMES = 30 };

struct MDB_txn {
	struct MDB_env *store;
	bool writes;
};

struct MDB_cursor {
	struct MDB_txn *txn;
	MDB_dbi table;
	size_t at;
};

static struct torap_bytes bytes_of(const MDB_val *val)
{
	return torap_bytes(val->mv_data, val->mv_size);
}

static void give(MDB_val *out, struct torap_bytes bytes)
{
	*out = (MDB_val){ bytes.size, (void *)(uintptr_t)bytes.data };
}

/* --- outside --- */

struct MDB_env *sim_store_create(struct sim_world *w)
{
	struct MDB_env *store = calloc(1, sizeof *store);
	assert(store);
	store->world = w;
	store->rows_left = SIZE_MAX;
	store->tables_count = STORE_TABLES;
	store->writes_elsewhere = sim_random(w, WRITES_ELSEWHERE_ONE_IN) == 0;
	store->observer = (struct torap_kv){ .env = store, .tables_count = TORAP_KV_TABLES_MAX };
	for (unsigned i = 0; i < TORAP_KV_TABLES_MAX; i++)
		store->observer.tables[i] = STORE_TABLES + i;
	return store;
}

void sim_store_destroy(struct MDB_env *store)
{
	store_changes_forget(&store->changes);
	store_changes_forget(&store->promised);
	free(store->changes.list);
	free(store->promised.list);
	for (unsigned i = 0; i < STORE_TABLES_MAX; i++)
		store_table_finish(&store->tables[i]);
	free(store);
}

void sim_store_room(struct MDB_env *store, size_t rows)
{
	store->rows_left = rows;
}

void sim_store_deletes(struct MDB_env *store, bool deletes)
{
	store->is_for_deletions = deletes;
}

uint64_t sim_store_version(const struct MDB_env *store)
{
	return store->version;
}

size_t sim_store_rows(const struct MDB_env *store, unsigned table)
{
	return store->tables[STORE_TABLES + table].count;
}

bool sim_store_damage(struct MDB_env *store, unsigned table, size_t i, uint64_t luck, uint8_t key[static 16],
	size_t *key_size)
{
	struct store_table *t = &store->tables[STORE_TABLES + table];
	if (i >= t->count || t->list[i]->value_size == 0 || t->list[i]->key_size > 16)
		return false;
	struct store_row *before = t->list[i],
			 *after = store_row_create(store_row_key(before), before->value_size);
	memcpy(after->bytes, before->bytes, before->key_size + before->value_size);
	after->bytes[after->key_size + luck / 8 % after->value_size] ^= (uint8_t)(1 << luck % 8);
	memcpy(key, after->bytes, after->key_size);
	*key_size = after->key_size;
	t->list[i] = after;
	store_row_unref(before);
	store->version++;
	return true;
}

static void show(struct MDB_env *store, bool promised, bool changes)
{
	if (!changes)
		store_changes_show(&store->changes, store->tables, false);
	store_changes_show(&store->promised, store->tables, promised);
	if (changes)
		store_changes_show(&store->changes, store->tables, true);
}

/* Is what the writer did on the disk, before LMDB has it?  While an earlier promise is open, the record is of that. */
static bool is_kept(const struct MDB_env *store)
{
	return store->writer && store->promised.count == 0 && store->redo_kept == store->last_txn + 1;
}

static struct MDB_txn *txn_create(struct MDB_env *store, bool writes)
{
	struct MDB_txn *txn = malloc(sizeof *txn);
	assert(txn);
	*txn = (struct MDB_txn){ store, writes };
	return txn;
}

void sim_store_look(struct MDB_env *store, struct torap_kv_txn *out)
{
	show(store, true, is_kept(store));
	*out = (struct torap_kv_txn){ .kv = &store->observer, .handle = txn_create(store, false) };
}

/* The writer is gone, and nothing that it did is in the tables. */
static void undo(struct MDB_env *store)
{
	show(store, false, false);
	for (size_t i = 0; i < store->changes.count; i++)
		store->rows_left += store->rows_left != SIZE_MAX && store->changes.list[i].after;
	store_changes_forget(&store->changes);
	free(store->writer);
	store->writer = NULL;
}

static void make_it_last(struct MDB_env *store)
{
	show(store, false, true);
	store->world->redone += store->promised.count > 0;
	if (!store_changes_are_made(&store->promised, store->tables))
		sim_fail(
			store->world, "%s does not do again what was told before its commit", sim_here->name);
	store_changes_forget(&store->promised);
	store_changes_forget(&store->changes);
	free(store->writer);
	store->writer = NULL;
	store->last_txn++;
	store->version++;
}

/* LMDB has nothing of it.  If it is in `redo`, whoever wrote it may have told. */
static void die_before_commit(struct MDB_env *store)
{
	if (is_kept(store)) {
		show(store, false, false);
		struct store_changes none = store->promised;
		store->promised = store->changes;
		store->changes = none;
	}
	undo(store);
	store->version++;
}

void sim_store_crash(struct MDB_env *store)
{
	if (store->writer && sim_random(store->world, 4) == 0)
		make_it_last(store);
	else if (store->writer)
		die_before_commit(store);
	store_redo_crash(store);
}

/* --- environment --- */

int mdb_env_create(MDB_env **out)
{
	*out = sim_here->store;
	return 0;
}

int mdb_env_set_mapsize(MDB_env *store, size_t bytes)
{
	store->map_bytes = bytes;
	return 0;
}

int mdb_env_set_maxdbs(MDB_env *store, MDB_dbi count)
{
	(void)store;
	return STORE_TABLES + count <= STORE_TABLES_MAX ? 0 : MDB_DBS_FULL;
}

int mdb_env_open(MDB_env *store, const char *path, unsigned flags, mdb_mode_t mode)
{
	(void)store, (void)path, (void)flags, (void)mode;
	return 0;
}

void mdb_env_close(MDB_env *store)
{
	(void)store;
}

int mdb_env_sync(MDB_env *store, int force)
{
	(void)store, (void)force;
	return 0;
}

int mdb_reader_check(MDB_env *store, int *dead)
{
	(void)store;
	*dead = 0;
	return 0;
}

int mdb_env_info(MDB_env *store, MDB_envinfo *out)
{
	*out = (MDB_envinfo){ .me_mapsize = store->map_bytes, .me_last_txnid = store->last_txn };
	return 0;
}

int mdb_env_stat(MDB_env *store, MDB_stat *out)
{
	*out = (MDB_stat){ .ms_psize = PAGE_BYTES, .ms_entries = store->tables[STORE_NAMES].count };
	return 0;
}

/* --- transactions --- */

int mdb_txn_begin(MDB_env *store, MDB_txn *parent, unsigned flags, MDB_txn **out)
{
	bool writes = !(flags & MDB_RDONLY);
	assert(!parent);
	if (writes && store->writer)
		sim_committer_wait(sim_here);
	if (writes && sim_here->dead)
		return EIO;
	assert(!writes || !store->writer);
	if (!writes && !sim_here->dead && is_kept(store))
		sim_fail(store->world, "%s reads its store as it was before what it told", sim_here->name);
	/* Who is dead, and looks once more on its way out, may see what it likes. */
	show(store, sim_here->dead, sim_here->dead);
	*out = txn_create(store, writes);
	if (writes) {
		store->writer = *out;
		store->may_run_out = false;
	}
	return 0;
}

size_t mdb_txn_id(MDB_txn *txn)
{
	return txn->store->last_txn + txn->writes;
}

void mdb_txn_abort(MDB_txn *txn)
{
	if (txn->writes && txn == txn->store->writer)
		undo(txn->store);
	else if (!txn->writes)
		free(txn);
}

/* At a start, where there are few, more often than later. */
bool store_flush_fails(struct MDB_env *store)
{
	bool fails = false;
	for (int i = 0; i < (sim_here->committer ? 1 : START_TIMES) && !fails; i++)
		fails = sim_fault(store->world, SIM_FLUSH);
	return fails;
}

/* False: who asked for it is told, and must end. */
static bool flush(struct MDB_env *store)
{
	struct sim_world *w = store->world;
	if (!store_flush_fails(store)) {
		make_it_last(store);
		return true;
	}
	bool has_it = sim_random(w, 2);
	sim_note(w, "%s: a commit fails; the disk has %s", sim_here->name, has_it ? "all of it" : "nothing");
	sim_here->disk_failed = true;
	if (has_it)
		make_it_last(store);
	else
		die_before_commit(store);
	return false;
}

int mdb_txn_commit(MDB_txn *txn)
{
	struct MDB_env *store = txn->store;
	if (!txn->writes || store->changes.count == 0) {
		mdb_txn_abort(txn); /* LMDB writes nothing either. */
		return 0;
	}
	assert(txn == store->writer);
	if (store->may_run_out && sim_random(store->world, RUNS_OUT_ONE_IN) == 0) {
		undo(store);
		return ENOSPC;
	}
	return flush(store) ? 0 : EIO;
}

/* --- tables --- */

/* A writer sees what it did. */
static struct store_table *table_of(MDB_txn *txn, MDB_dbi dbi)
{
	if (txn->writes)
		show(txn->store, false, true);
	return &txn->store->tables[dbi];
}

static MDB_dbi number_of(struct MDB_env *store, const char *name)
{
	MDB_dbi i = STORE_TABLES;
	while (i < store->tables_count && strcmp(store->names[i], name) != 0)
		i++;
	if (i == store->tables_count) {
		assert(i < STORE_TABLES_MAX && strlen(name) < sizeof store->names[i]);
		strcpy(store->names[store->tables_count++], name);
	}
	return i;
}

int mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *out)
{
	struct torap_bytes key = torap_bytes(name, name ? strlen(name) : 0);
	*out = STORE_NAMES;
	if (!name)
		return 0;
	*out = number_of(txn->store, name);
	if (store_table_find(table_of(txn, STORE_NAMES), key))
		return 0;
	if (!(flags & MDB_CREATE))
		return MDB_NOTFOUND;
	store_change(&txn->store->changes, txn->store->tables, STORE_NAMES, key, store_row_create(key, 0));
	return 0;
}

int mdb_stat(MDB_txn *txn, MDB_dbi dbi, MDB_stat *out)
{
	*out = (MDB_stat){ .ms_psize = PAGE_BYTES, .ms_entries = table_of(txn, dbi)->count };
	return 0;
}

int mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
	const struct store_row *row = store_table_find(table_of(txn, dbi), bytes_of(key));
	if (!row)
		return MDB_NOTFOUND;
	give(value, store_row_value(row));
	return 0;
}

int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags)
{
	struct MDB_env *store = txn->store;
	assert(txn == store->writer);
	if (store->rows_left == 0 && !store->is_for_deletions)
		return MDB_MAP_FULL;
	if (store->rows_left != SIZE_MAX && store->rows_left)
		store->rows_left--;
	struct store_row *row = store_row_create(bytes_of(key), value->mv_size);
	uint8_t *room = row->bytes + row->key_size;
	if (flags & MDB_RESERVE)
		value->mv_data = room;
	else if (value->mv_size)
		memcpy(room, value->mv_data, value->mv_size);
	table_of(txn, dbi);
	store_change(&store->changes, store->tables, dbi, store_row_key(row), row);
	return 0;
}

int mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
	assert(txn == txn->store->writer && !value);
	if (!store_table_find(table_of(txn, dbi), bytes_of(key)))
		return MDB_NOTFOUND;
	store_change(&txn->store->changes, txn->store->tables, dbi, bytes_of(key), NULL);
	return 0;
}

int mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **out)
{
	MDB_cursor *c = malloc(sizeof *c);
	assert(c);
	*c = (MDB_cursor){ txn, dbi, SIZE_MAX };
	*out = c;
	return 0;
}

void mdb_cursor_close(MDB_cursor *c)
{
	free(c);
}

int mdb_cursor_get(MDB_cursor *c, MDB_val *key, MDB_val *value, MDB_cursor_op op)
{
	const struct store_table *t = table_of(c->txn, c->table);
	switch (op) {
	case MDB_FIRST:
		c->at = 0;
		break;
	case MDB_LAST:
		c->at = t->count - 1;
		break;
	case MDB_NEXT:
		c->at++;
		break;
	case MDB_PREV:
		c->at--;
		break;
	default:
		assert(op == MDB_SET_RANGE);
		c->at = store_table_place(t, bytes_of(key));
	}
	if (c->at >= t->count) /* Before the first is beyond the last, too. */
		return MDB_NOTFOUND;
	give(key, store_row_key(t->list[c->at]));
	give(value, store_row_value(t->list[c->at]));
	return 0;
}
