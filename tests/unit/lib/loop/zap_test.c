#include <criterion/criterion.h>

#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "base/error.h"
#include "base/limits.h"
#include "loop/zap.h"
#include "wait.h"

struct keys {
	uint8_t public_key[TORAP_CURVE_KEY_SIZE], secret_key[TORAP_CURVE_KEY_SIZE];
};

/* A guarded listener that admits one key, or everybody, or nobody. */
struct gate {
	uv_loop_t loop;
	void *context, *listener;
	struct torap_zap *zap;
	struct keys own;
	char endpoint[128];
	const uint8_t *admitted;
	int asked;
	char address[64];
	bool closed;
};

static void make_keys(struct keys *k)
{
	char public_text[41], secret_text[41];
	cr_assert_eq(zmq_curve_keypair(public_text, secret_text), 0);
	cr_assert(zmq_z85_decode(k->public_key, public_text));
	cr_assert(zmq_z85_decode(k->secret_key, secret_text));
}

static bool on_admit(void *hint, const uint8_t *key, const char *address)
{
	struct gate *g = hint;
	g->asked++;
	snprintf(g->address, sizeof g->address, "%s", address);
	return g->admitted && memcmp(key, g->admitted, TORAP_CURVE_KEY_SIZE) == 0;
}

static void gate_init(struct gate *g)
{
	struct torap_error err;
	memset(g, 0, sizeof *g);
	uv_loop_init(&g->loop);
	g->context = zmq_ctx_new();
	make_keys(&g->own);
	cr_assert_eq(torap_zap_open(&g->zap, &g->loop, g->context, on_admit, g, &err), 0, "%s", err.text);
	struct torap_zsocket_options options = {
		.secret_key = g->own.secret_key,
		.public_key = g->own.public_key,
	};
	g->listener = torap_zsocket_listen(g->context, "tcp://127.0.0.1:*", &options, &err);
	cr_assert(g->listener, "%s", err.text);
	cr_assert(torap_zsocket_endpoint(g->listener, g->endpoint, sizeof g->endpoint));
}

static void on_closed(void *hint)
{
	struct gate *g = hint;
	g->closed = true;
}

static void close_zap(struct gate *g)
{
	torap_zap_close(g->zap, on_closed, g);
	g->zap = NULL;
	uv_run(&g->loop, UV_RUN_DEFAULT);
	cr_assert(g->closed);
}

static void gate_finish(struct gate *g)
{
	torap_zsocket_close(g->listener);
	if (g->zap)
		close_zap(g);
	cr_assert_eq(uv_loop_close(&g->loop), 0);
	zmq_ctx_term(g->context);
}

/* Says `text` at once: it arrives when, and only when, the dialler is let in. */
static struct torap_zdealer *dial(
	struct gate *g, const struct keys *keys, const uint8_t *server_key, const char *text)
{
	struct torap_error err;
	struct torap_zsocket_options options = { 0 };
	if (keys)
		options = (struct torap_zsocket_options){
			.secret_key = keys->secret_key,
			.public_key = keys->public_key,
			.server_key = server_key,
		};
	struct torap_zdealer *dialler;
	cr_assert_eq(torap_zdealer_open(&dialler, NULL, g->context, g->endpoint, &options, NULL, NULL, &err),
		0, "%s", err.text);
	send_text(torap_zdealer_socket(dialler), text);
	return dialler;
}

static bool is_heard(struct torap_zmessage *m, void *listener)
{
	zmq_pollitem_t item = { listener, 0, ZMQ_POLLIN, 0 };
	return zmq_poll(&item, 1, 5) == 1 && torap_zmessage_receive(m, listener, true) == 0;
}

/* Runs the handler until somebody who is let in is heard. */
static void run_until_heard(struct gate *g, void *listener, const char *text, struct torap_zmessage *m)
{
	for (int ms = 0; !is_heard(m, listener); ms += 5) {
		cr_assert_lt(ms, WAIT_MS, "nobody is heard");
		uv_run(&g->loop, UV_RUN_NOWAIT);
	}
	cr_assert(m->frames[0]->size == strlen(text) && memcmp(m->frames[0]->data, text, strlen(text)) == 0);
}

static void run_until_refused(struct gate *g, uint64_t times)
{
	for (int ms = 0; torap_zap_refused(g->zap) < times; ms++) {
		cr_assert_lt(ms, WAIT_MS, "nobody was refused");
		uv_run(&g->loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
}

Test(zap, admits_a_known_key_and_tells_the_receiver_which)
{
	struct gate g;
	struct keys peer;
	struct torap_zmessage m;
	gate_init(&g);
	make_keys(&peer);
	g.admitted = peer.public_key;
	struct torap_zdealer *dialler = dial(&g, &peer, g.own.public_key, "hello");
	run_until_heard(&g, g.listener, "hello", &m);
	cr_assert(m.has_key);
	cr_assert_eq(memcmp(m.key, peer.public_key, sizeof m.key), 0);
	cr_assert_geq(m.fd, 0);
	torap_zmessage_finish(&m);
	cr_assert_eq(g.asked, 1);
	cr_assert_str_eq(g.address, "127.0.0.1");
	cr_assert_eq(torap_zap_refused(g.zap), 0);
	torap_zdealer_close(dialler, NULL, NULL);
	gate_finish(&g);
}

/* After a refusal the dialler must neither be in nor give up: a policy that admits it later is enough, nothing is restarted. */
Test(zap, refuses_an_unknown_key_until_it_is_admitted)
{
	struct gate g;
	struct keys peer;
	struct torap_zmessage m;
	gate_init(&g);
	make_keys(&peer);
	struct torap_zdealer *dialler = dial(&g, &peer, g.own.public_key, "hello");
	run_until_refused(&g, 1);
	cr_assert_not(is_heard(&m, g.listener));
	g.admitted = peer.public_key;
	run_until_heard(&g, g.listener, "hello", &m);
	torap_zmessage_finish(&m);
	cr_assert_eq(torap_zap_refused(g.zap), 1);
	torap_zdealer_close(dialler, NULL, NULL);
	gate_finish(&g);
}

/* A stranger and a plain peer knock while a known peer is let in; only the known peer's words arrive. */
Test(zap, lets_nothing_through_from_a_wrong_key_or_without_one)
{
	struct gate g;
	struct keys known, stranger;
	struct torap_zmessage m;
	gate_init(&g);
	make_keys(&known);
	make_keys(&stranger);
	g.admitted = known.public_key;
	struct torap_zdealer *refused = dial(&g, &stranger, g.own.public_key, "refused");
	struct torap_zdealer *misled = dial(&g, &known, stranger.public_key, "misled");
	struct torap_zdealer *plain = dial(&g, NULL, NULL, "plain");
	run_until_refused(&g, 1);
	struct torap_zdealer *dialler = dial(&g, &known, g.own.public_key, "known");
	run_until_heard(&g, g.listener, "known", &m);
	torap_zmessage_finish(&m);
	for (int i = 0; i < 40; i++) {
		uv_run(&g.loop, UV_RUN_NOWAIT);
		cr_assert_not(is_heard(&m, g.listener));
	}
	struct torap_zdealer *all[] = { refused, misled, plain, dialler };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		torap_zdealer_close(all[i], NULL, NULL);
	gate_finish(&g);
}

/* Listeners close first; but if one does not, closing the handler must not open the gate. */
Test(zap, leaves_the_gate_shut_when_it_closes_before_its_listener)
{
	struct gate g;
	struct keys peer;
	gate_init(&g);
	make_keys(&peer);
	g.admitted = peer.public_key;
	close_zap(&g);
	struct torap_zdealer *dialler = dial(&g, &peer, g.own.public_key, "hello");
	struct torap_zmessage m;
	for (int i = 0; i < 40; i++)
		cr_assert_not(is_heard(&m, g.listener));
	torap_zdealer_close(dialler, NULL, NULL);
	gate_finish(&g);
}

/* Agents come over ipc:// without keys, in the same process. */
Test(zap, is_not_asked_about_listeners_without_keys)
{
	struct gate g;
	struct torap_error err;
	struct torap_zsocket_options options = { 0 };
	gate_init(&g);
	void *listener = torap_zsocket_listen(g.context, "tcp://127.0.0.1:*", &options, &err);
	cr_assert(listener, "%s", err.text);
	cr_assert(torap_zsocket_endpoint(listener, g.endpoint, sizeof g.endpoint));
	struct torap_zdealer *dialler = dial(&g, NULL, NULL, "hello");
	struct torap_zmessage m;
	run_until_heard(&g, listener, "hello", &m);
	torap_zmessage_finish(&m);
	cr_assert_eq(g.asked, 0);
	torap_zdealer_close(dialler, NULL, NULL);
	torap_zsocket_close(listener);
	gate_finish(&g);
}

/* What libzmq never sends.  Each is answered, none is admitted, and the handler goes on. */
struct odd_request {
	const char *name;
	const char *frames[9];
	const char *code;
};

static const char key_text[] = "0123456789abcdef0123456789abcdef";

static const struct odd_request odd_requests[] = {
	{ "another version", { "2.0", "1", "torap", "10.0.0.1", "", "CURVE", key_text }, "500" },
	{ "nothing but a version", { "1.0" }, "500" },
	{ "no key", { "1.0", "1", "torap", "10.0.0.1", "", "CURVE" }, "500" },
	{ "a short key", { "1.0", "1", "torap", "10.0.0.1", "", "CURVE", "short" }, "500" },
	{ "two keys", { "1.0", "1", "torap", "10.0.0.1", "", "CURVE", key_text, key_text }, "500" },
	{ "a password", { "1.0", "1", "torap", "10.0.0.1", "", "PLAIN", "user", "password" }, "300" },
	{ "no mechanism", { "1.0", "1", "torap", "10.0.0.1", "", "NULL" }, "300" },
	{ "another key", { "1.0", "1", "torap", "10.0.0.1", "", "CURVE", key_text }, "300" },
};

static void send_request(void *asker, const struct odd_request *q)
{
	zmq_send(asker, "", 0, ZMQ_SNDMORE);
	for (int i = 0; q->frames[i]; i++)
		zmq_send(asker, q->frames[i], strlen(q->frames[i]), q->frames[i + 1] ? ZMQ_SNDMORE : 0);
}

static void check_refusal(struct gate *g, void *asker, const char *name, const char *code)
{
	zmq_pollitem_t item = { asker, 0, ZMQ_POLLIN, 0 };
	for (int ms = 0; zmq_poll(&item, 1, 5) == 0; ms += 5) {
		cr_assert_lt(ms, WAIT_MS, "%s: no answer", name);
		uv_run(&g->loop, UV_RUN_NOWAIT);
	}
	struct torap_zmessage m;
	cr_assert_eq(torap_zmessage_receive(&m, asker, false), 0);
	cr_assert_eq(m.count, 7, "%s: %zu frames", name, m.count);
	cr_assert_eq(memcmp(m.frames[3]->data, code, 3), 0, "%s: %.3s", name, m.frames[3]->data);
	cr_assert_eq(m.frames[5]->size, 0, "%s: has a user id", name);
	torap_zmessage_finish(&m);
}

Test(zap, answers_every_malformed_request_and_admits_none)
{
	enum { ODD = sizeof odd_requests / sizeof odd_requests[0] };
	struct gate g;
	gate_init(&g);
	void *asker = zmq_socket(g.context, ZMQ_DEALER);
	cr_assert_eq(zmq_connect(asker, "inproc://zeromq.zap.01"), 0);
	for (size_t i = 0; i < ODD; i++) {
		send_request(asker, &odd_requests[i]);
		check_refusal(&g, asker, odd_requests[i].name, odd_requests[i].code);
	}
	static char huge[1000];
	memset(huge, '1', sizeof huge - 1);
	struct odd_request long_frame = { "a long frame", { "1.0", huge, "torap", "", "", "CURVE", key_text },
		"500" };
	send_request(asker, &long_frame);
	check_refusal(&g, asker, long_frame.name, long_frame.code);
	struct odd_request empty = { "one empty frame", { "" }, "500" };
	send_request(asker, &empty);
	check_refusal(&g, asker, empty.name, empty.code);
	cr_assert_eq(torap_zap_refused(g.zap), ODD + 2);
	torap_zsocket_close(asker);
	gate_finish(&g);
}

Test(zap, is_there_once_in_a_context)
{
	struct gate g;
	struct torap_error err = { "" };
	struct torap_zap *second = NULL;
	gate_init(&g);
	cr_assert_lt(torap_zap_open(&second, &g.loop, g.context, on_admit, &g, &err), 0);
	cr_assert_null(second);
	cr_assert_neq(err.text[0], '\0');
	gate_finish(&g);
}

Test(zap, closing_nothing_is_closed_at_once)
{
	struct gate g = { 0 };
	torap_zap_close(NULL, on_closed, &g);
	cr_assert(g.closed);
}
