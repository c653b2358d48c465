/* wake.h: a thread tells the loop that it has something for it.
 *
 * Not uv_async_t: its loop waits until uv_async_send() has come back on the other thread (libuv 1.44, uv__async_spin()).  Whoever is woken
 * on the sender's processor stands in its way there, so it spins, gives that processor back, and comes again when the sender sleeps: a
 * committer went on for 0.1 ms with what nobody waited for, while its flushed alarm lay there. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

struct torap_error;

struct torap_wake {
	uv_poll_t poll; /* its data is the owner's */
	int fd;
	atomic_bool sent; /* and not heard yet */
	void (*on_wake)(struct torap_wake *wake);
};

/* on_wake runs on the loop, once for all that was sent until then.  Fails (negative errno) without a descriptor. */
int torap_wake_open(struct torap_wake *w, uv_loop_t *loop, void (*on_wake)(struct torap_wake *wake),
	struct torap_error *err);
/* Any thread. */
void torap_wake_send(struct torap_wake *w);
/* On the loop.  What is sent from now on is heard by nobody.  on_closed, which may be NULL, is given `poll`. */
void torap_wake_close(struct torap_wake *w, uv_close_cb on_closed);
/* From torap_wake_close() on, when nobody sends any more.  Nothing, for one that is all zero. */
void torap_wake_finish(struct torap_wake *w);
