#include "store/kv.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "tests/unit/lib/store/place.h"

static const char *const tables[] = { "first", "second", NULL };
enum { FIRST, SECOND, MAP_BYTES = 16 << 20, TINY_MAP_BYTES = 1 << 20 };

static struct place place;

static void make(void)
{
	place_make(&place);
}

static void clean(void)
{
	place_remove(&place);
}

TestSuite(kv, .init = make, .fini = clean);

static struct torap_kv *open_store(size_t map_size)
{
	struct torap_kv *kv = NULL;
	struct torap_error err;
	struct torap_kv_options options = { .tables = tables, .map_size = map_size };
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
	return kv;
}

static struct torap_bytes text(const char *s)
{
	return torap_bytes(s, strlen(s));
}

static void put(struct torap_kv *kv, unsigned table, const char *key, const char *value)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	torap_kv_put(&txn, table, text(key), text(value));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

static void check(struct torap_kv *kv, unsigned table, const char *key, const char *value)
{
	struct torap_kv_txn txn;
	struct torap_bytes got;
	torap_kv_begin(&txn, kv, false);
	int r = torap_kv_get(&txn, table, text(key), &got);
	if (!value)
		cr_assert_eq(r, TORAP_KV_MISSING);
	else
		cr_assert(r == 0 && torap_bytes_equal(got, text(value)));
	torap_kv_abort(&txn);
}

Test(kv, keeps_what_was_committed_over_close_and_open)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	put(kv, FIRST, "a", "1");
	put(kv, SECOND, "a", "2");
	kv = torap_kv_close(kv);
	kv = open_store(MAP_BYTES);
	check(kv, FIRST, "a", "1");
	check(kv, SECOND, "a", "2");
	check(kv, SECOND, "b", NULL);
	torap_kv_close(kv);
}

Test(kv, forgets_what_was_aborted)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_kv_put(&txn, FIRST, text("a"), text("1")), 0);
	torap_kv_abort(&txn);
	torap_kv_abort(&txn);
	check(kv, FIRST, "a", NULL);
	torap_kv_close(kv);
}

Test(kv, gives_room_to_fill_and_deletes_and_says_missing)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	void *room = torap_kv_reserve(&txn, FIRST, text("a"), 3);
	cr_assert_not_null(room);
	memcpy(room, "xyz", 3);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	check(kv, FIRST, "a", "xyz");

	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_kv_delete(&txn, FIRST, text("a")), 0);
	cr_assert_eq(torap_kv_delete(&txn, FIRST, text("a")), TORAP_KV_MISSING);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0, "a missing key is no failure");
	check(kv, FIRST, "a", NULL);
	torap_kv_close(kv);
}

Test(kv, keeps_its_directory_and_files_to_its_user)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	struct stat st;
	cr_assert(!stat(place.dir, &st) && (st.st_mode & 0777) == 0700);
	static const char *const names[] = { "data.mdb", "lock.mdb", "lock" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[PATH_MAX + 32];
		snprintf(path, sizeof path, "%s/%s", place.dir, names[i]);
		cr_assert(!stat(path, &st) && (st.st_mode & 0777) == 0600, "%s", names[i]);
	}
	torap_kv_close(kv);
}

/* The second opener is a process of its own, as it would be. */
Test(kv, refuses_a_second_process_and_names_the_first)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	pid_t child = fork();
	if (!child) {
		struct torap_kv *second = NULL;
		struct torap_error err;
		struct torap_kv_options options = { .tables = tables, .map_size = MAP_BYTES };
		char pid[32];
		snprintf(pid, sizeof pid, "process %d,", (int)getppid());
		int r = torap_kv_open(&second, place.dir, &options, &err);
		_exit(r == -EBUSY && !second && strstr(err.text, pid) ? 0 : 1);
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	torap_kv_close(kv);
	torap_kv_close(open_store(MAP_BYTES)); /* And lets it in afterwards. */
}

Test(kv, says_which_directory_cannot_be_opened_and_why)
{
	struct torap_kv *kv = NULL;
	struct torap_error err;
	struct torap_kv_options options = { .tables = tables, .map_size = MAP_BYTES };
	char path[PATH_MAX + 32];
	snprintf(path, sizeof path, "%s/not/there", place.root);
	cr_assert_eq(torap_kv_open(&kv, path, &options, &err), -ENOENT);
	cr_assert(strstr(err.text, path) && !kv);
	options.read_only = true;
	cr_assert_lt(torap_kv_open(&kv, path, &options, &err), 0);
	cr_assert_null(kv);
}

/* Straight into LMDB: what says the format; NULL: nothing does, as in the first one. */
static void say_format(const char *bytes)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi all;
	MDB_val key = { 6, (void *)(uintptr_t) "format" }, value = { 4, (void *)(uintptr_t)bytes };
	cr_assert_eq(mdb_env_create(&env), 0);
	cr_assert_eq(mdb_env_open(env, place.dir, 0, 0600), 0);
	cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &all), 0);
	cr_assert_eq(bytes ? mdb_put(txn, all, &key, &value, 0) : mdb_del(txn, all, &key, NULL), 0);
	cr_assert_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void check_refused(const char *bytes, const char *what)
{
	struct torap_error err;
	say_format(bytes);
	for (int read_only = 0; read_only < 2; read_only++) {
		struct torap_kv *kv = NULL;
		struct torap_kv_options options = {
			.tables = tables, .map_size = MAP_BYTES, .read_only = read_only
		};
		cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), -ENOTSUP);
		cr_assert(strstr(err.text, what) && strstr(err.text, place.dir) && !kv, "%s", err.text);
	}
}

Test(kv, refuses_what_another_version_wrote)
{
	torap_kv_close(open_store(MAP_BYTES));
	check_refused("\0\0\0\4", "format 4; this one reads formats 2 and 3");
	check_refused(NULL, "format 1; this one reads formats 2 and 3");
	say_format("\0\0\0\3");
	torap_kv_close(open_store(MAP_BYTES));
}

static bool is_of_format(const char *bytes)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi all;
	MDB_val key = { 6, (void *)(uintptr_t) "format" }, value;
	cr_assert_eq(mdb_env_create(&env), 0);
	cr_assert_eq(mdb_env_open(env, place.dir, MDB_RDONLY, 0600), 0);
	cr_assert_eq(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
	cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &all), 0);
	bool is = !mdb_get(txn, all, &key, &value) && value.mv_size == 4 && !memcmp(value.mv_data, bytes, 4);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return is;
}

/* Who only reads changes nothing. */
Test(kv, makes_of_the_former_format_its_own)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	struct torap_kv_options reading = { .tables = tables, .read_only = true };
	put(kv, FIRST, "a", "1");
	torap_kv_close(kv);
	say_format("\0\0\0\2");
	cr_assert_eq(torap_kv_open(&kv, place.dir, &reading, NULL), 0);
	check(kv, FIRST, "a", "1");
	torap_kv_close(kv);
	cr_assert(is_of_format("\0\0\0\2"));
	kv = open_store(MAP_BYTES);
	check(kv, FIRST, "a", "1");
	torap_kv_close(kv);
	cr_assert(is_of_format("\0\0\0\3"));
}

Test(kv, opens_for_reading_beside_a_writer)
{
	torap_kv_close(open_store(MAP_BYTES));
	struct torap_kv *kv = open_store(MAP_BYTES);
	put(kv, FIRST, "a", "1");
	pid_t child = fork();
	if (!child) {
		struct torap_kv *reader = NULL;
		struct torap_kv_options options = { .tables = tables, .read_only = true };
		if (torap_kv_open(&reader, place.dir, &options, NULL))
			_exit(1);
		struct torap_kv_txn txn;
		struct torap_bytes value;
		torap_kv_begin(&txn, reader, false);
		int r = torap_kv_get(&txn, FIRST, text("a"), &value);
		_exit(r || !torap_bytes_equal(value, text("1")));
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	torap_kv_close(kv);
}

struct seen {
	char keys[64];
	unsigned stop_after;
};

static int see(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	struct seen *seen = hint;
	(void)value;
	strncat(seen->keys, (const char *)key.data, key.size);
	strcat(seen->keys, " ");
	return seen->stop_after && !--seen->stop_after ? 77 : 0;
}

Test(kv, walks_in_order_from_a_key_until_it_is_stopped)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	put(kv, FIRST, "c", "3");
	put(kv, FIRST, "a", "1");
	put(kv, FIRST, "b", "2");
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	struct seen all = { 0 }, some = { 0 }, one = { .stop_after = 1 }, none = { 0 };
	cr_assert_eq(torap_kv_walk(&txn, FIRST, text(""), see, &all), 0);
	cr_assert_str_eq(all.keys, "a b c ");
	cr_assert_eq(torap_kv_walk(&txn, FIRST, text("aa"), see, &some), 0);
	cr_assert_str_eq(some.keys, "b c ");
	cr_assert_eq(torap_kv_walk(&txn, FIRST, text("b"), see, &one), 77);
	cr_assert_str_eq(one.keys, "b ");
	cr_assert_eq(torap_kv_walk(&txn, FIRST, text("d"), see, &none), 0);
	cr_assert_eq(torap_kv_walk(&txn, SECOND, text(""), see, &none), 0);
	cr_assert_str_eq(none.keys, "");
	torap_kv_abort(&txn);
	torap_kv_close(kv);
}

Test(kv, counts_the_rows_of_a_table)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	struct torap_kv_txn txn;
	uint64_t first = 99, second = 99;
	put(kv, FIRST, "a", "1");
	put(kv, FIRST, "b", "2");
	put(kv, FIRST, "b", "3");
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_kv_count(&txn, FIRST, &first), 0);
	cr_assert_eq(torap_kv_count(&txn, SECOND, &second), 0);
	torap_kv_abort(&txn);
	cr_expect_eq(first, 2);
	cr_expect_eq(second, 0);
	torap_kv_close(kv);
}

Test(kv, finds_the_last_of_a_prefix)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	put(kv, FIRST, "a1", "1");
	put(kv, FIRST, "a2", "2");
	put(kv, FIRST, "c1", "3");
	put(kv, FIRST, "\xff\xff", "4");
	static const struct {
		const char *prefix, *value;
	} cases[] = { { "a", "2" }, { "a1", "1" }, { "b", NULL }, { "c", "3" }, { "", "4" }, { "\xff", "4" },
		{ "0", NULL } };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct torap_bytes key, value;
		int r = torap_kv_last(&txn, FIRST, text(cases[i].prefix), &key, &value);
		if (cases[i].value)
			cr_assert(!r && torap_bytes_equal(value, text(cases[i].value)), "prefix %s",
				cases[i].prefix);
		else
			cr_assert_eq(r, TORAP_KV_MISSING, "prefix %s", cases[i].prefix);
	}
	struct torap_bytes key, value;
	cr_assert_eq(torap_kv_last(&txn, SECOND, text("a"), &key, &value), TORAP_KV_MISSING);
	torap_kv_abort(&txn);
	torap_kv_close(kv);
}

static void key_of(unsigned n, char key[static 16])
{
	snprintf(key, 16, "%08u", n);
}

static int fill_one(struct torap_kv *kv, unsigned n, size_t size)
{
	static const uint8_t zeros[1 << 20];
	char key[16];
	key_of(n, key);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	torap_kv_put(&txn, FIRST, text(key), torap_bytes(zeros, size));
	return torap_kv_commit(&txn, NULL);
}

/* Fills the store to its high mark, again and again: what is kept back must be enough to delete, whatever size the values have. */
Test(kv, says_full_and_takes_again_after_deletions)
{
	static const size_t sizes[] = { 100, 3000, 40000 };
	struct torap_kv *kv = open_store(TINY_MAP_BYTES);
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		for (int round = 0; round < 3; round++) {
			unsigned n = 0;
			int r;
			while (!(r = fill_one(kv, n, sizes[s])))
				n++;
			cr_assert_eq(r, TORAP_KV_FULL);
			cr_assert_geq(n, 10);
			struct torap_kv_size size = torap_kv_size(kv);
			cr_assert_eq(size.map_bytes, TINY_MAP_BYTES);
			cr_assert_leq(size.used_bytes, TINY_MAP_BYTES * TORAP_KV_HIGH_PERCENT / 100);
			for (unsigned i = 0; i < n; i++) {
				struct torap_kv_txn txn;
				char key[16];
				key_of(i, key);
				torap_kv_begin(&txn, kv, true);
				cr_assert_eq(torap_kv_delete(&txn, FIRST, text(key)), 0);
				cr_assert_eq(torap_kv_commit(&txn, NULL), 0, "deletion %u of %u", i, n);
			}
			cr_assert_lt(torap_kv_size(kv).used_bytes, TINY_MAP_BYTES / 4);
		}
	}
	torap_kv_close(kv);
}

/* A put that the map cannot hold at all: the failure must stick, and nothing of the transaction may stay. */
static off_t size_of_data(void)
{
	char path[PATH_MAX + 32];
	struct stat st;
	snprintf(path, sizeof path, "%s/data.mdb", place.dir);
	cr_assert_eq(stat(path, &st), 0);
	return st.st_size;
}

/* What is written ahead stands behind all that is there, and takes what comes. */
Test(kv, writes_blocks_ahead_when_it_has_nothing_to_do)
{
	struct torap_error err;
	struct torap_kv *kv = open_store(MAP_BYTES);
	char key[32];
	put(kv, FIRST, "first", "1");
	off_t before = size_of_data();
	unsigned pieces = 0;
	int r;
	while ((r = torap_kv_idle(kv, &err)) > 0)
		pieces++;
	cr_assert_eq(r, 0, "%s", err.text);
	cr_assert_gt(pieces, 1);
	off_t ahead = size_of_data();
	cr_assert_geq(ahead, before + (512 << 10));
	for (int i = 0; i < 2000; i++) { /* in it, and beyond it */
		snprintf(key, sizeof key, "key %d", i);
		put(kv, SECOND, key, key);
		if (i % 100 == 0)
			cr_assert_geq(torap_kv_idle(kv, &err), 0, "%s", err.text);
	}
	torap_kv_close(kv);
	kv = open_store(MAP_BYTES);
	check(kv, FIRST, "first", "1");
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof key, "key %d", i);
		check(kv, SECOND, key, key);
	}
	torap_kv_close(kv);
}

Test(kv, remembers_its_first_failure)
{
	struct torap_kv *kv = open_store(TINY_MAP_BYTES);
	struct torap_kv_txn txn;
	struct torap_error err;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_kv_put(&txn, FIRST, text("a"), text("1")), 0);
	cr_assert_null(torap_kv_reserve(&txn, FIRST, text("b"), 2 * TINY_MAP_BYTES));
	cr_assert_eq(txn.failure, TORAP_KV_FULL);
	struct torap_bytes value;
	cr_assert_eq(torap_kv_get(&txn, FIRST, text("a"), &value), TORAP_KV_FULL);
	cr_assert_eq(torap_kv_put(&txn, FIRST, text("c"), text("1")), TORAP_KV_FULL);
	cr_assert_eq(torap_kv_delete(&txn, FIRST, text("a")), TORAP_KV_FULL);
	cr_assert_eq(torap_kv_commit(&txn, &err), TORAP_KV_FULL);
	cr_assert(strstr(err.text, place.dir));
	check(kv, FIRST, "a", NULL);
	put(kv, FIRST, "a", "2");
	torap_kv_close(kv);
}

struct reading {
	struct torap_kv *kv;
	atomic_bool over;
	atomic_uint rounds, torn;
};

/* Both tables are always written in one transaction, so a reader that sees them differ has seen half of one. */
static void *read_on(void *hint)
{
	struct reading *reading = hint;
	while (!atomic_load(&reading->over)) {
		struct torap_kv_txn txn;
		struct torap_bytes a, b;
		torap_kv_begin(&txn, reading->kv, false);
		int ra = torap_kv_get(&txn, FIRST, text("n"), &a),
		    rb = torap_kv_get(&txn, SECOND, text("n"), &b);
		if (ra != rb || (!ra && !torap_bytes_equal(a, b)))
			atomic_fetch_add(&reading->torn, 1);
		torap_kv_abort(&txn);
		atomic_fetch_add(&reading->rounds, 1);
	}
	return NULL;
}

Test(kv, shows_readers_whole_transactions_while_one_writes)
{
	struct torap_kv *kv = open_store(MAP_BYTES);
	struct reading reading = { .kv = kv };
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, read_on, &reading), 0);
	for (unsigned n = 0; n < 100 || atomic_load(&reading.rounds) < 100; n++) {
		char value[16];
		key_of(n, value);
		struct torap_kv_txn txn;
		torap_kv_begin(&txn, kv, true);
		torap_kv_put(&txn, FIRST, text("n"), text(value));
		torap_kv_put(&txn, SECOND, text("n"), text(value));
		cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	}
	atomic_store(&reading.over, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(atomic_load(&reading.torn), 0);
	torap_kv_close(kv);
}
