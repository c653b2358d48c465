/* libuv, the clocks and the log, as a process of ours sees them.  What is defined here stands in front of the libraries. */
#include "sim/process.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "loop/app.h"
#include "loop/clock.h"
#include "loop/wake.h"

enum { PASSES = 4, WORK_US_MAX = 20000 };

enum kind { TIMER, WAKER, WORK, CLOSING };

struct sim_handle {
	struct sim_handle *next;
	enum kind kind;
	void *handle; /* libuv's; NULL once it has run out */
	struct torap_mono at;
	uint64_t repeat_ms;
	bool due; /* of a waker */
	union {
		uv_timer_cb timer;
		void (*waker)(struct torap_wake *wake);
		void (*closed)(void *hint);
	} on;
	uv_work_cb work;
	uv_after_work_cb after;
	void *hint;
};

struct sim_process *sim_here;

static struct sim_process *process_of(const uv_loop_t *loop)
{
	return loop->data;
}

static struct sim_handle *add(struct sim_process *p, enum kind kind, void *handle)
{
	struct sim_handle *h = calloc(1, sizeof *h), **end = &p->handles;
	assert(h);
	h->kind = kind;
	h->handle = handle;
	while (*end)
		end = &(*end)->next;
	*end = h;
	return h;
}

static struct sim_handle *find(struct sim_process *p, const void *handle)
{
	struct sim_handle *h = p->handles;
	while (h && h->handle != handle)
		h = h->next;
	return h;
}

static void sweep(struct sim_process *p)
{
	for (struct sim_handle **at = &p->handles; *at;) {
		struct sim_handle *h = *at;
		if (h->handle) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		free(h);
	}
}

/* --- libuv, and the loop's wakes --- */

int torap_wake_open(struct torap_wake *w, uv_loop_t *loop, void (*on_wake)(struct torap_wake *wake),
	struct torap_error *err)
{
	(void)err;
	w->poll.loop = loop;
	w->on_wake = on_wake;
	add(process_of(loop), WAKER, &w->poll)->on.waker = on_wake;
	return 0;
}

void torap_wake_send(struct torap_wake *w)
{
	struct sim_process *p = process_of(w->poll.loop);
	struct sim_handle *h = find(p, &w->poll);
	if (!w->on_wake)
		sim_fail(p->world, "%s: wakes a loop that it has finished with", p->name);
	if (h)
		h->due = true;
}

void torap_wake_close(struct torap_wake *w, uv_close_cb on_closed)
{
	uv_close((uv_handle_t *)&w->poll, on_closed);
}

void torap_wake_finish(struct torap_wake *w)
{
	struct sim_process *p = w->on_wake ? process_of(w->poll.loop) : NULL;
	if (p && !p->dead && find(p, &w->poll))
		sim_fail(p->world, "%s: has not closed what it has finished with", p->name);
	w->on_wake = NULL;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	timer->loop = loop;
	return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb on, uint64_t timeout_ms, uint64_t repeat_ms)
{
	struct sim_process *p = process_of(timer->loop);
	struct sim_handle *h = find(p, timer);
	if (!h)
		h = add(p, TIMER, timer);
	h->on.timer = on;
	h->repeat_ms = repeat_ms;
	h->at = torap_mono_add_ms(p->world->now, (int64_t)timeout_ms);
	return 0;
}

struct closing {
	uv_handle_t *handle;
	uv_close_cb on_closed;
};

static void on_closed(void *hint)
{
	struct closing c = *(struct closing *)hint;
	free(hint);
	if (c.on_closed)
		c.on_closed(c.handle);
}

void uv_close(uv_handle_t *handle, uv_close_cb closed)
{
	struct sim_process *p = process_of(handle->loop);
	struct sim_handle *h = find(p, handle);
	struct closing *c = malloc(sizeof *c);
	assert(c);
	*c = (struct closing){ handle, closed };
	if (h)
		h->handle = NULL;
	sim_process_later(p, on_closed, c);
}

/* A worker thread has its own time. */
int uv_queue_work(uv_loop_t *loop, uv_work_t *request, uv_work_cb work, uv_after_work_cb after)
{
	struct sim_process *p = process_of(loop);
	struct sim_handle *h = add(p, WORK, request);
	h->work = work;
	h->after = after;
	h->at.us = p->world->now.us + (int64_t)sim_random(p->world, WORK_US_MAX);
	return 0;
}

int uv_run(uv_loop_t *loop, uv_run_mode mode)
{
	(void)mode;
	sim_process_drain(process_of(loop));
	return 0;
}

void sim_process_later(struct sim_process *p, void (*closed)(void *hint), void *hint)
{
	static char nothing;
	struct sim_handle *h = add(p, CLOSING, &nothing);
	h->on.closed = closed;
	h->hint = hint;
}

/* --- one after the other --- */

static bool is_due(const struct sim_process *p, const struct sim_handle *h)
{
	switch (h->kind) {
	case WAKER:
		return h->handle && h->due;
	case CLOSING:
		return h->handle;
	default:
		return h->handle && torap_mono_reached(h->at, p->world->now);
	}
}

static void run(struct sim_process *p, struct sim_handle *h)
{
	void *handle = h->handle;
	switch (h->kind) {
	case TIMER:
		h->at = torap_mono_add_ms(p->world->now, (int64_t)h->repeat_ms);
		if (!h->repeat_ms)
			h->handle = NULL;
		h->on.timer(handle);
		break;
	case WAKER:
		h->due = false;
		h->on.waker(handle);
		break;
	case WORK:
		h->handle = NULL;
		h->work(handle);
		h->after(handle, 0);
		break;
	case CLOSING:
		h->handle = NULL;
		h->on.closed(h->hint);
		break;
	}
}

static bool dies(struct sim_process *p)
{
	return sim_fault(p->world, SIM_CRASH);
}

/* *moved: something ran. */
static bool pass(struct sim_process *p, bool *moved)
{
	/* What a callback adds stands at the end, and none goes before the sweep. */
	for (struct sim_handle *h = p->handles; h; h = h->next) {
		if (!is_due(p, h))
			continue;
		if (dies(p))
			return false;
		run(p, h);
		if (p->dead)
			return false;
		*moved = true;
	}
	sweep(p);
	for (struct sim_socket *s = p->sockets, *next; s; s = next) {
		next = sim_socket_next(s);
		if (!sim_socket_ready(p->world, s))
			continue;
		if (dies(p))
			return false;
		sim_socket_run(s);
		if (p->dead)
			return false;
		*moved = true;
	}
	return true;
}

bool sim_process_step(struct sim_process *p)
{
	bool moved = true, lives = !p->dead;
	sim_here = p;
	for (int i = 0; i < PASSES && moved && lives; i++) {
		moved = false;
		lives = pass(p, &moved);
	}
	if (lives && sim_random(p->world, 3) == 0)
		lives = sim_committer_run(p);
	return lives;
}

void sim_process_drain(struct sim_process *p)
{
	sim_here = p;
	for (bool moved = true; moved;) {
		moved = false;
		for (struct sim_handle *h = p->handles; h; h = h->next) {
			if (!h->handle || (h->kind != WORK && h->kind != CLOSING && !is_due(p, h)))
				continue;
			if (h->kind == TIMER)
				continue;
			run(p, h);
			moved = true;
		}
		sweep(p);
		if (p->committer)
			sim_committer_drop(p);
	}
}

void sim_process_end(struct sim_process *p)
{
	sim_process_drain(p);
	for (struct sim_handle *h = p->handles; h; h = h->next)
		h->handle = NULL;
	sweep(p);
}

/* --- clocks and log --- */

struct torap_mono torap_app_mono(void)
{
	return sim_here->world->now;
}

struct torap_wall torap_app_wall(void)
{
	return (struct torap_wall){ sim_wall(sim_here->world).us + sim_here->clock_off_us };
}

struct torap_app_clock __wrap_torap_app_clock(void);
struct torap_app_clock __wrap_torap_app_clock(void)
{
	return (struct torap_app_clock){ .known = true };
}

void torap_app_stop(struct torap_app *app)
{
	(void)app;
}

void torap_app_fail(struct torap_app *app)
{
	(void)app;
	sim_fail(sim_here->world, "%s gave up", sim_here->name);
}

void torap_log_level(enum torap_log_level least)
{
	(void)least;
}

void torap_log(enum torap_log_level level, const char *id, const char *format, ...)
{
	char line[1024];
	if (!sim_here || !sim_here->world->verbose || level > TORAP_LOG_INFO || sim_here->dead)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	sim_note(sim_here->world, "%s: %s %s", sim_here->name, id, line);
}
