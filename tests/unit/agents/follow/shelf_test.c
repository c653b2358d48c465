#include "agents/follow/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "store/journal.h"
#include "store/kv.h"
#include "tests/unit/lib/store/place.h"

/* Jobs that write a value each, on a disk that is full when the test says so.  What was done, and in which order, is a string of their names.
 *
 * A name in capitals is a job too big for the disk while it is full; in small letters, one that always finds room.  A digit is one that can only
 * follow the digit before it, as a batch does: else it leaves a gap. */

enum { BIG = 9 << 20, SMALL = 100, MAP = 64 << 20 };

static bool disk_full;

int fallocate(int fd, int mode, off_t offset, off_t size)
{
	if (!disk_full)
		return (int)syscall(SYS_fallocate, fd, mode, offset, size);
	errno = ENOSPC;
	return -1;
}

static struct place place;
static struct torap_kv *kv;
static struct torap_committer *committer;
static struct follow_shelf shelf;
static char done[64], dropped[64];
static uint8_t big[BIG];

struct write {
	struct follow_job job;
	char name;
};

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct write *w = (struct write *)job;
	struct torap_bytes key = torap_bytes(&w->name, 1), before;
	bool is_big = w->name >= 'A' && w->name <= 'Z';
	char previous = (char)(w->name - 1);
	if (w->name > '1' && w->name <= '9') {
		int r = torap_kv_get(txn, 0, torap_bytes(&previous, 1), &before);
		if (r)
			return r == TORAP_KV_MISSING ? TORAP_JOURNAL_GAP : r;
	}
	if (w->name == '1')
		is_big = true;
	return torap_kv_put(txn, 0, key, torap_bytes(big, is_big ? BIG : SMALL));
}

static void add(char *to, char name)
{
	size_t size = strlen(to);
	to[size] = name;
	to[size + 1] = '\0';
}

static void on_done(struct follow_job *job, int result)
{
	struct write *w = (struct write *)job;
	add(done, result == 0 ? w->name : '!');
	free(w);
}

static void on_drop(struct follow_job *job)
{
	struct write *w = (struct write *)job;
	add(dropped, w->name);
	free(w);
}

static void submit(const char *names, bool leads)
{
	for (; *names; names++) {
		struct write *w = calloc(1, sizeof *w);
		cr_assert_not_null(w);
		w->name = *names;
		w->job = (struct follow_job){
			.job = { .apply = apply }, .done = on_done, .drop = on_drop, .leads = leads
		};
		follow_shelf_submit(&shelf, &w->job);
	}
}

static void wake(void *hint)
{
	(void)hint;
}

static void settle(void)
{
	while (torap_committer_waiting(committer))
		torap_committer_collect(committer);
}

static void make(void)
{
	static const char *const tables[] = { "values", NULL };
	struct torap_kv_options options = { .tables = tables, .map_size = MAP };
	struct torap_error err;
	place_make(&place);
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
	cr_assert_eq(torap_committer_start(&committer, kv, wake, NULL, &err), 0, "%s", err.text);
	follow_shelf_init(&shelf, committer);
	submit("z", false); /* Something is allocated, for the small ones. */
	settle();
	done[0] = '\0';
	disk_full = true;
}

static void clean(void)
{
	follow_shelf_close(&shelf);
	committer = torap_committer_stop(committer);
	kv = torap_kv_close(kv);
	place_remove(&place);
}

TestSuite(shelf, .init = make, .fini = clean);

Test(shelf, puts_aside_what_finds_no_room_and_all_that_comes_later)
{
	submit("A", false);
	settle();
	cr_assert(follow_shelf_waits(&shelf));
	submit("bc", false);
	settle();
	cr_assert_str_eq(done, "");
	follow_shelf_try(&shelf);
	settle();
	cr_assert_str_eq(done, "");
	disk_full = false;
	follow_shelf_try(&shelf);
	settle();
	cr_assert_str_eq(done, "Abc");
	cr_assert(!follow_shelf_waits(&shelf));
	cr_assert(!follow_shelf_is_behind(&shelf));
}

/* What is under way together with one that finds no room may find some, unless it continues it. */
Test(shelf, keeps_the_order_of_what_was_under_way_together)
{
	submit("a12b3", false);
	settle();
	cr_assert_str_eq(done, "ab");
	submit("4", false);
	settle();
	cr_assert_str_eq(done, "ab");
	cr_assert_eq(((const struct write *)follow_shelf_first(&shelf))->name, '1');
	disk_full = false;
	follow_shelf_try(&shelf);
	settle();
	cr_assert_str_eq(done, "ab1234");
}

Test(shelf, lets_nothing_pass_a_leader_that_is_not_flushed)
{
	submit("L", true);
	submit("ab", false);
	settle();
	cr_assert_str_eq(done, "");
	disk_full = false;
	follow_shelf_try(&shelf);
	settle();
	cr_assert_str_eq(done, "Lab");

	submit("l", true);
	submit("m", true);
	submit("cd", false);
	settle();
	cr_assert_str_eq(done, "Lablmcd");
}

Test(shelf, is_behind_until_all_that_was_put_aside_is_flushed)
{
	submit("AbC", false);
	settle();
	disk_full = false;
	follow_shelf_try(&shelf);
	torap_committer_collect(committer);
	disk_full = true; /* Perhaps too late for C: then it waits again. */
	settle();
	cr_assert_eq(follow_shelf_waits(&shelf), follow_shelf_is_behind(&shelf));
	disk_full = false;
	follow_shelf_try(&shelf);
	settle();
	cr_assert_str_eq(done, "bAC");
	cr_assert(!follow_shelf_is_behind(&shelf));
}

Test(shelf, reports_a_gap_that_no_want_of_room_explains)
{
	submit("7", false);
	settle();
	cr_assert_str_eq(done, "!");
	cr_assert(!follow_shelf_waits(&shelf));
}

Test(shelf, drops_what_waits_when_it_is_closed)
{
	submit("A", false);
	settle();
	submit("b", false);
	follow_shelf_close(&shelf);
	cr_assert_str_eq(dropped, "Ab");
	submit("c", false);
	settle();
	cr_assert_str_eq(dropped, "Abc");
}

Test(shelf, flushes_what_waits_for_a_leader_when_it_is_closed)
{
	submit("l", true);
	submit("ab", false);
	follow_shelf_close(&shelf);
	committer = torap_committer_stop(committer);
	cr_assert_str_eq(done, "lab");
	cr_assert_str_eq(dropped, "");
}
