#include "loop/wake.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct torap_wake *w = (struct torap_wake *)poll;
	(void)status;
	(void)events;
	eventfd_t count;
	int r = eventfd_read(w->fd, &count);
	assert(!r || errno == EAGAIN); /* What else can be wrong with an eventfd of one's own? */
	atomic_store(&w->sent, false); /* Before on_wake looks: what comes now is told anew. */
	w->on_wake(w);
}

int torap_wake_open(struct torap_wake *w, uv_loop_t *loop, void (*on_wake)(struct torap_wake *wake),
	struct torap_error *err)
{
	atomic_init(&w->sent, false);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return torap_errorf(err, -errno, "cannot wake the loop: %s", strerror(errno));
	int r = uv_poll_init(loop, &w->poll, w->fd);
	if (r) {
		close(w->fd);
		return torap_errorf(err, r, "cannot wake the loop: %s", uv_strerror(r));
	}
	r = uv_poll_start(&w->poll, UV_READABLE, on_readable);
	assert(r == 0); /* It can only be told that somebody else watches the descriptor. */
	w->on_wake = on_wake;
	return 0;
}

void torap_wake_send(struct torap_wake *w)
{
	if (atomic_exchange(&w->sent, true))
		return;
	int r = eventfd_write(w->fd, 1);
	assert(r == 0); /* It would take 2^64 of them. */
}

void torap_wake_close(struct torap_wake *w, uv_close_cb on_closed)
{
	uv_close((uv_handle_t *)&w->poll, on_closed);
}

void torap_wake_finish(struct torap_wake *w)
{
	if (w->on_wake)
		close(w->fd);
	w->on_wake = NULL;
	w->fd = -1; /* Whoever sends all the same hits no stranger's descriptor. */
}
