/* connection.h: a DEALER on the loop.  Private to the carrier. */
#pragma once

#include <uv.h>

#include "loop/zloop.h"

struct torap_error;
struct torap_zsocket_options;

struct node_connection {
	void *socket;
	struct torap_zloop *watcher;
};

/* NULL on failure. */
struct node_connection *node_connection_open(uv_loop_t *loop, void *context, const char *endpoint,
	const struct torap_zsocket_options *options, torap_zloop_ready on_ready, void *hint,
	struct torap_error *err);
/* Nothing is heard of it any more; it frees itself when the loop has let go of it.  Accepts NULL.  Returns NULL. */
struct node_connection *node_connection_close(struct node_connection *c);
