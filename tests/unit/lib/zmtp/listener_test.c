#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "base/buffer.h"
#include "base/error.h"
#include "kit/zmtp_client.h"
#include "loop/zsocket.h"
#include "zmtp/connection.h"
#include "zmtp/listener.h"

enum { SERVER = 1, DIALLERS_MAX = 8, TURNS_MAX = 200000, MIB = 1 << 20 };

/* A listener, and libzmq's diallers in the same thread. */
struct hall {
	uv_loop_t loop;
	struct torap_zmtp_listener *listener;
	struct torap_zmtp_counts counts;
	void *context;
	void *diallers[DIALLERS_MAX];
	size_t diallers_count;
	char endpoint[128];
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	bool admits, echoes, marks, closed;
	unsigned asked, gone, turns;
	size_t messages, frames, bytes;
	struct torap_zmtp_peer *last;
};

static bool on_admit(void *hint, const uint8_t key[static TORAP_CURVE_KEY_SIZE], const char *address)
{
	struct hall *h = hint;
	(void)key;
	cr_assert(strcmp(address, "127.0.0.1") == 0 || strcmp(address, "::1") == 0, "%s", address);
	h->asked++;
	return h->admits;
}

static void on_message(void *hint, struct torap_zmtp_peer *peer, struct torap_buffer **frames, size_t count)
{
	struct hall *h = hint;
	h->last = peer;
	h->messages++;
	h->frames += count;
	for (size_t i = 0; i < count; i++)
		h->bytes += frames[i]->size;
	if (h->marks)
		torap_zmtp_set_mark(peer, h);
	if (h->echoes)
		cr_assert(torap_zmtp_send(peer, frames, count));
}

static void on_gone(void *hint, struct torap_zmtp_peer *peer)
{
	struct hall *h = hint;
	h->gone++;
	if (h->last == peer)
		h->last = NULL;
}

static void on_turn(void *hint)
{
	struct hall *h = hint;
	h->turns++;
}

static int listen_at(struct hall *h, const char *endpoint, struct torap_error *err)
{
	uint8_t secret[TORAP_CURVE_KEY_SIZE];
	zmtp_keys(SERVER, h->key, secret);
	struct torap_zmtp_options options = { .secret_key = secret,
		.public_key = h->key,
		.counts = &h->counts,
		.admit = on_admit,
		.on_message = on_message,
		.on_gone = on_gone,
		.on_turn = on_turn,
		.hint = h };
	return torap_zmtp_listen(&h->listener, &h->loop, endpoint, &options, err);
}

static void open_hall(struct hall *h, const char *endpoint)
{
	struct torap_error err;
	memset(h, 0, sizeof *h);
	h->admits = h->echoes = h->marks = true;
	uv_loop_init(&h->loop);
	h->context = zmq_ctx_new();
	cr_assert_eq(listen_at(h, endpoint, &err), 0, "%s", err.text);
	torap_zmtp_endpoint(h->listener, h->endpoint, sizeof h->endpoint);
}

static void on_closed(void *hint)
{
	((struct hall *)hint)->closed = true;
}

static void close_hall(struct hall *h)
{
	torap_zmtp_close(h->listener, on_closed, h);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	cr_assert(h->closed);
	cr_assert_eq(h->counts.connections, 0);
	cr_assert_eq(uv_loop_close(&h->loop), 0);
	for (size_t i = 0; i < h->diallers_count; i++)
		torap_zsocket_close(h->diallers[i]);
	zmq_ctx_term(h->context);
}

static void *dial_to(struct hall *h, uint8_t who, const uint8_t *server)
{
	struct torap_error err;
	uint8_t key[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	zmtp_keys(who, key, secret);
	struct torap_zsocket_options options = {
		.secret_key = secret, .public_key = key, .server_key = server
	};
	void *dialler = torap_zsocket_dealer(h->context, h->endpoint, &options, &err);
	cr_assert(dialler, "%s", err.text);
	cr_assert_eq(zmq_connect(dialler, h->endpoint), 0);
	h->diallers[h->diallers_count++] = dialler;
	return dialler;
}

static void *dial(struct hall *h, uint8_t who)
{
	return dial_to(h, who, h->key);
}

static void turn(struct hall *h)
{
	uv_run(&h->loop, UV_RUN_NOWAIT);
	usleep(100);
}

#define until(h, condition)                                                                                  \
	for (int turns_ = 0; !(condition); turns_++) {                                                       \
		cr_assert_lt(turns_, TURNS_MAX, "in vain: %s", #condition);                                  \
		turn(h);                                                                                     \
	}

/* Byte i of frame n of message m. */
static uint8_t byte_of(size_t m, size_t n, size_t i)
{
	return (uint8_t)(m * 31 + n * 7 + i * 13 + (i >> 8));
}

static void say(void *dialler, size_t message, size_t count, size_t size)
{
	uint8_t *data = malloc(size + 1);
	for (size_t n = 0; n < count; n++) {
		for (size_t i = 0; i < size; i++)
			data[i] = byte_of(message, n, i);
		cr_assert_eq(zmq_send(dialler, data, size, n + 1 < count ? ZMQ_SNDMORE : 0), (int)size);
	}
	free(data);
}

static bool came(void *dialler)
{
	zmq_pollitem_t item = { dialler, 0, ZMQ_POLLIN, 0 };
	return zmq_poll(&item, 1, 0) == 1;
}

static void hear(struct hall *h, void *dialler, size_t message, size_t count, size_t size)
{
	uint8_t *data = malloc(size + 1);
	until(h, came(dialler));
	for (size_t n = 0; n < count; n++) {
		int more = 0;
		size_t more_size = sizeof more, wrong = 0;
		cr_assert_eq(zmq_recv(dialler, data, size + 1, 0), (int)size, "message %zu, frame %zu",
			message, n);
		zmq_getsockopt(dialler, ZMQ_RCVMORE, &more, &more_size);
		cr_assert_eq(more, n + 1 < count);
		for (size_t i = 0; i < size; i++)
			wrong += data[i] != byte_of(message, n, i);
		cr_assert_eq(wrong, 0, "message %zu, frame %zu", message, n);
	}
	free(data);
}

Test(listener, carries_messages_of_libzmqs_diallers_both_ways)
{
	static const struct {
		size_t count, size;
	} messages[] = { { 1, 5 }, { 1, 0 }, { 3, 0 }, { 2, 221 }, { 2, 222 }, { 2, 223 }, { 4, 70000 },
		{ 770, 40 }, { 2, MIB }, { 1, 8 * MIB } };
	struct hall h;
	open_hall(&h, "tcp://127.0.0.1:*");
	void *dialler = dial(&h, 2);
	for (size_t m = 0; m < sizeof messages / sizeof messages[0]; m++) {
		say(dialler, m, messages[m].count, messages[m].size);
		hear(&h, dialler, m, messages[m].count, messages[m].size);
	}
	cr_assert_gt(h.turns, 0);
	cr_assert_eq(h.asked, 1);
	cr_assert_eq(h.counts.broken, 0);
	close_hall(&h);
}

Test(listener, keeps_the_order_of_each_of_several_peers)
{
	enum { MESSAGES = 4000 };
	struct hall h;
	open_hall(&h, "tcp://127.0.0.1:*");
	for (uint8_t who = 0; who < 4; who++)
		dial(&h, who + 2);
	for (size_t m = 0; m < MESSAGES; m++)
		for (size_t d = 0; d < 4; d++)
			say(h.diallers[d], m, 2, 10 + m % 300);
	until(&h, h.messages == 4 * MESSAGES);
	for (size_t m = 0; m < MESSAGES; m++)
		for (size_t d = 0; d < 4; d++)
			hear(&h, h.diallers[d], m, 2, 10 + m % 300);
	close_hall(&h);
}

Test(listener, admits_who_asks_again_and_tells_nobody_else_anything)
{
	struct hall h;
	open_hall(&h, "tcp://127.0.0.1:*");
	h.admits = false;
	void *stranger = dial(&h, 2);
	say(stranger, 0, 1, 5);
	until(&h, h.counts.refused == 1);
	cr_assert_eq(h.messages, 0);
	h.admits = true; /* It asks again when its handshake has taken too long, after 5 s. */
	hear(&h, stranger, 0, 1, 5);
	cr_assert_eq(h.counts.refused, 1);
	cr_assert_eq(h.gone, 0, "who was never admitted cannot go");
	close_hall(&h);
}

Test(listener, ends_who_looks_for_another_server)
{
	struct hall h;
	uint8_t other[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	zmtp_keys(9, other, secret);
	open_hall(&h, "tcp://127.0.0.1:*");
	dial_to(&h, 2, other);
	until(&h, h.counts.broken > 0);
	cr_assert_eq(h.asked, 0);
	close_hall(&h);
}

Test(listener, tells_once_that_a_peer_has_gone_and_nothing_of_one_that_was_cut)
{
	struct hall h;
	open_hall(&h, "tcp://127.0.0.1:*");
	void *dialler = dial(&h, 2);
	say(dialler, 0, 1, 5);
	hear(&h, dialler, 0, 1, 5);
	cr_assert_eq(torap_zmtp_mark(h.last), &h);
	torap_zsocket_close(dialler);
	h.diallers_count--;
	until(&h, h.gone == 1);
	until(&h, h.counts.connections == 0);

	dialler = dial(&h, 3);
	say(dialler, 1, 1, 5);
	hear(&h, dialler, 1, 1, 5);
	uint64_t accepted = h.counts.accepted;
	torap_zmtp_cut(h.last, 0);
	until(&h, h.counts.accepted > accepted); /* libzmq dials again. */
	cr_assert_eq(h.gone, 1);
	close_hall(&h);
}

Test(listener, lets_the_last_word_through_before_it_cuts)
{
	struct hall h;
	open_hall(&h, "tcp://127.0.0.1:*");
	void *dialler = dial(&h, 2);
	say(dialler, 0, 1, 5);
	hear(&h, dialler, 0, 1, 5);
	struct torap_buffer *word = torap_buffer_create(7);
	for (size_t i = 0; i < 7; i++)
		word->data[i] = byte_of(1, 0, i);
	uint64_t accepted = h.counts.accepted;
	cr_assert(torap_zmtp_send(h.last, &word, 1));
	torap_zmtp_cut(h.last, 50);
	say(dialler, 2, 1, 5); /* is not heard any more */
	hear(&h, dialler, 1, 1, 7);
	until(&h, h.counts.accepted > accepted);
	cr_assert_eq(h.messages, 1);
	torap_buffer_unref(word);
	close_hall(&h);
}

Test(listener, refuses_more_for_a_peer_that_does_not_read)
{
	struct hall h;
	struct torap_buffer *frame = torap_buffer_create(MIB);
	size_t sent = 0;
	open_hall(&h, "tcp://127.0.0.1:*");
	memset(frame->data, 0, frame->size);
	void *dialler = dial(&h, 2);
	say(dialler, 0, 1, 5);
	hear(&h, dialler, 0, 1, 5);
	for (; torap_zmtp_send(h.last, &frame, 1); sent++)
		if (sent % 1000 == 0)
			turn(&h);
	cr_assert_geq(sent, (size_t)TORAP_ZMTP_QUEUE_MAX); /* 64 GiB, were they more than references */
	cr_assert_lt(sent, (size_t)TORAP_ZMTP_QUEUE_MAX + 2000);
	close_hall(&h);
	torap_buffer_unref(frame);
}

Test(listener, cuts_who_says_nothing_for_ten_seconds)
{
	struct hall h;
	open_hall(&h, "tcp://127.0.0.1:*");
	h.marks = false;
	void *dialler = dial(&h, 2);
	say(dialler, 0, 1, 5);
	hear(&h, dialler, 0, 1, 5);
	cr_assert_eq(h.counts.broken, 0);
	until(&h, h.counts.broken == 1);
	cr_assert_eq(h.gone, 1);
	close_hall(&h);
}

Test(listener, answers_libzmqs_heartbeats)
{
	struct hall h;
	int interval = 20, timeout = 60;
	open_hall(&h, "tcp://127.0.0.1:*");
	uint8_t key[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	zmtp_keys(2, key, secret);
	void *dialler = zmq_socket(h.context, ZMQ_DEALER);
	zmq_setsockopt(dialler, ZMQ_CURVE_SERVERKEY, h.key, sizeof h.key);
	zmq_setsockopt(dialler, ZMQ_CURVE_PUBLICKEY, key, sizeof key);
	zmq_setsockopt(dialler, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);
	zmq_setsockopt(dialler, ZMQ_HEARTBEAT_IVL, &interval, sizeof interval);
	zmq_setsockopt(dialler, ZMQ_HEARTBEAT_TIMEOUT, &timeout, sizeof timeout);
	zmq_connect(dialler, h.endpoint);
	h.diallers[h.diallers_count++] = dialler;
	say(dialler, 0, 1, 5);
	hear(&h, dialler, 0, 1, 5);
	for (int i = 0; i < 500; i++) {
		turn(&h);
		usleep(1000);
	}
	cr_assert_eq(h.counts.accepted, 1);
	cr_assert_eq(h.gone, 0);
	close_hall(&h);
}

Test(listener, listens_where_it_is_told)
{
	static const char *const endpoints[] = { "tcp://127.0.0.1:*", "tcp://lo:*", "tcp://lo:0" };
	for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
		struct hall h;
		open_hall(&h, endpoints[i]);
		cr_assert_eq(strncmp(h.endpoint, "tcp://127.0.0.1:", 16), 0, "%s", h.endpoint);
		void *dialler = dial(&h, 2);
		say(dialler, 0, 1, 5);
		hear(&h, dialler, 0, 1, 5);
		close_hall(&h);
	}
	struct hall all;
	open_hall(&all, "tcp://*:*");
	cr_assert_eq(strncmp(all.endpoint, "tcp://0.0.0.0:", 14), 0, "%s", all.endpoint);
	close_hall(&all);
}

Test(listener, says_why_it_cannot_listen)
{
	struct hall h, other = { 0 };
	struct torap_error err;
	open_hall(&h, "tcp://127.0.0.1:*");
	uv_loop_init(&other.loop);
	cr_assert_eq(listen_at(&other, h.endpoint, &err), -EADDRINUSE);
	cr_assert(strstr(err.text, h.endpoint) && strstr(err.text, "in use"), "%s", err.text);
	cr_assert_lt(listen_at(&other, "tcp://192.0.2.1:9", &err), 0);
	cr_assert_lt(listen_at(&other, "tcp://nowhere:9", &err), 0);
	cr_assert_lt(listen_at(&other, "ipc:///tmp/x", &err), 0);
	cr_assert_null(other.listener);
	uv_run(&other.loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&other.loop), 0);
	close_hall(&h);
}
