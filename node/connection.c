#include "node/connection.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "loop/zsocket.h"

struct node_connection *node_connection_open(uv_loop_t *loop, void *context, const char *endpoint,
	const struct torap_zsocket_options *options, torap_zloop_ready on_ready, void *hint,
	struct torap_error *err)
{
	struct node_connection *c = calloc(1, sizeof *c);
	if (!c) {
		torap_errorf(err, -ENOMEM, "%s: out of memory", endpoint);
		return NULL;
	}
	c->socket = torap_zsocket_dial(context, endpoint, options, err);
	if (c->socket && torap_zloop_watch(&c->watcher, loop, c->socket, on_ready, hint, err) == 0)
		return c;
	torap_zsocket_close(c->socket);
	free(c);
	return NULL;
}

static void on_closed(void *hint)
{
	struct node_connection *c = hint;
	torap_zsocket_close(c->socket);
	free(c);
}

struct node_connection *node_connection_close(struct node_connection *c)
{
	if (c)
		torap_zloop_close(c->watcher, on_closed, c);
	return NULL;
}
