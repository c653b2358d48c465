#include "bench/line.h"

#include <signal.h>

#include "base/error.h"
#include "base/memory.h"
#include "bench/samples.h"
#include "zmtp/turn.h"

static void on_message(void *hint, struct torap_buffer **frames, size_t count)
{
	struct bench_line *l = hint;
	l->came = true;
	l->on_message(l->hint, frames, count);
}

static void on_open(void *hint)
{
	(void)hint; /* What was said goes by itself. */
}

static void on_gone(void *hint, const char *why, bool strange)
{
	const struct bench_line *l = hint;
	(void)strange;
	bench_fail("%s: %s", l->endpoint, why);
}

void bench_line_dial(struct bench_line *l, const char *endpoint, const struct torap_zmtp_dial_options *keys,
	void (*on_message_here)(void *hint, struct torap_buffer **frames, size_t count), void *hint)
{
	struct torap_zmtp_dial_options options = *keys;
	struct torap_error err;
	*l = (struct bench_line){ .endpoint = endpoint, .on_message = on_message_here, .hint = hint };
	torap_memory_keep();
	signal(SIGPIPE, SIG_IGN); /* Whoever is gone is told by on_gone. */
	if (uv_loop_init(&l->loop) || uv_timer_init(&l->loop, &l->timer))
		bench_fail("cannot make a loop");
	l->timer.data = l;
	if (torap_zmtp_turn_create(&l->turn, &l->loop, &err))
		bench_fail("%s", err.text);
	options.turn = l->turn;
	options.on_message = on_message;
	options.on_open = on_open;
	options.on_gone = on_gone;
	options.hint = l;
	if (torap_zmtp_dial(&l->dialler, endpoint, &options, &err))
		bench_fail("%s", err.text);
}

void bench_line_say(struct bench_line *l, struct torap_buffer *const *frames, size_t count)
{
	if (!torap_zmtp_say(l->dialler, frames, count))
		bench_fail("%s takes nothing any more", l->endpoint);
}

static void on_over(uv_timer_t *timer)
{
	struct bench_line *l = timer->data;
	l->over = true;
}

void bench_line_wait(struct bench_line *l, uint64_t ms)
{
	l->came = l->over = false;
	uv_update_time(&l->loop);
	uv_timer_start(&l->timer, on_over, ms, 0);
	while (!l->came && !l->over)
		uv_run(&l->loop, UV_RUN_ONCE);
}

void bench_line_hang_up(struct bench_line *l)
{
	torap_zmtp_hang_up(l->dialler);
	torap_zmtp_turn_close(l->turn);
	uv_close((uv_handle_t *)&l->timer, NULL);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	uv_loop_close(&l->loop);
}
