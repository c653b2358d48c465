#include "store/committer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/wait.h>

#include "base/error.h"
#include "store/kv.h"
#include "tests/unit/lib/store/place.h"

static const char *const tables[] = { "first", NULL };
enum { FIRST, MAP_BYTES = 16 << 20, TINY_MAP_BYTES = 1 << 20, JOBS = 200, OWN_ANSWER = 42 };

static struct place place;
static struct torap_kv *kv;
static struct torap_committer *committer;
static atomic_uint wakes;
static unsigned done_count;

static void wake(void *hint)
{
	cr_assert_eq(hint, &wakes);
	atomic_fetch_add(&wakes, 1);
}

static void open_all(size_t map_size)
{
	struct torap_error err;
	struct torap_kv_options options = { .tables = tables, .map_size = map_size, .redo = true };
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
	cr_assert_eq(torap_committer_start(&committer, kv, wake, &wakes, &err), 0, "%s", err.text);
}

static void make(void)
{
	place_make(&place);
}

static void clean(void)
{
	committer = torap_committer_stop(committer);
	kv = torap_kv_close(kv);
	place_remove(&place);
}

TestSuite(committer, .init = make, .fini = clean);

struct job {
	struct torap_commit_job base;
	uint32_t key;
	size_t size; /* of the value to put */
	bool remove;
	int answer;            /* that apply gives instead of writing */
	pthread_mutex_t *gate; /* apply waits here */
	unsigned applied;
	bool is_done, was_stored; /* at `done`, as a reader sees it */
	unsigned place_done;
	int result;
	struct job *then; /* submitted by done */
};

static struct torap_bytes key_bytes(const struct job *job)
{
	return torap_bytes(&job->key, sizeof job->key);
}

static int apply(struct torap_commit_job *base, struct torap_kv_txn *txn)
{
	struct job *job = (struct job *)base;
	job->applied++;
	if (job->gate) {
		pthread_mutex_lock(job->gate);
		pthread_mutex_unlock(job->gate);
	}
	if (job->answer)
		return job->answer;
	if (job->remove)
		return torap_kv_delete(txn, FIRST, key_bytes(job));
	void *room = torap_kv_reserve(txn, FIRST, key_bytes(job), job->size);
	if (room)
		memset(room, 7, job->size);
	return txn->failure;
}

static bool stored(const struct job *job)
{
	struct torap_kv_txn txn;
	struct torap_bytes value;
	torap_kv_begin(&txn, kv, false);
	int r = torap_kv_get(&txn, FIRST, key_bytes(job), &value);
	torap_kv_abort(&txn);
	return r == 0;
}

static void on_done(struct torap_commit_job *base, int result)
{
	struct job *job = (struct job *)base;
	cr_assert(!job->is_done, "done twice");
	job->is_done = true;
	job->was_stored = stored(job);
	job->place_done = done_count++;
	job->result = result;
	if (job->then)
		torap_committer_submit(committer, &job->then->base);
}

static void submit(struct job *job, uint32_t key, size_t size)
{
	job->base.apply = apply;
	if (!job->base.done)
		job->base.done = on_done;
	job->key = key;
	job->size = size;
	torap_committer_submit(committer, &job->base);
}

static void collect_all(void)
{
	while (torap_committer_waiting(committer)) {
		torap_committer_collect(committer);
		usleep(500);
	}
}

/* `done` must see its write in a transaction of its own, so the commit was over; and the jobs must come in their order. */
Test(committer, is_done_in_the_order_of_submission_and_after_the_flush)
{
	open_all(MAP_BYTES);
	static struct job jobs[JOBS];
	for (uint32_t i = 0; i < JOBS; i++)
		submit(&jobs[i], i, 100);
	collect_all();
	for (uint32_t i = 0; i < JOBS; i++) {
		cr_assert(jobs[i].is_done && jobs[i].result == 0 && jobs[i].was_stored, "job %u", i);
		cr_assert_eq(jobs[i].place_done, i);
		cr_assert_eq(jobs[i].applied, 1);
	}
	cr_assert_geq(atomic_load(&wakes), 1);
}

/* The gate holds the first commit open while the others are submitted: they must then share one transaction, so
 * the loop is woken at most twice: for them, and for the first if the thread had taken it already. */
Test(committer, commits_together_what_waits_together)
{
	open_all(MAP_BYTES);
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&gate);
	struct job first = { .gate = &gate };
	static struct job jobs[JOBS];
	submit(&first, JOBS, 100);
	for (uint32_t i = 0; i < JOBS; i++)
		submit(&jobs[i], i, 100);
	cr_assert_eq(torap_committer_collect(committer), 0);
	pthread_mutex_unlock(&gate);
	collect_all();
	cr_assert_leq(atomic_load(&wakes), 2);
	for (uint32_t i = 0; i < JOBS; i++)
		cr_assert(jobs[i].is_done && jobs[i].was_stored);
}

/* Those that waited before it go on after it. */
Test(committer, does_first_what_is_urgent)
{
	open_all(MAP_BYTES);
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&gate);
	struct job first = { .gate = &gate }, slow = { 0 }, urgent = { .base.urgent = true },
		   more = { .base.urgent = true };
	submit(&first, 1, 100);
	submit(&slow, 2, 100);
	submit(&urgent, 3, 100);
	submit(&more, 4, 100000); /* too much for the short way */
	pthread_mutex_unlock(&gate);
	collect_all();
	cr_assert(urgent.was_stored && more.was_stored && slow.was_stored && first.was_stored);
	cr_assert_lt(urgent.place_done, more.place_done);
	cr_assert_lt(more.place_done, slow.place_done);
}

static bool saw_other_writes;

static int apply_alone(struct torap_commit_job *base, struct torap_kv_txn *txn)
{
	struct job *job = (struct job *)base;
	saw_other_writes = txn->puts > 0;
	torap_kv_frees(txn);
	return apply(&job->base, txn);
}

/* Around it are jobs that wait with it: what it may use of the room that is kept back, they may not. */
Test(committer, runs_a_job_alone_that_wants_to_be)
{
	open_all(TINY_MAP_BYTES);
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	static struct job jobs[JOBS];
	for (uint32_t i = 0; i < JOBS; i++)
		submit(&jobs[i], i, 10000);
	collect_all();
	cr_assert_eq(jobs[JOBS - 1].result, TORAP_KV_FULL);

	pthread_mutex_lock(&gate);
	struct job first = { .gate = &gate }, before = { 0 }, alone = { .base.alone = true }, after = { 0 };
	submit(&first, JOBS, 10);
	submit(&before, JOBS + 1, 10000);
	alone.base.done = on_done;
	alone.base.apply = apply_alone;
	alone.key = JOBS + 2;
	alone.size = 10000;
	torap_committer_submit(committer, &alone.base);
	submit(&after, JOBS + 3, 10000);
	pthread_mutex_unlock(&gate);
	collect_all();
	cr_assert_not(saw_other_writes);
	cr_assert(alone.result == 0 && alone.was_stored);
	cr_assert(before.result == TORAP_KV_FULL && after.result == TORAP_KV_FULL);
	cr_assert_lt(before.place_done, alone.place_done);
	cr_assert_lt(alone.place_done, after.place_done);
}

Test(committer, hands_on_an_answer_of_the_job_without_undoing_others)
{
	open_all(MAP_BYTES);
	struct job before = { 0 }, refuser = { .answer = OWN_ANSWER }, after = { 0 };
	submit(&before, 1, 100);
	submit(&refuser, 2, 100);
	submit(&after, 3, 100);
	collect_all();
	cr_assert_eq(refuser.result, OWN_ANSWER);
	cr_assert(before.was_stored && !refuser.was_stored && after.was_stored);
}

/* One job can never fit.  Those around it, in the same group, must be stored all the same, in order. */
Test(committer, lets_nobody_suffer_for_a_job_that_does_not_fit)
{
	open_all(TINY_MAP_BYTES);
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&gate);
	struct job first = { .gate = &gate }, before = { 0 }, huge = { 0 }, after = { 0 };
	submit(&first, 1, 100);
	submit(&before, 2, 100);
	submit(&huge, 3, 2 * TINY_MAP_BYTES);
	submit(&after, 4, 100);
	pthread_mutex_unlock(&gate);
	collect_all();
	cr_assert_eq(huge.result, TORAP_KV_FULL);
	cr_assert(!huge.was_stored);
	cr_assert(first.result == 0 && before.result == 0 && after.result == 0);
	cr_assert(before.was_stored && after.was_stored);
	cr_assert_lt(before.place_done, huge.place_done);
	cr_assert_lt(huge.place_done, after.place_done);
}

/* Fills the store by groups until it is full, then deletes and writes in one group. */
Test(committer, goes_on_after_full_when_deletions_made_room)
{
	open_all(TINY_MAP_BYTES);
	static struct job jobs[JOBS];
	for (uint32_t i = 0; i < JOBS; i++)
		submit(&jobs[i], i, 10000);
	collect_all();
	unsigned taken = 0;
	for (uint32_t i = 0; i < JOBS; i++) {
		cr_assert(jobs[i].result == 0 || jobs[i].result == TORAP_KV_FULL);
		cr_assert_eq(jobs[i].was_stored, jobs[i].result == 0);
		taken += jobs[i].result == 0;
	}
	cr_assert(taken > 20 && taken < JOBS);

	static struct job removals[20];
	for (uint32_t i = 0; i < 20; i++) {
		removals[i].remove = true;
		submit(&removals[i], i, 0);
	}
	collect_all();
	struct job again = { 0 };
	submit(&again, JOBS, 10000);
	collect_all();
	cr_assert(again.result == 0 && again.was_stored);
}

Test(committer, commits_on_stop_what_was_submitted_even_by_the_last_done)
{
	open_all(MAP_BYTES);
	struct job last = { .base = { .apply = apply, .done = on_done }, .key = 2, .size = 100 };
	struct job first = { .then = &last };
	submit(&first, 1, 100);
	committer = torap_committer_stop(committer);
	cr_assert(first.was_stored && last.was_stored);
	cr_assert_null(torap_committer_stop(NULL));
}

static void give_up(struct torap_commit_job *job, int result)
{
	(void)job;
	(void)result;
	_exit(1);
}

/* Puts something that cannot be written in the place of the store's data file. */
static bool break_data_file(void)
{
	char path[PATH_MAX], target[PATH_MAX];
	bool broken = false;
	int useless = open("/dev/null", O_RDONLY);
	for (int fd = 3; fd < 256; fd++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t size = readlink(path, target, sizeof target - 1);
		if (size < 0)
			continue;
		target[size] = 0;
		if (strstr(target, "/data.mdb"))
			broken |= dup2(useless, fd) == fd;
	}
	return broken;
}

static int exit_status_of(void (*act)(void))
{
	fflush(NULL);
	pid_t child = fork();
	if (!child) {
		int quiet = open("/dev/null", O_WRONLY);
		dup2(quiet, STDERR_FILENO);
		act();
		for (;;)
			pause();
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void fail_a_write(void)
{
	static struct job failing = { .base.done = give_up, .answer = -EIO };
	open_all(MAP_BYTES);
	submit(&failing, 1, 100);
	collect_all();
}

static void fail_a_flush(void)
{
	static struct job good, lost = { .base.done = give_up };
	open_all(MAP_BYTES);
	submit(&good, 1, 100);
	collect_all();
	if (good.result || !break_data_file())
		_exit(2);
	submit(&lost, 2, 100);
	collect_all();
}

/* Nobody may be told `done` after a write that failed for any reason but room.  Tried in processes of their own. */
Test(committer, ends_the_process_when_a_write_fails)
{
	cr_assert_eq(exit_status_of(fail_a_write), 70);
}

Test(committer, ends_the_process_when_a_flush_fails_and_keeps_what_was_before)
{
	cr_assert_eq(exit_status_of(fail_a_flush), 70);
	open_all(MAP_BYTES);
	struct job before = { .key = 1 }, lost = { .key = 2 };
	cr_assert(stored(&before));
	cr_assert(!stored(&lost));
}
