#include "store/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/error.h"
#include "store/committer.h"
#include "store/kv_env.h"
#include "tests/unit/lib/store/place.h"

static const char *const tables[] = { "first", "second", NULL };
enum {
	FIRST,
	SECOND,
	MAP_BYTES = 16 << 20,
	REDO_BYTES = 64 << 10,
	A_RECORD_AT = 100, /* somewhere in what was written */
	DIED = 3,
};

static struct place place;
static struct torap_kv *kv;

static void make(void)
{
	place_make(&place);
}

static void clean(void)
{
	kv = torap_kv_close(kv);
	place_remove(&place);
}

TestSuite(kv_redo, .init = make, .fini = clean);

static void open_store(bool read_only)
{
	struct torap_error err;
	struct torap_kv_options options = {
		.tables = tables, .map_size = MAP_BYTES, .redo = true, .read_only = read_only
	};
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
}

static void reopen(void)
{
	kv = torap_kv_close(kv);
	open_store(false);
}

static struct torap_bytes text(const char *s)
{
	return torap_bytes(s, strlen(s));
}

static void put(struct torap_kv_txn *txn, unsigned table, const char *key, const char *value)
{
	cr_assert_eq(torap_kv_put(txn, table, text(key), text(value)), 0);
}

/* Urgent, with a panic button in it. */
static void begin_panic(struct torap_kv_txn *txn, const char *where)
{
	torap_kv_begin(txn, kv, true);
	torap_kv_urgent(txn);
	put(txn, FIRST, "panic", where);
}

static void put_one(const char *key, const char *value)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	put(&txn, FIRST, key, value);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

static bool holds(unsigned table, const char *key, const char *value)
{
	struct torap_kv_txn txn;
	struct torap_bytes found;
	torap_kv_begin(&txn, kv, false);
	int r = torap_kv_get(&txn, table, text(key), &found);
	bool same = value ? r == 0 && torap_bytes_equal(found, text(value)) : r == TORAP_KV_MISSING;
	torap_kv_abort(&txn);
	return same;
}

/* --- a process that dies when it has told, and before LMDB has it --- */

static int put_and_delete(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	(void)job;
	put(txn, SECOND, "panic", "school 7");
	put(txn, FIRST, "cursor", "12");
	put(txn, FIRST, "cursor", "13");
	return torap_kv_delete(txn, FIRST, text("unsealed"));
}

static void never(struct torap_commit_job *job, int result)
{
	(void)job, (void)result;
}

static void die(void *hint)
{
	(void)hint;
	_exit(DIED);
}

static void tell_and_die(void)
{
	fflush(NULL);
	pid_t child = fork();
	if (!child) {
		static struct torap_commit_job job = {
			.apply = put_and_delete, .done = never, .urgent = true
		};
		struct torap_committer *committer;
		open_store(false);
		if (torap_committer_start(&committer, kv, die, NULL, NULL))
			_exit(1);
		torap_committer_submit(committer, &job);
		for (;;)
			pause();
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == DIED);
}

static void fill(void)
{
	open_store(false);
	put_one("cursor", "11");
	put_one("unsealed", "a row");
	kv = torap_kv_close(kv);
}

static bool is_as_before(void)
{
	return holds(FIRST, "cursor", "11") && holds(FIRST, "unsealed", "a row") &&
	       holds(SECOND, "panic", NULL);
}

static bool is_as_told(void)
{
	return holds(FIRST, "cursor", "13") && holds(FIRST, "unsealed", NULL) &&
	       holds(SECOND, "panic", "school 7");
}

Test(kv_redo, what_was_told_before_its_commit_is_there_after_the_next_start)
{
	fill();
	tell_and_die();
	open_store(true);
	cr_assert(is_as_before(), "LMDB had it: then this test shows nothing");
	reopen();
	cr_assert(is_as_told());
	reopen();
	cr_assert(is_as_told());
}

static void files_end_at(rlim_t bytes)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Nothing of it may be forgotten because there is no room for it just now. */
Test(kv_redo, without_room_for_what_was_told_the_store_stays_closed)
{
	struct torap_error err;
	struct torap_kv_options options = { .tables = tables, .map_size = MAP_BYTES, .redo = true };
	fill();
	tell_and_die();
	signal(SIGXFSZ, SIG_IGN);
	files_end_at(8192);
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), -ENOSPC);
	cr_assert(strstr(err.text, "what was acknowledged last"), "%s", err.text);
	files_end_at(RLIM_INFINITY);
	open_store(false);
	cr_assert(is_as_told());
}

/* Blocks are given beyond what a file may hold; then nobody is told before the commit knows. */
Test(kv_redo, near_the_end_of_what_a_file_may_hold_nobody_is_told_too_soon)
{
	fill();
	open_store(false);
	signal(SIGXFSZ, SIG_IGN);
	files_end_at(64 << 10);
	struct torap_kv_txn txn;
	begin_panic(&txn, "school 7");
	cr_assert_not(torap_kv_redo(&txn));
	int r = torap_kv_commit(&txn, NULL);
	cr_assert(r == 0 || r == TORAP_KV_FULL, "%d", r);
	files_end_at(RLIM_INFINITY);
	begin_panic(&txn, "school 8");
	cr_assert(torap_kv_redo(&txn));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

/* Reads it, or puts this in its place. */
static void redo_file(uint8_t bytes[static REDO_BYTES], bool write_it)
{
	char path[PATH_MAX + 16];
	snprintf(path, sizeof path, "%s/redo", place.dir);
	int fd = open(path, O_RDWR);
	ssize_t n = write_it ? pwrite(fd, bytes, REDO_BYTES, 0) : pread(fd, bytes, REDO_BYTES, 0);
	cr_assert(n > A_RECORD_AT, "%zd bytes", n);
	close(fd);
}

Test(kv_redo, a_record_that_is_not_whole_means_nothing)
{
	static uint8_t bytes[REDO_BYTES];
	fill();
	tell_and_die();
	redo_file(bytes, false);
	bytes[A_RECORD_AT] ^= 1;
	redo_file(bytes, true);
	open_store(false);
	cr_assert(is_as_before());
	put_one("cursor", "12");
	cr_assert(holds(FIRST, "cursor", "12"));
}

Test(kv_redo, a_record_of_the_past_means_nothing)
{
	static uint8_t bytes[REDO_BYTES];
	fill();
	tell_and_die();
	redo_file(bytes, false);
	open_store(false);
	put_one("cursor", "14");
	kv = torap_kv_close(kv);
	redo_file(bytes, true);
	open_store(false);
	cr_assert(holds(FIRST, "cursor", "14"));
}

Test(kv_redo, a_record_of_another_store_means_nothing)
{
	static uint8_t bytes[REDO_BYTES];
	fill();
	tell_and_die();
	redo_file(bytes, false);
	place_remove(&place);
	place_make(&place);
	fill(); /* as many transactions */
	redo_file(bytes, true);
	open_store(false);
	cr_assert(is_as_before());
}

/* --- who tells, who waits --- */

Test(kv_redo, what_is_too_large_waits_for_its_commit)
{
	static uint8_t large[REDO_BYTES];
	open_store(false);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	torap_kv_urgent(&txn);
	torap_kv_put(&txn, FIRST, text("picture"), torap_bytes(large, sizeof large));
	cr_assert_not(torap_kv_redo(&txn));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	torap_kv_begin(&txn, kv, true);
	torap_kv_urgent(&txn);
	for (uint32_t i = 0; i < REDO_BYTES / 8; i++)
		torap_kv_delete(&txn, FIRST, torap_bytes(&i, sizeof i));
	put(&txn, FIRST, "many", "keys");
	cr_assert_not(torap_kv_redo(&txn));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	cr_assert(holds(FIRST, "many", "keys"));
}

Test(kv_redo, what_is_not_urgent_waits_for_its_commit)
{
	open_store(false);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	put(&txn, FIRST, "motion", "gate");
	cr_assert_not(torap_kv_redo(&txn));
	torap_kv_abort(&txn);
}

/* As on btrfs: what was allocated is no promise. */
Test(kv_redo, where_room_is_no_promise_nobody_is_told_too_soon)
{
	open_store(false);
	kv->room.writes_elsewhere = true;
	struct torap_kv_txn txn;
	begin_panic(&txn, "school 7");
	cr_assert_not(torap_kv_redo(&txn));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

struct look {
	atomic_int thread; /* 0: it has not begun */
	atomic_bool over;
	bool seen;
};

static void *look_for_panic(void *hint)
{
	struct look *look = hint;
	atomic_store(&look->thread, (int)gettid());
	look->seen = holds(FIRST, "panic", "school 7");
	atomic_store(&look->over, true);
	return NULL;
}

/* As the kernel has it. */
static bool sleeps(int thread)
{
	char path[64], state = 0;
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	int fields = fscanf(f, "%*d (%*[^)]) %c", &state);
	fclose(f);
	return fields == 1 && state == 'S';
}

Test(kv_redo, who_reads_sees_what_was_told)
{
	open_store(false);
	struct torap_kv_txn txn;
	begin_panic(&txn, "school 7");
	cr_assert(torap_kv_redo(&txn));
	pthread_t thread;
	struct look look = { 0 };
	cr_assert_eq(pthread_create(&thread, NULL, look_for_panic, &look), 0);
	while (!atomic_load(&look.over) && !(atomic_load(&look.thread) && sleeps(atomic_load(&look.thread))))
		sched_yield();
	cr_assert_not(atomic_load(&look.over), "it did not wait for the commit");
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	pthread_join(thread, NULL);
	cr_assert(look.seen);
}

/* A disk without room for it, and a file that cannot be one. */
static void put_in_its_place(const char *target)
{
	char path[PATH_MAX + 16];
	fill();
	snprintf(path, sizeof path, "%s/redo", place.dir);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink(target, path), 0);
}

Test(kv_redo, without_room_for_it_the_store_goes_on)
{
	put_in_its_place("/dev/full");
	open_store(false);
	struct torap_kv_txn txn;
	begin_panic(&txn, "school 7");
	cr_assert_not(torap_kv_redo(&txn));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	cr_assert(holds(FIRST, "panic", "school 7"));
}

Test(kv_redo, a_file_that_cannot_be_read_keeps_the_store_closed)
{
	struct torap_error err;
	struct torap_kv_options options = { .tables = tables, .map_size = MAP_BYTES, .redo = true };
	put_in_its_place("/");
	cr_assert_lt(torap_kv_open(&kv, place.dir, &options, &err), 0);
	cr_assert(strstr(err.text, "store/redo: cannot open: Is a directory"), "%s", err.text);
}
