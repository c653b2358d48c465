#include "agents/follow/output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "agents/follow/line.h"
#include "agents/follow/mended.h"
#include "store/committer.h"
#include "tests/unit/agents/follow/received.h"

/* A child receives batches and writes them to a file, and dies at its n-th write or flush, for n = 0, 1, 2… until it lives to the
 * end.  After each death another child goes on.  Whatever n was, each event must be in the file exactly once, in order.
 *
 * Writes and flushes are caught by our own definitions of the C library's functions, LMDB's included; a write that is the last one
 * is half done. */

enum { BATCHES = 6, EVENTS = 3, DIED = 9 };

static long long steps_left = -1; /* -1: no plan */

/* In the file of the output a write beyond a place, or a flush, fails so many times. */
static struct {
	off_t beyond; /* 0: flushes fail */
	int code, times;
} failing;

static bool dies_now(void)
{
	return steps_left >= 0 && __atomic_fetch_sub(&steps_left, 1, __ATOMIC_SEQ_CST) == 0;
}

static bool is_output(int fd);

static bool fails_now(int fd)
{
	if (failing.times == 0 || !is_output(fd))
		return false;
	failing.times--;
	errno = failing.code;
	return true;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
	bool dies = dies_now();
	if (failing.beyond && at >= failing.beyond && fails_now(fd))
		return -1;
	if (failing.times && at < failing.beyond && at + (off_t)size > failing.beyond && is_output(fd))
		size = (size_t)(failing.beyond - at);
	ssize_t n = syscall(SYS_pwrite64, fd, bytes, dies ? size / 2 : size, at);
	if (dies)
		_exit(DIED);
	return n;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
	if (dies_now())
		_exit(DIED);
	return syscall(SYS_pwritev, fd, parts, count, at, 0);
}

int fdatasync(int fd)
{
	if (dies_now())
		_exit(DIED);
	if (!failing.beyond && fails_now(fd))
		return -1;
	return (int)syscall(SYS_fdatasync, fd);
}

static struct received t;
static struct torap_batch *batches[BATCHES];
/* What is received, in this order.  In a test of late frames the second batch comes without its open frame, and again, full, after the
 * fourth. */
static struct torap_batch *script[BATCHES + 1], *lacking;
static int script_count;
enum { LACKING = 1, COMES_AGAIN_AT = 4 };
static char path[PATH_MAX + 16];

static bool is_output(int fd)
{
	struct stat a, b;
	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void make(void)
{
	received_make(&t);
	for (int i = 0; i < BATCHES; i++)
		script[i] = batches[i] = received_seal(&t, EVENTS);
	script_count = BATCHES;
	lacking = NULL;
	received_close(&t);
	snprintf(path, sizeof path, "%s/out", t.place.root);
}

static void clean(void)
{
	for (int i = 0; i < BATCHES; i++)
		torap_batch_destroy(batches[i]);
	lacking = torap_batch_destroy(lacking);
	unlink(path);
	received_remove(&t);
}

TestSuite(output, .init = make, .fini = clean);

/* A subscriber without its network. */
struct receiver {
	uv_loop_t loop;
	uv_async_t committed;
	struct torap_committer *committer;
	struct follow_output *output;
	struct torap_commit_job job;
	int next; /* of the script */
	bool ended;
	char why[TORAP_ERROR_TEXT_MAX];
};

static struct receiver receiver;

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	(void)job;
	return follow_store_append(txn, script[receiver.next], sealed_at, 1);
}

static void receive_next(void);

static void on_received(struct torap_commit_job *job, int result)
{
	(void)job;
	assert(result == (lacking && receiver.next == COMES_AGAIN_AT ? TORAP_JOURNAL_MERGED : 0));
	receiver.next++;
	receive_next();
}

static void receive_next(void)
{
	if (receiver.next >= script_count)
		return;
	receiver.job = (struct torap_commit_job){ .apply = apply, .done = on_received };
	torap_committer_submit(receiver.committer, &receiver.job);
}

static void on_committed(uv_async_t *async)
{
	(void)async;
	torap_committer_collect(receiver.committer);
	if (receiver.output)
		follow_output_wake(receiver.output);
}

static void wake(void *hint)
{
	(void)hint;
	uv_async_send(&receiver.committed);
}

static void on_closed(void *hint)
{
	(void)hint;
	receiver.committer = torap_committer_stop(receiver.committer);
	uv_close((uv_handle_t *)&receiver.committed, NULL);
}

static void on_end(void *hint, const char *why)
{
	(void)hint;
	snprintf(receiver.why, sizeof receiver.why, "%s", why ? why : "");
	receiver.ended = true;
	struct follow_output *o = receiver.output;
	receiver.output = NULL;
	follow_output_close(o, on_closed, NULL);
}

static uint64_t lines_in(const char *file)
{
	uint64_t lines = 0;
	FILE *f = fopen(file, "r");
	for (int c; f && (c = getc(f)) != EOF;)
		lines += c == '\n';
	if (f)
		fclose(f);
	return lines;
}

/* Goes on receiving after the last batch that is stored. */
static void load_cursor(void)
{
	struct torap_kv_txn txn;
	struct follow_cursor c;
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	torap_kv_begin(&txn, t.kv, false);
	bool is_hole = false;
	int r = follow_store_cursor(&txn, &stream, &c);
	follow_hole_has(&txn, &stream, LACKING + 1, &is_hole);
	torap_kv_abort(&txn);
	receiver.next = r ? 0 : (int)c.at.next_batch - 1;
	if (lacking && receiver.next >= COMES_AGAIN_AT && !is_hole)
		receiver.next++;
}

static void (*before_run)(void); /* on the loop that run() has made; then lines are long */

/* A few lines fill a pipe. */
static void render_long(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line)
{
	char text[1024];
	(void)hint;
	(void)stream;
	snprintf(text, sizeof text, "{\"seq\":%-1000u}\n", (unsigned)event->seq);
	torap_write_bytes(line, torap_bytes(text, strlen(text)));
}

/* Runs until `count` events were printed (0: until something fails).  With a file, or with a descriptor. */
static int run(const char *file, int descriptor, uint64_t count)
{
	struct torap_error err;
	receiver = (struct receiver){ 0 };
	received_open(&t);
	uv_loop_init(&receiver.loop);
	uv_async_init(&receiver.loop, &receiver.committed, on_committed);
	if (torap_committer_start(&receiver.committer, t.kv, wake, NULL, &err))
		return -1;
	load_cursor();
	if (before_run)
		before_run();
	struct follow_output_options options = {
		.file = file,
		.descriptor = descriptor,
		.count_max = count,
		.render = before_run ? render_long : follow_line_json,
		.on_end = on_end,
	};
	int r = follow_output_open(
		&receiver.output, &receiver.loop, t.kv, receiver.committer, &options, &err);
	if (r) {
		snprintf(receiver.why, sizeof receiver.why, "%s", err.text);
		on_closed(NULL);
	} else {
		receive_next();
	}
	uv_run(&receiver.loop, UV_RUN_DEFAULT);
	uv_loop_close(&receiver.loop);
	received_close(&t);
	return r;
}

/* How many events are in the file for good. */
static uint64_t committed_lines(void)
{
	received_open(&t);
	struct torap_kv_txn txn;
	struct torap_bytes prefix = torap_bytes("length/", 7), key, value;
	torap_kv_begin(&txn, t.kv, false);
	uint64_t lines = 0, length = 0;
	if (torap_kv_last(&txn, FOLLOW_META, prefix, &key, &value) == 0) {
		struct torap_reader r = torap_reader(value);
		length = torap_read_u64(&r);
	}
	torap_kv_abort(&txn);
	received_close(&t);
	FILE *f = length ? fopen(path, "r") : NULL;
	for (int c; f && length-- && (c = getc(f)) != EOF;)
		lines += c == '\n';
	if (f)
		fclose(f);
	return lines;
}

static int run_and_die_at(long long step)
{
	pid_t child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		uint64_t left = BATCHES * EVENTS - committed_lines();
		steps_left = step;
		_exit(left == 0 || run(path, -1, left) == 0 ? 0 : 1);
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "the child was killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void check_file(const char *file, const char *when)
{
	FILE *f = fopen(file, "r");
	cr_assert_not_null(f);
	char line[2048];
	unsigned seq = 0;
	bool seen[BATCHES * EVENTS + 1] = { false };
	while (fgets(line, sizeof line, f)) {
		unsigned got;
		const char *at = strstr(line, "\"seq\":");
		cr_assert(at && sscanf(at, "\"seq\":%u", &got) == 1 && line[strlen(line) - 1] == '\n',
			"%s: no whole line: %s", when, line);
		seq++;
		cr_assert(got <= BATCHES * EVENTS && !seen[got], "%s: %u is there twice", when, got);
		seen[got] = true;
		if (!lacking)
			cr_assert_eq(got, seq, "%s: %u stands where %u is due", when, got, seq);
	}
	fclose(f);
	cr_assert_eq(seq, BATCHES * EVENTS, "%s: %u events", when, seq);
}

static void begin_anew(void)
{
	char name[PATH_MAX + 32];
	unlink(path);
	snprintf(name, sizeof name, "%s/data.mdb", t.place.dir);
	unlink(name);
	snprintf(name, sizeof name, "%s/lock.mdb", t.place.dir);
	unlink(name);
	received_open(&t);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_store_put_trust(&txn, 3, torap_buffer_bytes(t.signed_trust)), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	received_close(&t);
}

static void die_at_each_step(void)
{
	int deaths = 0;
	for (long long step = 0;; step++) {
		char when[64];
		snprintf(when, sizeof when, "death at step %lld", step);
		begin_anew();
		int status = run_and_die_at(step);
		if (status == DIED) {
			deaths++;
			status = run_and_die_at(-1);
		}
		cr_assert_eq(status, 0, "%s: %d", when, status);
		check_file(path, when);
		if (deaths != step + 1)
			break; /* It lived: there are no further steps. */
	}
	cr_assert_gt(deaths, BATCHES, "each batch is at least one flush");
}

Test(output, has_each_event_in_the_file_once_whichever_step_it_dies_at)
{
	die_at_each_step();
}

static void make_lacking(void)
{
	lacking = torap_batch_clone(batches[LACKING]);
	lacking->frames[0] = torap_buffer_unref(lacking->frames[0]);
	lacking->omissions[0] = TORAP__OMISSION_REASON__OMISSION_DAMAGED;
	script[LACKING] = lacking;
	for (int i = BATCHES; i > COMES_AGAIN_AT; i--)
		script[i] = batches[i - 1];
	script[COMES_AGAIN_AT] = batches[LACKING];
	script_count = BATCHES + 1;
}

/* The second batch cannot be shown until it has come again, between two others that can: then once, wherever it dies. */
Test(output, shows_once_what_comes_later_whichever_step_it_dies_at, .timeout = 120)
{
	make_lacking();
	die_at_each_step();
}

/* A merge before anything was written: the output begins when all is there, and shows nothing twice. */
Test(output, that_begins_after_the_merge_shows_it_in_its_place)
{
	make_lacking();
	received_open(&t);
	for (int i = 0; i < script_count; i++)
		cr_assert_eq(received_append(&t, script[i]), i == COMES_AGAIN_AT ? TORAP_JOURNAL_MERGED : 0);
	received_close(&t);
	lacking = torap_batch_destroy(lacking); /* In order, then. */
	script_count = 0;
	receiver.next = 0;
	cr_assert_eq(run(path, -1, BATCHES * EVENTS), 0);
	check_file(path, "after the merge");
	script_count = BATCHES;
}

/* Not only one death: again and again, each a few steps after the last. */
Test(output, has_each_event_in_the_file_once_after_many_deaths)
{
	for (long long step = 3; step < 9; step++) {
		int status;
		begin_anew();
		for (int tries = 0; (status = run_and_die_at(step + tries / 4)) == DIED; tries++)
			cr_assert_lt(tries, 200);
		cr_assert_eq(status, 0);
		check_file(path, "many deaths");
	}
}

Test(output, stops_after_the_count_in_the_middle_of_a_batch_and_goes_on_there)
{
	cr_assert_eq(run(path, -1, 4), 0);
	cr_assert_eq(lines_in(path), 4);
	cr_assert_eq(run(path, -1, BATCHES * EVENTS - 4), 0);
	check_file(path, "two runs");
}

Test(output, does_not_repeat_on_a_descriptor_after_a_clean_stop)
{
	char first[PATH_MAX + 32];
	snprintf(first, sizeof first, "%s/first", t.place.root);
	for (int i = 0; i < 2; i++) {
		int fd = open(first, O_WRONLY | O_CREAT | O_APPEND, 0600);
		cr_assert_eq(run(NULL, fd, BATCHES * EVENTS / 2), 0);
		close(fd);
	}
	check_file(first, "two runs");
	unlink(first);
}

/* Reads one byte of a pipe that is full, asks for the stop, and reads on only when the output was told. */
static struct {
	int from, to;
	uv_async_t stop;
	sem_t told;
} slow;

static void on_stop(uv_async_t *async)
{
	struct follow_output *o = receiver.output;
	uv_close((uv_handle_t *)async, NULL);
	receiver.output = NULL;
	receiver.ended = true;
	follow_output_close(o, on_closed, NULL);
	sem_post(&slow.told);
}

static void *read_slowly(void *hint)
{
	char bytes[4096];
	ssize_t n = read(slow.from, bytes, 1);
	(void)hint;
	uv_async_send(&slow.stop);
	sem_wait(&slow.told);
	do
		assert(write(slow.to, bytes, (size_t)n) == n);
	while ((n = read(slow.from, bytes, sizeof bytes)) > 0);
	return NULL;
}

static void begin_slowly(void)
{
	uv_async_init(&receiver.loop, &slow.stop, on_stop);
}

Test(output, says_whole_lines_to_a_reader_when_it_is_stopped_and_none_again)
{
	int ends[2];
	pthread_t reader;
	cr_assert_eq(pipe(ends), 0);
	cr_assert_geq(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
	slow.from = ends[0];
	slow.to = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	sem_init(&slow.told, 0, 0);
	received_open(&t);
	for (int i = 0; i < BATCHES; i++)
		cr_assert_eq(received_append(&t, batches[i]), 0);
	received_close(&t);
	before_run = begin_slowly;
	cr_assert_eq(pthread_create(&reader, NULL, read_slowly, NULL), 0);
	cr_assert_eq(run(NULL, ends[1], 0), 0);
	close(ends[1]);
	pthread_join(reader, NULL);
	close(ends[0]);
	before_run = NULL;
	uint64_t lines = lines_in(path);
	cr_assert_gt(lines, 4, "the pipe held more");
	if (lines < BATCHES * EVENTS)
		cr_assert_eq(run(NULL, slow.to, BATCHES * EVENTS - lines), 0);
	close(slow.to);
	check_file(path, "a stop and a restart");
}

Test(output, says_so_when_nobody_reads_any_more)
{
	int ends[2];
	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(pipe(ends), 0);
	close(ends[0]);
	cr_assert_eq(run(NULL, ends[1], 0), 0);
	cr_assert_not_null(strstr(receiver.why, "closed"), "%s", receiver.why);
	close(ends[1]);
}

Test(output, refuses_a_file_that_it_did_not_write)
{
	FILE *f = fopen(path, "w");
	fputs("mine\n", f);
	fclose(f);
	cr_assert_lt(run(path, -1, 1), 0);
	cr_assert_not_null(strstr(receiver.why, "did not write"), "%s", receiver.why);
}

Test(output, refuses_a_file_that_lost_something)
{
	cr_assert_eq(run(path, -1, 4), 0);
	cr_assert_eq(truncate(path, 10), 0);
	cr_assert_lt(run(path, -1, 1), 0);
	cr_assert_not_null(strstr(receiver.why, "was changed"), "%s", receiver.why);
}

Test(output, cuts_what_was_written_and_not_committed)
{
	cr_assert_eq(run(path, -1, 4), 0);
	FILE *f = fopen(path, "a");
	fputs("{\"seq\":5,\"half", f);
	fclose(f);
	cr_assert_eq(run(path, -1, BATCHES * EVENTS - 4), 0);
	check_file(path, "after the cut");
}

Test(output, goes_on_in_a_new_file_when_the_old_one_was_moved_away)
{
	cr_assert_eq(run(path, -1, 4), 0);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(run(path, -1, 2), 0);
	cr_assert_eq(lines_in(path), 2);
	cr_assert_eq(run(path, -1, 1), 0);
	cr_assert_eq(lines_in(path), 3);
}

/* The file system is full in the middle of a line, and has room again after some tries. */
Test(output, waits_for_room_and_has_each_event_in_the_file_once)
{
	failing.beyond = 700;
	failing.code = ENOSPC;
	failing.times = 3;
	cr_assert_eq(run(path, -1, BATCHES * EVENTS), 0);
	cr_assert_eq(failing.times, 0);
	check_file(path, "after a full disk");
}

/* A file system may find only at the flush that it has no room. */
Test(output, waits_for_room_that_a_flush_did_not_find)
{
	failing.code = EDQUOT;
	failing.times = 2;
	cr_assert_eq(run(path, -1, BATCHES * EVENTS), 0);
	cr_assert_eq(failing.times, 0);
	check_file(path, "after a full disk");
}

Test(output, ends_when_its_disk_fails)
{
	failing.beyond = 700;
	failing.code = EIO;
	failing.times = 1;
	cr_assert_eq(run(path, -1, BATCHES * EVENTS), 0);
	cr_assert_not_null(strstr(receiver.why, "cannot be written"), "%s", receiver.why);
	cr_assert_lt(lines_in(path), BATCHES * EVENTS);
}

/* Stopped while it waits, it goes on where the file is known to be whole. */
static void stop_soon(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
	on_end(NULL, "stopped");
}

static void begin_to_stop(void)
{
	static uv_timer_t timer;
	uv_timer_init(&receiver.loop, &timer);
	uv_timer_start(&timer, stop_soon, 1500, 0);
}

Test(output, stopped_while_it_waits_for_room_goes_on_after_a_start)
{
	failing.beyond = 700;
	failing.code = ENOSPC;
	failing.times = 1000;
	before_run = begin_to_stop;
	cr_assert_eq(run(path, -1, BATCHES * EVENTS), 0);
	before_run = NULL;
	cr_assert_str_eq(receiver.why, "stopped");
	failing.times = 0;
	cr_assert_eq(run(path, -1, BATCHES * EVENTS - committed_lines()), 0);
	cr_assert_eq(lines_in(path), BATCHES * EVENTS);
}
