/* line.h: a connection (zmtp/dialler.h) of a program that does one thing after the other, on a loop of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/buffer.h"
#include "zmtp/dialler.h"

struct bench_line {
	uv_loop_t loop;
	uv_timer_t timer;
	struct torap_zmtp_turn *turn;
	struct torap_zmtp_dialler *dialler;
	const char *endpoint;
	void (*on_message)(void *hint, struct torap_buffer **frames, size_t count);
	void *hint;
	bool came, over;
};

/* Keys as in zmtp/dialler.h, or all NULL; they are borrowed for the call, and the endpoint as long as the line is.  What cannot be done, and
 * the end of the connection, end the program.  The frames are borrowed. */
void bench_line_dial(struct bench_line *l, const char *endpoint, const struct torap_zmtp_dial_options *keys,
	void (*on_message)(void *hint, struct torap_buffer **frames, size_t count), void *hint);
/* Leaves with the next waiting. */
void bench_line_say(struct bench_line *l, struct torap_buffer *const *frames, size_t count);
/* Until something has come, at most so long; on_message is called from here. */
void bench_line_wait(struct bench_line *l, uint64_t ms);
void bench_line_hang_up(struct bench_line *l);
