#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "base/error.h"
#include "wait.h"
#include "tests/kit/temporary.h"

/* A listener and a dialler without keys, connected. */
struct link {
	void *context, *listener, *dialler;
	struct torap_zdealer *dealer; /* the dialler's owner */
	char endpoint[128];
};

static void link_init(struct link *l, const char *endpoint)
{
	struct torap_error err;
	struct torap_zsocket_options options = { .buffer_bytes = 64 << 10 };
	l->context = zmq_ctx_new();
	l->listener = torap_zsocket_listen(l->context, endpoint, &options, &err);
	cr_assert(l->listener, "%s", err.text);
	cr_assert(torap_zsocket_endpoint(l->listener, l->endpoint, sizeof l->endpoint));
	cr_assert_eq(
		torap_zdealer_open(&l->dealer, NULL, l->context, l->endpoint, &options, NULL, NULL, &err), 0,
		"%s", err.text);
	l->dialler = torap_zdealer_socket(l->dealer);
}

static void link_finish(struct link *l)
{
	torap_zdealer_close(l->dealer, NULL, NULL);
	torap_zsocket_close(l->listener);
	zmq_ctx_term(l->context);
}

static struct torap_buffer *pattern(size_t size, uint8_t first)
{
	struct torap_buffer *b = torap_buffer_create(size);
	for (size_t i = 0; i < size; i++)
		b->data[i] = (uint8_t)(first + i * 7);
	return b;
}

/* Sizes on both sides of every way to carry a frame: empty, inside the message, copied, shared, large; and NULL. */
Test(zsocket, carries_frames_of_every_size_unchanged_in_both_directions)
{
	static const size_t sizes[] = { 0, 1, 33, 34, 1024, 1025, 8192, 70000, 1 << 20 };
	enum { SIZES = sizeof sizes / sizeof sizes[0] };
	struct torap_buffer *frames[SIZES + 1];
	for (size_t i = 0; i < SIZES; i++)
		frames[i] = pattern(sizes[i], (uint8_t)i);
	frames[SIZES] = NULL;

	struct link l;
	link_init(&l, "tcp://127.0.0.1:*");
	struct torap_zmessage there, back;
	cr_assert_eq(torap_zmessage_send(l.dialler, NULL, 0, frames, SIZES + 1), 0);
	wait_receive(&there, l.listener, true);
	cr_assert_eq(there.count, SIZES + 1);
	cr_assert_gt(there.peer_size, 0);
	cr_assert_eq(
		torap_zmessage_send(l.listener, there.peer, there.peer_size, there.frames, there.count), 0);
	wait_receive(&back, l.dialler, false);
	cr_assert_eq(back.count, SIZES + 1);
	cr_assert_eq(back.peer_size, 0);
	for (size_t i = 0; i < SIZES; i++)
		cr_assert(
			torap_bytes_equal(torap_buffer_bytes(back.frames[i]), torap_buffer_bytes(frames[i])));
	cr_assert_eq(back.frames[SIZES]->size, 0);

	torap_zmessage_finish(&there);
	torap_zmessage_finish(&back);
	for (size_t i = 0; i < SIZES; i++)
		torap_buffer_unref(frames[i]);
	link_finish(&l);
}

static atomic_int released;

static void on_release(void *hint)
{
	free(hint);
	atomic_fetch_add(&released, 1);
}

/* One buffer for a hundred messages: alive while any is on its way, and gone once all are. */
Test(zsocket, shares_a_large_frame_and_lets_go_of_it_once)
{
	enum { COPIES = 100, SIZE = 50000 };
	atomic_store(&released, 0);
	uint8_t *bytes = calloc(1, SIZE);
	struct torap_buffer *frame = torap_buffer_wrap(bytes, SIZE, on_release, bytes);
	struct link l;
	link_init(&l, "tcp://127.0.0.1:*");
	for (int i = 0; i < COPIES; i++)
		cr_assert_eq(torap_zmessage_send(l.dialler, NULL, 0, &frame, 1), 0);
	torap_buffer_unref(frame);
	for (int i = 0; i < COPIES; i++) {
		struct torap_zmessage m;
		wait_receive(&m, l.listener, true);
		cr_assert_eq(m.frames[0]->size, SIZE);
		torap_zmessage_finish(&m);
	}
	link_finish(&l);
	cr_assert_eq(atomic_load(&released), 1);
}

Test(zsocket, has_nothing_to_receive_from_a_silent_peer)
{
	struct link l;
	struct torap_zmessage m;
	link_init(&l, "tcp://127.0.0.1:*");
	cr_assert_eq(torap_zmessage_receive(&m, l.listener, true), TORAP_ZSOCKET_NONE);
	cr_assert_eq(torap_zmessage_receive(&m, l.dialler, false), TORAP_ZSOCKET_NONE);
	link_finish(&l);
}

/* A raw peer sends what our own never would; the next good message is received all the same. */
Test(zsocket, drops_a_message_of_too_many_frames_whole)
{
	struct link l;
	struct torap_zmessage m;
	link_init(&l, "tcp://127.0.0.1:*");
	for (int i = 0; i < TORAP_ZMESSAGE_FRAMES_MAX; i++)
		cr_assert_eq(zmq_send(l.dialler, "a", 1, ZMQ_SNDMORE), 1);
	cr_assert_eq(zmq_send(l.dialler, "last", 4, 0), 4);
	for (int i = 0; i < TORAP_ZMESSAGE_FRAMES_MAX - 1; i++)
		cr_assert_eq(zmq_send(l.dialler, "b", 1, ZMQ_SNDMORE), 1);
	cr_assert_eq(zmq_send(l.dialler, "good", 4, 0), 4);

	zmq_pollitem_t item = { l.listener, 0, ZMQ_POLLIN, 0 };
	cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1);
	cr_assert_eq(torap_zmessage_receive(&m, l.listener, true), TORAP_ZSOCKET_BAD);
	wait_receive(&m, l.listener, true);
	cr_assert_eq(m.count, TORAP_ZMESSAGE_FRAMES_MAX);
	cr_assert_eq(memcmp(m.frames[m.count - 1]->data, "good", 4), 0);
	torap_zmessage_finish(&m);
	link_finish(&l);
}

/* A peer may choose its routing id, and libzmq allows 255 bytes. */
Test(zsocket, drops_what_a_peer_with_an_oversized_routing_id_sends)
{
	struct link l;
	struct torap_zmessage m;
	link_init(&l, "tcp://127.0.0.1:*");
	void *odd = zmq_socket(l.context, ZMQ_DEALER);
	char id[200];
	memset(id, 'i', sizeof id);
	int zero = 0;
	zmq_setsockopt(odd, ZMQ_LINGER, &zero, sizeof zero);
	zmq_setsockopt(odd, ZMQ_ROUTING_ID, id, sizeof id);
	cr_assert_eq(zmq_connect(odd, l.endpoint), 0);
	cr_assert_eq(zmq_send(odd, "hello", 5, 0), 5);
	zmq_pollitem_t item = { l.listener, 0, ZMQ_POLLIN, 0 };
	cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1);
	cr_assert_eq(torap_zmessage_receive(&m, l.listener, true), TORAP_ZSOCKET_BAD);
	cr_assert_eq(torap_zmessage_receive(&m, l.listener, true), TORAP_ZSOCKET_NONE);
	zmq_close(odd);
	link_finish(&l);
}

Test(zsocket, says_that_an_unknown_peer_is_gone)
{
	struct link l;
	link_init(&l, "tcp://127.0.0.1:*");
	struct torap_buffer *frames[] = { pattern(10, 0), pattern(5000, 0) };
	cr_assert_eq(
		torap_zmessage_send(l.listener, (const uint8_t *)"nobody", 6, frames, 2), TORAP_ZSOCKET_GONE);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(frames[1]);
	link_finish(&l);
}

/* With IMMEDIATE, libzmq aborts when a connection is cut while a multipart message is read (fq.cpp: !_more), mostly within the first
 * hundred cuts of this kind. */
Test(zsocket, outlives_connections_that_are_cut_in_the_middle_of_messages)
{
	struct link l;
	struct torap_zmessage m;
	link_init(&l, "tcp://127.0.0.1:*");
	enum { PARTS = 9, CUTS = 60 };
	struct torap_buffer *hello = pattern(4, 0), *parts[PARTS];
	for (size_t i = 0; i < PARTS; i++)
		parts[i] = pattern(4, (uint8_t)i);
	for (int cut = 0; cut < CUTS; cut++) {
		zmq_pollitem_t item = { l.listener, 0, ZMQ_POLLIN, 0 };
		do /* A hello may go down with the connection that was cut. */
			cr_assert_eq(torap_zmessage_send(l.dialler, NULL, 0, &hello, 1), 0);
		while (zmq_poll(&item, 1, 50) == 0);
		cr_assert_eq(torap_zmessage_receive(&m, l.listener, true), 0);
		for (int i = 0; i < 200; i++)
			if (torap_zmessage_send(l.listener, m.peer, m.peer_size, parts, PARTS) != 0)
				break;
		torap_zsocket_drop(torap_zdealer_fd(l.dealer));
		torap_zmessage_finish(&m);
		while (torap_zmessage_receive(&m, l.dialler, false) == 0) {
			cr_assert_eq(m.count, PARTS);
			torap_zmessage_finish(&m);
		}
	}
	for (size_t i = 0; i < PARTS; i++)
		torap_buffer_unref(parts[i]);
	torap_buffer_unref(hello);
	link_finish(&l);
}

/* The peer does not read: its pipe must fill, say so, and hold no part of what was refused. */
Test(zsocket, refuses_a_whole_message_when_the_pipe_is_full)
{
	struct link l;
	struct torap_zmessage m;
	link_init(&l, "tcp://127.0.0.1:*");
	struct torap_buffer *frames[] = { pattern(4, 1), pattern(20000, 2), pattern(4, 3) };
	int sent = 0;
	while (torap_zmessage_send(l.dialler, NULL, 0, frames, 3) == 0)
		cr_assert_lt(++sent, 100000, "the pipe has no end");
	cr_assert_gt(sent, 0);
	for (int i = 0; i < sent; i++) {
		wait_receive(&m, l.listener, true);
		cr_assert_eq(m.count, 3);
		cr_assert_eq(m.frames[1]->size, 20000);
		torap_zmessage_finish(&m);
	}
	for (size_t i = 0; i < 3; i++)
		torap_buffer_unref(frames[i]);
	link_finish(&l);
}

/* The dialler comes back by itself, over another connection, as another peer; the old peer is gone. */
Test(zsocket, drops_one_connection_and_the_dialler_comes_back)
{
	struct link l;
	struct torap_zmessage first, second;
	link_init(&l, "tcp://127.0.0.1:*");
	send_text(l.dialler, "one");
	wait_receive(&first, l.listener, true);
	torap_zsocket_drop(torap_zdealer_fd(l.dealer));
	torap_zsocket_drop(-1);

	struct torap_buffer *frame = pattern(10, 0);
	zmq_pollitem_t items[] = { { l.listener, 0, ZMQ_POLLIN, 0 } };
	do
		(void)torap_zmessage_send(l.dialler, NULL, 0, &frame, 1);
	while (zmq_poll(items, 1, 20) == 0);
	wait_receive(&second, l.listener, true);
	cr_assert(
		first.peer_size != second.peer_size || memcmp(first.peer, second.peer, first.peer_size) != 0);
	cr_assert_eq(
		torap_zmessage_send(l.listener, first.peer, first.peer_size, &frame, 1), TORAP_ZSOCKET_GONE);
	cr_assert_eq(torap_zmessage_send(l.listener, second.peer, second.peer_size, &frame, 1), 0);
	torap_buffer_unref(frame);
	torap_zmessage_finish(&first);
	torap_zmessage_finish(&second);
	link_finish(&l);
}

static char *make_dir(char path[static 64])
{
	return temporary_dir(path, 64, "zsocket");
}

Test(zsocket, replaces_an_old_socket_file_and_gives_it_mode_0660)
{
	char dir[64], endpoint[128], path[96];
	make_dir(dir);
	snprintf(path, sizeof path, "%s/node.sock", dir);
	snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
	cr_assert_eq(mknod(path, S_IFSOCK | 0777, 0), 0);

	struct link l;
	struct torap_zmessage m;
	struct stat st;
	link_init(&l, endpoint);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0660);
	send_text(l.dialler, "hello");
	wait_receive(&m, l.listener, true);
	torap_zmessage_finish(&m);
	link_finish(&l);
	unlink(path);
	rmdir(dir);
}

/* libzmq unlinks whatever has the name; a mistyped path must not cost a file. */
Test(zsocket, refuses_to_replace_a_file_that_is_no_socket)
{
	char dir[64], endpoint[128], path[96];
	make_dir(dir);
	snprintf(path, sizeof path, "%s/registry.csv", dir);
	snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	cr_assert_geq(fd, 0);
	close(fd);

	struct torap_error err;
	struct torap_zsocket_options options = { 0 };
	void *context = zmq_ctx_new();
	cr_assert_null(torap_zsocket_listen(context, endpoint, &options, &err));
	cr_assert(strstr(err.text, path), "%s", err.text);
	cr_assert_eq(access(path, F_OK), 0);
	zmq_ctx_term(context);
	unlink(path);
	rmdir(dir);
}

Test(zsocket, names_the_endpoint_that_it_cannot_use)
{
	static const char *const bad[] = { "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "nonsense", "" };
	struct torap_zsocket_options options = { 0 };
	void *context = zmq_ctx_new();
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct torap_error err = { "" };
		cr_assert_null(torap_zsocket_listen(context, bad[i], &options, &err), "%s", bad[i]);
		cr_assert(strstr(err.text, bad[i]) && err.text[0], "%s", err.text);
	}
	zmq_ctx_term(context);
}

Test(zsocket, knows_an_endpoint_before_it_is_used)
{
	static const char *const good[] = { "tcp://10.0.0.1:7400", "tcp://broker-one.example:1",
		"tcp://[::1]:7400", "tcp://*:*", "tcp://0.0.0.0:65535" };
	static const char *const bad[] = { "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:7400",
		"tcp://a b:7400", "tcp://127.0.0.1:99999", "tcp://127.0.0.1:74a", "tcp://127.0.0.1:-1" };
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		cr_expect_eq(torap_zsocket_check(good[i], NULL), 0, "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct torap_error err = { "" };
		cr_expect_lt(torap_zsocket_check(bad[i], &err), 0, "%s", bad[i]);
		cr_expect(strstr(err.text, bad[i]), "%s", err.text);
	}
}

static void key_pair(uint8_t *public, uint8_t *secret)
{
	char p[41], s[41];
	cr_assert_eq(zmq_curve_keypair(p, s), 0);
	zmq_z85_decode(public, p);
	zmq_z85_decode(secret, s);
}

/* Another key needs another socket: one that is set later is for the next endpoint, and an endpoint takes its sessions along. */
Test(zsocket, shows_the_key_that_it_was_bound_with_and_loses_its_sessions_when_it_is_unbound)
{
	uint8_t first[TORAP_CURVE_KEY_SIZE], second[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	char endpoint[128];
	size_t size = sizeof endpoint;
	int one = 1;
	struct torap_error err;
	struct torap_zmessage m;
	void *context = zmq_ctx_new(), *router = zmq_socket(context, ZMQ_ROUTER);
	key_pair(first, secret);
	zmq_setsockopt(router, ZMQ_CURVE_SERVER, &one, sizeof one);
	zmq_setsockopt(router, ZMQ_ROUTER_MANDATORY, &one, sizeof one);
	zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);
	cr_assert_eq(zmq_bind(router, "tcp://127.0.0.1:*"), 0);
	zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &size);
	key_pair(second, secret);
	zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);

	struct torap_zdealer *dealer;
	struct torap_zsocket_options options = {
		.secret_key = secret, .public_key = second, .server_key = first
	};
	cr_assert_eq(torap_zdealer_open(&dealer, NULL, context, endpoint, &options, NULL, NULL, &err), 0);
	send_text(torap_zdealer_socket(dealer), "by the first key");
	wait_receive(&m, router, true);

	cr_assert_eq(zmq_unbind(router, endpoint), 0);
	int r = 0;
	for (int i = 0; i < 200 && r == 0; i++) {
		r = torap_zmessage_send(router, m.peer, m.peer_size, m.frames, m.count);
		usleep(10000);
	}
	cr_expect_eq(r, TORAP_ZSOCKET_GONE, "the session has outlived its endpoint");
	torap_zmessage_finish(&m);
	torap_zdealer_close(dealer, NULL, NULL);
	torap_zsocket_close(router);
	zmq_ctx_term(context);
}

Test(zsocket, closing_nothing_is_allowed)
{
	torap_zsocket_close(NULL);
}
