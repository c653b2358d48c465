#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>
#include <zmq.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"
#include "kit/zmq_peer.h"
#include "kit/zmtp_client.h"
#include "loop/zlink.h"
#include "zmtp/turn.h"

enum { OURS = 7, LATER = 8, LOOK_MS = 10, LIMIT_MS = 20000 };

/* Two peers, of which each says whether a hello has come, and a link. */
struct pair {
	uv_loop_t loop;
	struct torap_zmtp_turn *turn;
	void *context, *routers[2];
	char names[2][8], endpoints[2][128];
	struct torap_zlink_peer peers[2];
	uint8_t secret[TORAP_CURVE_KEY_SIZE], public[TORAP_CURVE_KEY_SIZE];
	struct torap_zlink *link;
	unsigned hellos[2];
	uv_timer_t look;
	unsigned looks, until[2]; /* runs until so many hellos have come to each */
	bool closed;
};

static struct torap_buffer *hello(void *hint, uint8_t lane)
{
	(void)hint, (void)lane;
	return torap_buffer_copy(torap_bytes("hello", 5));
}

static void on_message(void *hint, struct torap_zlink *l, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count)
{
	(void)hint, (void)l, (void)envelope, (void)frames, (void)count;
}

static void on_look(uv_timer_t *timer)
{
	struct pair *p = timer->data;
	struct zmq_peer_message m;
	for (int i = 0; i < 2; i++)
		while (p->routers[i] && zmq_peer_receive(&m, p->routers[i], true)) {
			zmq_peer_finish(&m);
			p->hellos[i]++;
		}
	cr_assert_lt(++p->looks, LIMIT_MS / LOOK_MS, "nothing came");
	if (p->hellos[0] >= p->until[0] && p->hellos[1] >= p->until[1])
		uv_stop(&p->loop);
}

static void run_until(struct pair *p, unsigned first, unsigned second)
{
	p->until[0] = first;
	p->until[1] = second;
	p->looks = 0;
	uv_run(&p->loop, UV_RUN_DEFAULT);
}

static void begin(struct pair *p)
{
	struct torap_error err;
	*p = (struct pair){ .context = zmq_ctx_new() };
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&p->loop);
	cr_assert_eq(torap_zmtp_turn_create(&p->turn, &p->loop, &err), 0);
	zmtp_keys(OURS, p->public, p->secret);
	for (uint8_t i = 0; i < 2; i++) {
		uint8_t secret[TORAP_CURVE_KEY_SIZE];
		snprintf(p->names[i], sizeof p->names[i], "peer-%d", i);
		p->peers[i] = (struct torap_zlink_peer){ .name = p->names[i], .endpoint = p->endpoints[i] };
		zmtp_keys(i, p->peers[i].key, secret);
		p->routers[i] = zmq_peer_listen(p->context, "tcp://127.0.0.1:*", secret);
		zmq_peer_endpoint(p->routers[i], p->endpoints[i], sizeof p->endpoints[i]);
	}
	struct torap_zlink_options options = {
		.loop = &p->loop,
		.turn = p->turn,
		.lane = 1,
		.secret_key = p->secret,
		.public_key = p->public,
		.peers = &p->peers[0],
		.peers_count = 1,
		.hello = hello,
		.on_message = on_message,
	};
	cr_assert_eq(torap_zlink_open(&p->link, &options, &err), 0, "%s", err.text);
	uv_timer_init(&p->loop, &p->look);
	p->look.data = p;
	uv_timer_start(&p->look, on_look, LOOK_MS, LOOK_MS);
}

static void on_closed(void *hint)
{
	*(bool *)hint = true;
}

static void end(struct pair *p)
{
	torap_zlink_close(p->link, on_closed, &p->closed);
	torap_zmtp_turn_close(p->turn);
	uv_close((uv_handle_t *)&p->look, NULL);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	cr_assert(p->closed);
	cr_assert_eq(uv_loop_close(&p->loop), 0);
	for (int i = 0; i < 2; i++)
		zmq_peer_close(p->routers[i]);
	zmq_ctx_term(p->context);
}

/* The list that it had is gone at once, and its session may go on for some seconds: it must not look there any more. */
Test(zlink, goes_over_to_another_peer_and_needs_the_first_no_more)
{
	struct pair p;
	begin(&p);
	run_until(&p, 1, 0);
	struct torap_zlink_peer others[] = { p.peers[1] };
	cr_assert(torap_zlink_redirect(p.link, others, 1));
	memset(p.names[0], 'x', sizeof p.names[0] - 1);
	memset(&p.peers[0], 0, sizeof p.peers[0]);
	cr_expect_str_eq(torap_zlink_peer(p.link)->name, "peer-0", "nothing else is dialled yet");
	run_until(&p, 0, 1);
	cr_expect_str_eq(torap_zlink_peer(p.link)->name, "peer-1");
	end(&p);
}

Test(zlink, stays_where_it_is_when_its_peer_is_in_the_new_list)
{
	struct pair p;
	begin(&p);
	run_until(&p, 1, 0);
	struct torap_zlink_peer both[] = { p.peers[1], p.peers[0] };
	cr_assert_not(torap_zlink_redirect(p.link, both, 2));
	cr_expect_str_eq(torap_zlink_peer(p.link)->name, "peer-0");
	end(&p);
}

/* The same name and endpoint with another key is another peer. */
Test(zlink, dials_anew_for_another_key_of_the_same_peer)
{
	struct pair p;
	begin(&p);
	run_until(&p, 1, 0);
	struct torap_zlink_peer other = p.peers[0];
	other.key[0] ^= 1;
	cr_assert(torap_zlink_redirect(p.link, &other, 1));
	end(&p);
}

/* Our own key is read where it stands, at the next connection. */
Test(zlink, begins_anew_within_some_seconds)
{
	struct pair p;
	begin(&p);
	run_until(&p, 1, 0);
	zmtp_keys(LATER, p.public, p.secret);
	torap_zlink_begin_anew_soon(p.link);
	cr_expect_eq(torap_zlink_dialler(p.link)->state, TORAP_DIAL_GREETING, "not at once");
	run_until(&p, 2, 0);
	end(&p);
}

/* The end of a connection is known at once, not after a silence. */
Test(zlink, says_hello_again_soon_after_its_peer_has_died)
{
	struct pair p;
	uint8_t public[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	begin(&p);
	run_until(&p, 1, 0);
	zmq_peer_close(p.routers[0]);
	zmtp_keys(0, public, secret);
	p.routers[0] = zmq_peer_listen(p.context, "tcp://127.0.0.1:*", secret);
	zmq_peer_endpoint(p.routers[0], p.endpoints[0], sizeof p.endpoints[0]);
	run_until(&p, 2, 0);
	end(&p);
}

/* Nobody listens at the first: the second is dialled without waiting for an answer. */
Test(zlink, goes_on_to_the_next_peer_when_nobody_listens)
{
	struct pair p;
	begin(&p);
	run_until(&p, 1, 0);
	struct torap_zlink_peer two[] = { p.peers[0], p.peers[1] };
	cr_assert_not(torap_zlink_redirect(p.link, two, 2));
	zmq_peer_close(p.routers[0]);
	p.routers[0] = NULL;
	run_until(&p, 0, 1);
	cr_expect_str_eq(torap_zlink_peer(p.link)->name, "peer-1");
	end(&p);
}
