#include <criterion/criterion.h>

#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "base/buffer.h"
#include "base/error.h"
#include "loop/zdealer.h"
#include "loop/zsocket.h"

enum { ROUNDS = 100, PARTS = 20, MESSAGES = 40, PART_SIZE = 20000, SMALL = 4096 };

/* A listener that reads nothing, so that a message is left half written whenever one looks. */
struct deaf {
	void *context, *listener;
	char endpoint[128];
};

static void deaf_init(struct deaf *f)
{
	struct torap_error err;
	struct torap_zsocket_options options = { .buffer_bytes = SMALL };
	f->context = zmq_ctx_new();
	f->listener = torap_zsocket_listen(f->context, "tcp://127.0.0.1:*", &options, &err);
	cr_assert(f->listener, "%s", err.text);
	cr_assert(torap_zsocket_endpoint(f->listener, f->endpoint, sizeof f->endpoint));
}

static void deaf_finish(struct deaf *f)
{
	torap_zsocket_close(f->listener);
	zmq_ctx_term(f->context);
}

static void fill(void *socket)
{
	struct torap_buffer *part = torap_buffer_create(PART_SIZE), *parts[PARTS];
	memset(part->data, 0, part->size);
	for (size_t i = 0; i < PARTS; i++)
		parts[i] = part;
	for (int i = 0; i < MESSAGES; i++)
		cr_assert_eq(torap_zmessage_send(socket, NULL, 0, parts, PARTS), 0);
	torap_buffer_unref(part);
}

/* The peer dies at the very moment in which we hang up, at first before and then after it; and so does the whole process if libzmq is
 * closed with a message half written.  An abort here is libzmq's: "Resource temporarily unavailable (src/session_base.cpp:260)". */
Test(zdealer, outlives_a_peer_that_dies_while_it_is_closed)
{
	struct torap_error err;
	struct torap_zsocket_options options = { .buffer_bytes = SMALL };
	void *context = zmq_ctx_new();
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct deaf deaf;
		struct torap_zdealer *dealer;
		deaf_init(&deaf);
		cr_assert_eq(
			torap_zdealer_open(&dealer, NULL, context, deaf.endpoint, &options, NULL, NULL, &err),
			0);
		fill(torap_zdealer_socket(dealer));
		usleep(2000 + round % 5 * 500);
		if (round % 2)
			torap_zdealer_close(dealer, NULL, NULL);
		deaf_finish(&deaf);
		if (round % 2 == 0)
			torap_zdealer_close(dealer, NULL, NULL);
	}
	zmq_ctx_term(context);
}

/* What was queued for a peer that is hung up on must not reach the next connection. */
Test(zdealer, sends_nothing_more_once_it_is_closed)
{
	struct torap_error err;
	struct torap_zsocket_options options = { .buffer_bytes = SMALL };
	struct torap_zmessage m;
	struct deaf deaf;
	struct torap_zdealer *dealer;
	void *context = zmq_ctx_new();
	deaf_init(&deaf);
	cr_assert_eq(
		torap_zdealer_open(&dealer, NULL, context, deaf.endpoint, &options, NULL, NULL, &err), 0);
	fill(torap_zdealer_socket(dealer));
	zmq_pollitem_t item = { deaf.listener, 0, ZMQ_POLLIN, 0 };
	cr_assert_eq(zmq_poll(&item, 1, 20000), 1);
	cr_assert_eq(torap_zmessage_receive(&m, deaf.listener, true), 0);
	torap_zmessage_finish(&m);
	dealer = torap_zdealer_close(dealer, NULL, NULL);
	zmq_ctx_term(context); /* It is gone. */
	int came = 1;
	while (zmq_poll(&item, 1, 300) == 1 && torap_zmessage_receive(&m, deaf.listener, true) == 0) {
		cr_assert_eq(m.count, PARTS, "a part of a message came");
		torap_zmessage_finish(&m);
		came++;
	}
	cr_assert_lt(came, MESSAGES);
	deaf_finish(&deaf);
}

static void nothing_comes(void *hint, int events)
{
	(void)hint, (void)events;
	cr_assert_fail("nobody sends");
}

static void count(void *hint)
{
	++*(int *)hint;
}

/* A loop that has let go of it must run out, and the caller hear so once; also when nobody ever listened. */
Test(zdealer, leaves_the_loop_when_it_is_closed)
{
	struct torap_error err;
	struct torap_zsocket_options options = { 0 };
	struct torap_zdealer *dealer;
	uv_loop_t loop;
	int closed = 0;
	void *context = zmq_ctx_new();
	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(torap_zdealer_open(&dealer, &loop, context, "tcp://127.0.0.1:1", &options, nothing_comes,
			     NULL, &err),
		0, "%s", err.text);
	uv_run(&loop, UV_RUN_NOWAIT);
	dealer = torap_zdealer_close(dealer, count, &closed);
	cr_assert_null(dealer);
	cr_assert_eq(closed, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(closed, 1);
	torap_zdealer_close(NULL, count, &closed);
	cr_assert_eq(closed, 2);
	cr_assert_eq(uv_loop_close(&loop), 0);
	zmq_ctx_term(context);
}

Test(zdealer, names_the_endpoint_that_it_cannot_dial)
{
	struct torap_error err;
	struct torap_zsocket_options options = { 0 };
	struct torap_zdealer *dealer = NULL;
	static const char *const bad[] = { "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "nonsense",
		"pigeon://x", "" };
	void *context = zmq_ctx_new();
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_lt(torap_zdealer_open(&dealer, NULL, context, bad[i], &options, NULL, NULL, &err),
			0, "%s", bad[i]);
		cr_assert(strstr(err.text, bad[i]), "%s", err.text);
		cr_assert_null(dealer);
	}
	zmq_ctx_term(context);
}
