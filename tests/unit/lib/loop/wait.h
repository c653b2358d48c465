/* Waiting in tests: until a socket has a message.  The limit is only for a broken build. */
#pragma once

#include <criterion/criterion.h>
#include <string.h>
#include <zmq.h>

#include "loop/zdealer.h"
#include "loop/zsocket.h"

enum { WAIT_MS = 20000 };

static inline void wait_receive(struct torap_zmessage *m, void *socket, bool is_router)
{
	zmq_pollitem_t item = { socket, 0, ZMQ_POLLIN, 0 };
	cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1, "nothing came");
	cr_assert_eq(torap_zmessage_receive(m, socket, is_router), 0);
}

/* One frame, from a dialler. */
static inline void send_text(void *dialler, const char *text)
{
	struct torap_buffer *frame = torap_buffer_copy(torap_bytes(text, strlen(text)));
	cr_assert_eq(torap_zmessage_send(dialler, NULL, 0, &frame, 1), 0);
	torap_buffer_unref(frame);
}
