/* hall.h: a listener with an owner of a few lines, and libzmq's dealers that dial it, all on a loop that the test turns. */
#pragma once

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <uv.h>
#include <zmq.h>

#include "base/buffer.h"
#include "base/error.h"
#include "kit/zmq_peer.h"
#include "kit/zmtp_client.h"
#include "zmtp/listener.h"
#include "zmtp/turn.h"

enum { KNOWN = 2, STRANGE = 3, STEP_MS = 2, WAIT_MS = 30000, PEERS_MAX = 8, CUT_LATER_MS = 300 };

/* What the listener's owner does with a message, after it was counted. */
enum manner { ANSWER, ANSWER_A_STRANGER, KEEP_QUIET, CUT_AT_ONCE, SAY_LAST_AND_CUT };

/* A listener that admits one key, and libzmq's dealers, on whose sockets the tests look. */
struct hall {
	uv_loop_t loop;
	uv_timer_t step;
	void *context;
	struct torap_zmtp_turn *turn;
	struct torap_zmtp_listener *listener;
	struct torap_zmtp_counts counts;
	uint8_t public[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	char endpoint[128], address[64];
	uint8_t admitted; /* the seed of a key */
	enum manner manner;
	unsigned asked, messages, turns, gone;
	bool turn_due, closed;
	struct torap_zmtp_peer *peer, *gone_peer; /* the latest */
	size_t frames;                            /* of the latest message */
};

static inline bool on_admit(void *hint, const uint8_t key[static TORAP_CURVE_KEY_SIZE], const char *address)
{
	struct hall *h = hint;
	uint8_t known[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	zmtp_keys(h->admitted, known, secret);
	h->asked++;
	snprintf(h->address, sizeof h->address, "%s", address);
	return memcmp(key, known, sizeof known) == 0;
}

static inline void say_last_and_cut(struct torap_zmtp_peer *peer)
{
	struct torap_buffer *last = torap_buffer_copy(torap_bytes("last", 4));
	cr_assert(torap_zmtp_send(peer, &last, 1));
	torap_buffer_unref(last);
	torap_zmtp_cut(peer, CUT_LATER_MS);
}

static inline void on_message(
	void *hint, struct torap_zmtp_peer *peer, struct torap_buffer **frames, size_t count)
{
	struct hall *h = hint;
	h->peer = peer;
	h->messages++;
	h->frames = count;
	h->turn_due = true;
	if (!torap_zmtp_mark(peer) && h->manner != ANSWER_A_STRANGER)
		torap_zmtp_set_mark(peer, h); /* known: it may send more than a megabyte */
	if (h->manner == ANSWER || h->manner == ANSWER_A_STRANGER)
		cr_assert(torap_zmtp_send(peer, frames, count));
	else if (h->manner == CUT_AT_ONCE)
		torap_zmtp_cut(peer, 0);
	else if (h->manner == SAY_LAST_AND_CUT)
		say_last_and_cut(peer);
}

static inline void on_gone(void *hint, struct torap_zmtp_peer *peer)
{
	struct hall *h = hint;
	h->gone++;
	h->gone_peer = peer;
	h->turn_due = true;
}

static inline void on_turn(void *hint)
{
	struct hall *h = hint;
	cr_assert(h->turn_due, "a turn in which nothing came");
	h->turn_due = false;
	h->turns++;
}

static inline void on_step(uv_timer_t *timer)
{
	(void)timer; /* The loop does not sleep longer. */
}

static inline int listen_at(struct hall *h, const char *endpoint, struct torap_error *err)
{
	bool local = strncmp(endpoint, "ipc://", 6) == 0;
	struct torap_zmtp_options options = { .turn = h->turn,
		.secret_key = local ? NULL : h->secret,
		.public_key = local ? NULL : h->public,
		.counts = &h->counts,
		.admit = on_admit,
		.on_message = on_message,
		.on_gone = on_gone,
		.on_turn = on_turn,
		.hint = h };
	return torap_zmtp_listen(&h->listener, endpoint, &options, err);
}

static inline void hall_init(struct hall *h, const char *endpoint)
{
	struct torap_error err = { "" };
	*h = (struct hall){ .admitted = KNOWN, .context = zmq_ctx_new() };
	signal(SIGPIPE, SIG_IGN);
	zmtp_keys(1, h->public, h->secret);
	uv_loop_init(&h->loop);
	uv_timer_init(&h->loop, &h->step);
	uv_timer_start(&h->step, on_step, STEP_MS, STEP_MS);
	cr_assert_eq(torap_zmtp_turn_create(&h->turn, &h->loop, &err), 0, "%s", err.text);
	cr_assert_eq(listen_at(h, endpoint, &err), 0, "%s", err.text);
	if (strncmp(endpoint, "ipc://", 6) == 0)
		snprintf(h->endpoint, sizeof h->endpoint, "%s", endpoint);
	else
		torap_zmtp_endpoint(h->listener, h->endpoint, sizeof h->endpoint);
}

static inline void on_closed(void *hint)
{
	struct hall *h = hint;
	cr_assert_not(h->closed, "told twice");
	h->closed = true;
}

/* The loop runs out, so nothing holds it any more; asan sees to the memory. */
static inline void hall_close(struct hall *h)
{
	unsigned gone = h->gone;
	torap_zmtp_close(h->listener, on_closed, h);
	torap_zmtp_turn_close(h->turn);
	cr_assert_not(h->closed, "libuv has not let go of it yet");
	uv_close((uv_handle_t *)&h->step, NULL);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	cr_assert(h->closed);
	cr_assert_eq(h->counts.connections, 0u);
	cr_assert_eq(h->gone, gone, "those that are cut are not told");
	cr_assert_eq(uv_loop_close(&h->loop), 0);
}

static inline void hall_finish(struct hall *h)
{
	hall_close(h);
	zmq_ctx_term(h->context);
}

static inline void turn(struct hall *h)
{
	uv_run(&h->loop, UV_RUN_ONCE);
}

static inline uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* Runs the loop until it is so. */
#define run_until(h, condition)                                                                              \
	for (uint64_t run_began_ms = now_ms(); !(condition);) {                                              \
		cr_assert_lt(now_ms() - run_began_ms, WAIT_MS, "in vain: " #condition);                      \
		turn(h);                                                                                     \
	}

static inline void run_for(struct hall *h, uint64_t ms)
{
	for (uint64_t end_ms = now_ms() + ms; now_ms() < end_ms;)
		turn(h);
}

static inline void *dial_as(struct hall *h, uint8_t who, const uint8_t *server)
{
	uint8_t public[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	zmtp_keys(who, public, secret);
	return zmq_peer_dial(h->context, h->endpoint, secret, public, server);
}

static inline void *dial(struct hall *h)
{
	return dial_as(h, KNOWN, h->public);
}

static inline void say_frames(void *d, struct torap_buffer *const *frames, size_t count)
{
	cr_assert(zmq_peer_send(d, NULL, 0, frames, count));
}

static inline void say(void *d, const char *text)
{
	struct torap_buffer *frame = torap_buffer_copy(torap_bytes(text, strlen(text)));
	say_frames(d, &frame, 1);
	torap_buffer_unref(frame);
}

static inline bool hears(void *d, struct zmq_peer_message *m)
{
	return zmq_peer_receive(m, d, false);
}

static inline void hear(struct hall *h, void *d, const char *text)
{
	struct zmq_peer_message m;
	run_until(h, hears(d, &m));
	cr_assert_eq(m.count, 1u);
	cr_assert(torap_bytes_equal(torap_buffer_bytes(m.frames[0]), torap_bytes(text, strlen(text))));
	zmq_peer_finish(&m);
}

/* There and back, once. */
static inline void exchange(struct hall *h, void *d, struct torap_buffer *const *frames, size_t count)
{
	struct zmq_peer_message m;
	say_frames(d, frames, count);
	run_until(h, hears(d, &m));
	cr_assert_eq(h->frames, count);
	cr_assert_eq(m.count, count);
	for (size_t i = 0; i < count; i++)
		cr_assert(torap_bytes_equal(torap_buffer_bytes(m.frames[i]),
				  frames[i] ? torap_buffer_bytes(frames[i]) : torap_bytes(NULL, 0)),
			"frame %zu of %zu", i, count);
	zmq_peer_finish(&m);
}
