#include "agents/follow/output.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/follow/output_file.h"
#include "agents/follow/printed.h"
#include "agents/follow/rendering.h"
#include "agents/follow/store.h"
#include "base/error.h"
#include "loop/low_latency.h"
#include "store/committer.h"

enum {
	COMMIT_MS = 1000, /* positions of a descriptor */
	POLL_MS = 100,
	IDLE_POLLS_MAX = 10, /* of a reader that takes nothing, while we are to stop */
};

/* Answers of the commit's apply: the file could not be written, or has no room; nothing was changed. */
enum { OUTPUT_FAILED = 40, OUTPUT_FULL };

struct follow_output {
	struct torap_kv *kv;
	struct torap_committer *committer;
	struct follow_output_options options;
	char name[FOLLOW_OUTPUT_NAME_SIZE]; /* in the store */
	int fd;                             /* of a file: owned */
	bool is_file;
	uint64_t length; /* of the file, committed */

	struct follow_rendering rendering; /* the worker's while it works, else the loop's */
	bool chunk_full;
	int failure;

	uv_work_t work;
	uv_timer_t timer;
	struct torap_commit_job job;
	bool working, committing, again, ended, closing;
	bool dirty;                   /* positions that are not committed yet */
	enum follow_output_want want; /* of a commit: it is tried again at the next tick */
	atomic_bool stopping;
	atomic_int descriptor_code; /* the worker's: it waits for room */
	char why[TORAP_ERROR_TEXT_MAX];
	void (*on_closed)(void *hint);
	void *on_closed_hint;
};

static void go_on(struct follow_output *o);

/* The worker: reads, renders, and writes to a descriptor. */

/* Small writes after poll() never block, so a reader that is stuck cannot hold up the stop; one that reads gets whole lines, and
 * none of them again. */
static int write_descriptor(struct follow_output *o)
{
	const uint8_t *at = o->rendering.chunk.data, *end = at + o->rendering.chunk.size;
	int idle = 0;
	while (at < end) {
		struct pollfd p = { .fd = o->options.descriptor, .events = POLLOUT };
		int n = poll(&p, 1, POLL_MS);
		if (n == 0 && atomic_load(&o->stopping) && ++idle >= IDLE_POLLS_MAX)
			return -ECANCELED;
		if (n == 0 || (n < 0 && errno == EINTR))
			continue;
		idle = 0;
		size_t most = (size_t)(end - at) < 4096 ? (size_t)(end - at) : 4096;
		ssize_t written = write(o->options.descriptor, at, most);
		if (written < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (written < 0 && torap_error_is_room(errno)) {
			atomic_store(&o->descriptor_code, errno);
			if (atomic_load(&o->stopping))
				return -ECANCELED;
			poll(NULL, 0, POLL_MS);
			continue;
		}
		if (written < 0)
			return torap_errorf(
				&o->rendering.why, -errno, "the output is closed: %s", strerror(errno));
		atomic_store(&o->descriptor_code, 0);
		at += written;
	}
	return 0;
}

static void on_work(uv_work_t *work)
{
	struct follow_output *o = work->data;
	torap_low_latency_behind(true);
	int r = follow_rendering_chunk(&o->rendering);
	o->chunk_full = r > 0;
	if (r >= 0 && !o->is_file)
		r = write_descriptor(o);
	o->failure = r < 0 ? r : 0;
	torap_low_latency_behind(false);
}

/* The commit: on the committer's thread. */

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct follow_output *o = (struct follow_output *)((char *)job - offsetof(struct follow_output, job));
	const struct torap_writer *chunk = &o->rendering.chunk;
	if (o->is_file && chunk->size) {
		/* At its place, so that doing it twice is doing it once. */
		int r = follow_output_file_write(
			o->fd, o->length, torap_bytes(chunk->data, chunk->size), &o->rendering.why);
		if (r)
			return r == FOLLOW_OUTPUT_FILE_FULL ? OUTPUT_FULL : OUTPUT_FAILED;
		r = follow_printed_put_length(txn, o->name, o->length + chunk->size);
		if (r)
			return r;
	}
	return follow_rendering_put(&o->rendering, txn);
}

static void end(struct follow_output *o, const char *why)
{
	if (o->ended)
		return;
	o->ended = true;
	o->options.on_end(o->options.hint, why);
}

static void end_when_counted(struct follow_output *o)
{
	if (o->options.count_max && o->rendering.events >= o->options.count_max)
		end(o, NULL);
}

static void take_chunk(struct follow_output *o)
{
	o->length += o->rendering.chunk.size;
	follow_rendering_written(&o->rendering);
}

static void on_done(struct torap_commit_job *job, int result)
{
	struct follow_output *o = (struct follow_output *)((char *)job - offsetof(struct follow_output, job));
	o->committing = false;
	o->want = result == OUTPUT_FULL     ? FOLLOW_OUTPUT_WANTS_DISK
		  : result == TORAP_KV_FULL ? FOLLOW_OUTPUT_WANTS_STORE
					    : FOLLOW_OUTPUT_WANTS_NOTHING;
	if (result == OUTPUT_FAILED) {
		end(o, o->rendering.why.text);
	} else if (o->want) {
		snprintf(o->why, sizeof o->why, "%s", o->rendering.why.text);
	} else {
		if (o->is_file)
			take_chunk(o);
		follow_rendering_kept(&o->rendering);
		o->dirty = false;
		end_when_counted(o);
	}
	go_on(o);
}

static void commit(struct follow_output *o)
{
	o->committing = true;
	o->job = (struct torap_commit_job){ .apply = apply, .done = on_done };
	torap_committer_submit(o->committer, &o->job);
}

/* The loop. */

static void on_worked(uv_work_t *work, int status)
{
	struct follow_output *o = work->data;
	(void)status;
	o->working = false;
	o->again |= o->chunk_full;
	if (o->failure) {
		follow_rendering_lost(&o->rendering);
		if (o->failure != -ECANCELED)
			end(o, o->rendering.why.text);
	} else if (o->is_file && o->rendering.chunk.size) {
		commit(o);
		return;
	} else {
		/* Written already, or batches that hold no line: the positions can wait. */
		o->dirty |= follow_rendering_moved(&o->rendering);
		take_chunk(o);
		end_when_counted(o);
	}
	go_on(o);
}

static void on_timer_closed(uv_handle_t *timer)
{
	struct follow_output *o = timer->data;
	void (*on_closed)(void *hint) = o->on_closed;
	void *hint = o->on_closed_hint;
	if (o->is_file)
		close(o->fd);
	follow_rendering_finish(&o->rendering);
	free(o);
	if (on_closed)
		on_closed(hint);
}

/* One thing at a time: a worker's round, a commit, or nothing. */
static void go_on(struct follow_output *o)
{
	if (o->working || o->committing)
		return;
	if (o->closing) {
		if (o->want) {
			/* What found no room is written after the next start. */
			follow_rendering_lost(&o->rendering);
			o->dirty = false;
		}
		if (o->dirty) {
			o->dirty = false;
			commit(o);
			return;
		}
		if (!uv_is_closing((uv_handle_t *)&o->timer))
			uv_close((uv_handle_t *)&o->timer, on_timer_closed);
		return;
	}
	if (!o->again || o->ended || o->want)
		return;
	o->again = false;
	o->working = true;
	o->chunk_full = false;
	int r = uv_queue_work(o->timer.loop, &o->work, on_work, on_worked);
	assert(r == 0); /* fails for a NULL callback only */
}

void follow_output_wake(struct follow_output *o)
{
	o->again = true;
	go_on(o);
}

static void on_timer(uv_timer_t *timer)
{
	struct follow_output *o = timer->data;
	if ((o->dirty || o->want) && !o->working && !o->committing && !o->ended)
		commit(o);
}

int follow_output_open(struct follow_output **out, uv_loop_t *loop, struct torap_kv *kv,
	struct torap_committer *committer, const struct follow_output_options *options,
	struct torap_error *err)
{
	struct follow_output *o = calloc(1, sizeof *o);
	if (!o)
		return torap_errorf(err, -ENOMEM, "out of memory");
	o->kv = kv;
	o->committer = committer;
	o->options = *options;
	o->is_file = options->file != NULL;
	o->fd = -1;
	snprintf(o->name, sizeof o->name, "descriptor");
	if (o->is_file) {
		int r = follow_output_file_open(&o->fd, o->name, &o->length, kv, options->file, err);
		if (r) {
			free(o);
			return r;
		}
	}
	o->rendering = (struct follow_rendering){ .kv = kv,
		.output = o->name,
		.count_max = options->count_max,
		.render = options->render,
		.hint = options->hint };
	o->work.data = o;
	uv_timer_init(loop, &o->timer);
	o->timer.data = o;
	uv_timer_start(&o->timer, on_timer, COMMIT_MS, COMMIT_MS);
	*out = o;
	follow_output_wake(o);
	return 0;
}

void follow_output_close(struct follow_output *o, void (*on_closed)(void *hint), void *hint)
{
	if (!o) {
		if (on_closed)
			on_closed(hint);
		return;
	}
	o->closing = true;
	atomic_store(&o->stopping, true);
	o->on_closed = on_closed;
	o->on_closed_hint = hint;
	go_on(o);
}

enum follow_output_want follow_output_want(const struct follow_output *o)
{
	return atomic_load(&o->descriptor_code) ? FOLLOW_OUTPUT_WANTS_DISK : o->want;
}

const char *follow_output_why(const struct follow_output *o)
{
	int code = atomic_load(&o->descriptor_code);
	return code ? strerror(code) : o->why;
}

uint64_t follow_output_events(const struct follow_output *o)
{
	return o->rendering.events;
}
