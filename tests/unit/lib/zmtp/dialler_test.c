#include "zmtp/dialler.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hall.h"
#include "kit/temporary.h"

enum { OURS = KNOWN, LARGE = 3 << 20, MANY = 700 };

/* Who dials, on a hall's loop. */
struct caller {
	struct hall *h;
	struct torap_zmtp_dialler *d;
	unsigned opened, messages, gone;
	bool strange;
	size_t frames, bytes; /* of the latest message */
	char text[64];        /* its first frame */
	char why[128];
	bool hangs_up; /* at the next message */
};

static void on_caller_message(void *hint, struct torap_buffer **frames, size_t count)
{
	struct caller *c = hint;
	c->messages++;
	c->frames = count;
	c->bytes = 0;
	for (size_t i = 0; i < count; i++)
		c->bytes += frames[i]->size;
	snprintf(c->text, sizeof c->text, "%.*s", (int)(frames[0]->size < 60 ? frames[0]->size : 60),
		(const char *)frames[0]->data);
	if (c->hangs_up)
		c->d = torap_zmtp_hang_up(c->d);
}

static void on_caller_open(void *hint)
{
	struct caller *c = hint;
	cr_assert_eq(c->messages, 0u);
	c->opened++;
}

static void on_caller_gone(void *hint, const char *why, bool strange)
{
	struct caller *c = hint;
	c->gone++;
	c->strange = strange;
	snprintf(c->why, sizeof c->why, "%s", why);
	c->d = torap_zmtp_hang_up(c->d);
}

static void call_as(struct caller *c, struct hall *h, const char *endpoint, const uint8_t *server)
{
	uint8_t public[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	struct torap_error err;
	bool local = strncmp(endpoint, "ipc://", 6) == 0;
	*c = (struct caller){ .h = h };
	zmtp_keys(OURS, public, secret);
	struct torap_zmtp_dial_options options = { .turn = h->turn,
		.secret_key = local ? NULL : secret,
		.public_key = local ? NULL : public,
		.server_key = local ? NULL : server,
		.on_message = on_caller_message,
		.on_open = on_caller_open,
		.on_gone = on_caller_gone,
		.hint = c };
	cr_assert_eq(torap_zmtp_dial(&c->d, endpoint, &options, &err), 0, "%s", err.text);
	cr_assert_eq(c->gone, 0u, "nothing is told from within");
}

static void call(struct caller *c, struct hall *h)
{
	call_as(c, h, h->endpoint, h->public);
}

static void say_text(struct caller *c, const char *text)
{
	struct torap_buffer *frame = torap_buffer_copy(torap_bytes(text, strlen(text)));
	cr_assert(torap_zmtp_say(c->d, &frame, 1));
	torap_buffer_unref(frame);
}

static void ipc_endpoint(char dir[static 64], char *endpoint, size_t size)
{
	temporary_dir(dir, 64, "zmtp");
	snprintf(endpoint, size, "ipc://%s/socket", dir);
}

/* There and back: a word that waited for the connection, a large frame, an empty one, many. */
static void exchange_all(struct hall *h, struct caller *c)
{
	struct torap_buffer *large = torap_buffer_create(LARGE), *many[MANY];
	memset(large->data, 7, LARGE);
	struct torap_buffer *three[] = { large, NULL, large };
	for (size_t i = 0; i < MANY; i++)
		many[i] = i % 2 ? NULL : large;
	say_text(c, "hello");
	run_until(h, c->messages == 1);
	cr_assert_str_eq(c->text, "hello");
	cr_assert_eq(c->opened, 1u);
	cr_assert(torap_zmtp_say(c->d, three, 3));
	run_until(h, c->messages == 2);
	cr_assert_eq(c->frames, 3u);
	cr_assert_eq(c->bytes, (size_t)2 * LARGE);
	many[0] = NULL;
	for (size_t i = 0; i < MANY; i++)
		many[i] = NULL;
	cr_assert(torap_zmtp_say(c->d, many, MANY));
	run_until(h, c->messages == 3);
	cr_assert_eq(c->frames, (size_t)MANY);
	cr_assert_eq(c->bytes, 0u);
	torap_buffer_unref(large);
}

Test(dialler, talks_to_a_listener_over_tcp)
{
	struct hall h;
	struct caller c;
	hall_init(&h, "tcp://127.0.0.1:*");
	call(&c, &h);
	exchange_all(&h, &c);
	cr_assert_geq(torap_zmtp_dialler_fd(c.d), 0);
	torap_zmtp_hang_up(c.d);
	run_until(&h, h.gone == 1);
	hall_finish(&h);
}

Test(dialler, talks_to_a_listener_within_the_machine)
{
	char dir[64], endpoint[128];
	struct hall h;
	struct caller c;
	ipc_endpoint(dir, endpoint, sizeof endpoint);
	hall_init(&h, endpoint);
	call(&c, &h);
	exchange_all(&h, &c);
	cr_assert_eq(h.asked, 0u, "there are no keys to be admitted");
	torap_zmtp_hang_up(c.d);
	run_until(&h, h.gone == 1);
	hall_finish(&h);
	cr_assert_eq(rmdir(dir), 0, "the socket's file has stayed");
}

/* libzmq's ROUTER, which says back what it hears. */
static void talk_to_libzmq(const char *bind, const uint8_t *secret, const uint8_t *public)
{
	struct hall h;
	struct caller c;
	char endpoint[128];
	struct zmq_peer_message m;
	hall_init(&h, "tcp://127.0.0.1:*");
	void *router = zmq_peer_listen(h.context, bind, secret);
	zmq_peer_endpoint(router, endpoint, sizeof endpoint);
	call_as(&c, &h, endpoint, public);
	for (unsigned i = 1; i <= 3; i++) {
		say_text(&c, "to libzmq");
		run_until(&h, zmq_peer_receive(&m, router, true));
		cr_assert(zmq_peer_send(router, m.id, m.id_size, m.frames, m.count));
		zmq_peer_finish(&m);
		run_until(&h, c.messages == i);
		cr_assert_str_eq(c.text, "to libzmq");
	}
	zmq_peer_close(router);
	run_until(&h, c.gone == 1);
	hall_finish(&h);
}

Test(dialler, talks_to_libzmq_with_keys)
{
	uint8_t public[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	zmtp_keys(9, public, secret);
	talk_to_libzmq("tcp://127.0.0.1:*", secret, public);
}

Test(dialler, talks_to_libzmq_within_the_machine)
{
	char dir[64], endpoint[128];
	ipc_endpoint(dir, endpoint, sizeof endpoint);
	talk_to_libzmq(endpoint, NULL, NULL);
	rmdir(dir);
}

/* libzmq ends a connection whose other side does not answer its PING. */
Test(dialler, answers_libzmqs_heartbeats)
{
	uint8_t public[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	int interval = 20, timeout = 200, yes = 1;
	struct hall h;
	struct caller c;
	char endpoint[128];
	struct zmq_peer_message m;
	hall_init(&h, "tcp://127.0.0.1:*");
	zmtp_keys(9, public, secret);
	void *router = zmq_socket(h.context, ZMQ_ROUTER);
	zmq_setsockopt(router, ZMQ_CURVE_SERVER, &yes, sizeof yes);
	zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);
	zmq_setsockopt(router, ZMQ_HEARTBEAT_IVL, &interval, sizeof interval);
	zmq_setsockopt(router, ZMQ_HEARTBEAT_TIMEOUT, &timeout, sizeof timeout);
	cr_assert_eq(zmq_bind(router, "tcp://127.0.0.1:*"), 0);
	zmq_peer_endpoint(router, endpoint, sizeof endpoint);
	call_as(&c, &h, endpoint, public);
	say_text(&c, "hello");
	run_until(&h, zmq_peer_receive(&m, router, true));
	zmq_peer_finish(&m);
	run_for(&h, 5 * timeout);
	cr_assert_eq(c.gone, 0u, "%s", c.why);
	torap_zmtp_hang_up(c.d);
	zmq_peer_close(router);
	hall_finish(&h);
}

Test(dialler, finds_a_listener_by_name)
{
	struct hall h;
	struct caller c;
	char endpoint[128];
	hall_init(&h, "tcp://127.0.0.1:*");
	snprintf(endpoint, sizeof endpoint, "tcp://localhost%s", strrchr(h.endpoint, ':'));
	call_as(&c, &h, endpoint, h.public);
	say_text(&c, "hello");
	run_until(&h, c.messages == 1);
	torap_zmtp_hang_up(c.d);
	hall_finish(&h);
}

static void tells(const char *endpoint, const char *why)
{
	struct hall h;
	struct caller c;
	hall_init(&h, "tcp://127.0.0.1:*");
	call_as(&c, &h, endpoint, h.public);
	say_text(&c, "into nothing");
	run_until(&h, c.gone == 1);
	cr_assert(strstr(c.why, why), "%s", c.why);
	cr_assert(!c.strange && !c.opened);
	run_for(&h, 50);
	cr_assert_eq(c.gone, 1u, "told twice");
	hall_finish(&h);
}

Test(dialler, tells_that_nobody_listens)
{
	tells("tcp://127.0.0.1:1", "refused");
	tells("ipc:///nonexistent/socket", "no such file");
}

Test(dialler, tells_that_the_listener_has_another_key)
{
	uint8_t public[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	struct hall h;
	struct caller c;
	hall_init(&h, "tcp://127.0.0.1:*");
	zmtp_keys(STRANGE, public, secret);
	call_as(&c, &h, h.endpoint, public);
	say_text(&c, "not for you");
	run_until(&h, c.gone == 1);
	cr_assert_eq(h.messages, 0u);
	hall_finish(&h);
}

/* It hears of its refusal by the end of the connection, and nothing that it said is heard. */
Test(dialler, waits_in_vain_when_its_key_is_not_admitted)
{
	struct hall h;
	struct caller c;
	hall_init(&h, "tcp://127.0.0.1:*");
	h.admitted = STRANGE;
	call(&c, &h);
	say_text(&c, "let me in");
	run_until(&h, c.gone == 1);
	cr_assert_eq(h.asked, 1u);
	cr_assert_eq(h.messages, 0u);
	hall_finish(&h);
}

/* A listener by hand: its socket. */
static int listen_raw(char *endpoint, size_t size)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0 &&
		  getsockname(fd, (struct sockaddr *)&at, &length) == 0);
	snprintf(endpoint, size, "tcp://127.0.0.1:%u", ntohs(at.sin_port));
	return fd;
}

Test(dialler, tells_that_something_else_listens)
{
	static const char strange[2][ZMTP_GREETING_SIZE] = { "HTTP/1.1 400 Bad Request\r\n\r\n",
		"\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL" };
	for (size_t i = 0; i < 2; i++) {
		struct hall h;
		struct caller c;
		char endpoint[128];
		int fd = listen_raw(endpoint, sizeof endpoint);
		hall_init(&h, "tcp://127.0.0.1:*");
		call_as(&c, &h, endpoint, h.public);
		run_for(&h, 20);
		int peer = accept(fd, NULL, NULL);
		cr_assert_eq(write(peer, strange[i], sizeof strange[i]), (ssize_t)sizeof strange[i]);
		run_until(&h, c.gone == 1);
		cr_assert(strstr(c.why, i ? "another mechanism" : "not ZMTP"), "%s", c.why);
		cr_assert(c.strange && !c.opened);
		close(peer);
		close(fd);
		hall_finish(&h);
	}
}

/* Bounded, also while nobody answers. */
Test(dialler, keeps_so_many_messages_and_no_more)
{
	struct hall h;
	struct caller c;
	char endpoint[128];
	unsigned kept = 0;
	struct torap_buffer *frame = torap_buffer_copy(torap_bytes("x", 1));
	int fd = listen_raw(endpoint, sizeof endpoint);
	hall_init(&h, "tcp://127.0.0.1:*");
	call_as(&c, &h, endpoint, h.public);
	while (kept < 1 << 17 && torap_zmtp_say(c.d, &frame, 1))
		kept++;
	cr_assert(kept >= (1 << 16) - 8 && kept <= 1 << 16, "%u", kept);
	torap_buffer_unref(frame);
	torap_zmtp_hang_up(c.d);
	close(fd);
	hall_finish(&h);
}

Test(dialler, hangs_up_at_any_moment)
{
	struct hall h;
	struct caller c;
	hall_init(&h, "tcp://127.0.0.1:*");
	for (unsigned turns = 0; turns < 12; turns++) {
		call(&c, &h);
		say_text(&c, "hello");
		for (unsigned i = 0; i < turns; i++)
			turn(&h);
		torap_zmtp_hang_up(c.d);
		call_as(&c, &h, turns % 2 ? "tcp://localhost:1" : "tcp://127.0.0.1:1", h.public);
		for (unsigned i = 0; i < turns / 4; i++)
			turn(&h);
		torap_zmtp_hang_up(c.d);
	}
	call(&c, &h);
	c.hangs_up = true;
	say_text(&c, "and back");
	run_until(&h, c.messages == 1);
	run_for(&h, 20);
	cr_assert_null(torap_zmtp_hang_up(NULL));
	hall_finish(&h);
}

Test(dialler, tells_that_the_listener_has_cut_it)
{
	struct hall h;
	struct caller c;
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = CUT_AT_ONCE;
	call(&c, &h);
	say_text(&c, "hello");
	run_until(&h, c.gone == 1);
	cr_assert_eq(h.messages, 1u);
	hall_finish(&h);
}

Test(dialler, names_the_endpoint_that_it_cannot_dial)
{
	static const char *const bad[] = { "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "nonsense",
		"pigeon://x", "ipc://", "" };
	struct torap_zmtp_dialler *d = NULL;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct torap_error err = { "" };
		struct torap_zmtp_dial_options options = { 0 };
		cr_assert_lt(torap_zmtp_dial(&d, bad[i], &options, &err), 0, "%s", bad[i]);
		cr_assert(err.text[0] && strstr(err.text, bad[i]), "%s", err.text);
		cr_assert_null(d);
	}
}
