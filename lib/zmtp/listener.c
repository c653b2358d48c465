#include "zmtp/listener.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/log.h"
#include "zmtp/endpoint.h"
#include "zmtp/wire.h"

enum {
	BACKLOG =
		4096, /* connections not yet accepted: after a restart thousands come at once; the kernel bounds it by somaxconn */
	HANDSHAKE_MS =
		5000, /* how long a scanner may hold a descriptor, and a refused dialler waits before it asks again */
	HANDSHAKES_A_TURN = 32, /* steps, of up to 0.15 ms each: alarms pass when thousands come at once */
	ACCEPTS_A_TURN = 64,    /* some 10 µs each, likewise */
	TICK_MS = 100,
	GREET_MS = 10000, /* until an admitted peer is marked */
	GREETERS_OF_KEY =
		8, /* that wait for it: a key has six sessions at most, and some whose end was not heard yet */
	DESCRIPTORS_LEFT = 128, /* for the rest of the process */
	LAST_SIZE = 2 << 20,    /* sent at the end to all */
	MODE = 0660,            /* of a local socket's file */
};

struct torap_zmtp_peer {
	struct torap_zmtp_wire wire; /* first, as its connection is in it */
	struct torap_zmtp_listener *listener;
	struct torap_zmtp_peer *previous, *next; /* of those that are timed, or of the others */
	struct torap_zmtp_peer *greeter_before, *greeter_after;
	uint64_t deadline_ms; /* timed: when it is cut */
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	void *mark;
	unsigned faults;
	bool timed;
	bool greets; /* its key was admitted, and it has no mark */
	bool mute;   /* nothing of it is told any more */
};

struct peer_list {
	struct torap_zmtp_peer *first, *last; /* the newest, the oldest */
};

struct torap_zmtp_listener {
	struct torap_zmtp_options options;
	struct torap_zmtp_manners manners;
	uv_loop_t *loop;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	};
	uv_timer_t tick;
	uv_check_t check;     /* after what came: on_turn */
	uv_prepare_t prepare; /* before the loop sleeps: connections that wait are taken */
	uv_idle_t idle;       /* a turn is due: do not sleep */
	struct peer_list timed, others;
	struct torap_zmtp_peer *greeters; /* the newest first; few: who is honest says hello at once */
	unsigned handshakes;              /* steps of them in this turn */
	unsigned accepts;                 /* in this turn */
	bool turn_due;
	bool accept_due;    /* a connection waits for its turn, or for memory */
	bool accept_failed; /* said so, in this tick */
	uint64_t connections_max;
	size_t handles;
	void (*on_closed)(void *hint);
	void *closed_hint;
};

static void accept_one(struct torap_zmtp_listener *l);

static struct torap_zmtp_peer *peer_of(struct torap_zmtp_connection *c)
{
	return (struct torap_zmtp_peer *)c;
}

static struct torap_zmtp_peer *peer_at(struct torap_zmtp_wire *w)
{
	return (struct torap_zmtp_peer *)w;
}

/* --- lists --- */

static struct peer_list *list_of(struct torap_zmtp_peer *p)
{
	return p->timed ? &p->listener->timed : &p->listener->others;
}

static void join_list(struct torap_zmtp_peer *p)
{
	struct peer_list *list = list_of(p);
	p->previous = NULL;
	p->next = list->first;
	if (p->next)
		p->next->previous = p;
	else
		list->last = p;
	list->first = p;
}

static void leave_list(struct torap_zmtp_peer *p)
{
	if (p->next)
		p->next->previous = p->previous;
	else
		list_of(p)->last = p->previous;
	if (p->previous)
		p->previous->next = p->next;
	else
		list_of(p)->first = p->next;
}

static void set_deadline(struct torap_zmtp_peer *p, bool timed, unsigned after_ms)
{
	leave_list(p);
	p->timed = timed;
	p->deadline_ms = uv_now(p->listener->loop) + after_ms;
	join_list(p);
}

static void begin_greeting(struct torap_zmtp_peer *p)
{
	struct torap_zmtp_listener *l = p->listener;
	if (p->greets || l->manners.plain)
		return;
	p->greets = true;
	p->greeter_before = NULL;
	p->greeter_after = l->greeters;
	if (l->greeters)
		l->greeters->greeter_before = p;
	l->greeters = p;
}

static void end_greeting(struct torap_zmtp_peer *p)
{
	if (!p->greets)
		return;
	p->greets = false;
	if (p->greeter_after)
		p->greeter_after->greeter_before = p->greeter_before;
	if (p->greeter_before)
		p->greeter_before->greeter_after = p->greeter_after;
	else
		p->listener->greeters = p->greeter_after;
}

/* --- ends --- */

static void let_go(struct torap_zmtp_listener *l)
{
	if (--l->handles > 0)
		return;
	void (*on_closed)(void *) = l->on_closed;
	void *hint = l->closed_hint;
	torap_zmtp_turn_release(l->options.turn);
	sodium_memzero(&l->manners, sizeof l->manners);
	free(l);
	if (on_closed)
		on_closed(hint);
}

static void on_handle_closed(uv_handle_t *handle)
{
	let_go(handle->data);
}

static void on_peer_closed(struct torap_zmtp_wire *w)
{
	struct torap_zmtp_peer *p = peer_at(w);
	let_go(p->listener);
	free(p);
}

static void close_peer(struct torap_zmtp_peer *p)
{
	if (p->wire.closing)
		return;
	p->mute = true;
	end_greeting(p);
	leave_list(p);
	p->listener->options.counts->connections--;
	torap_zmtp_wire_close(&p->wire);
}

/* It went, or cannot go on: `why` is NULL when that was its own choice. */
static void lose(struct torap_zmtp_peer *p, const char *why)
{
	struct torap_zmtp_listener *l = p->listener;
	bool tell = p->wire.connection.state == TORAP_ZMTP_OPEN && !p->mute;
	if (why) {
		l->options.counts->broken++;
		torap_debug("CONNECTION-BROKEN", "a connection ended: %s", why);
	}
	close_peer(p);
	if (!tell)
		return;
	l->turn_due = true;
	l->options.on_gone(l->options.hint, p);
}

static void on_lost(struct torap_zmtp_wire *w, const char *why)
{
	lose(peer_at(w), why);
}

void torap_zmtp_cut(struct torap_zmtp_peer *p, unsigned after_ms)
{
	p->mute = true;
	end_greeting(p);
	if (!after_ms)
		close_peer(p);
	else if (!p->wire.closing)
		set_deadline(p, true, after_ms);
}

/* --- messages --- */

bool torap_zmtp_send(struct torap_zmtp_peer *p, struct torap_buffer *const *frames, size_t count)
{
	if (p->wire.closing || torap_zmtp_put(&p->wire.connection, frames, count))
		return false;
	torap_zmtp_wire_due(&p->wire);
	return true;
}

size_t torap_zmtp_queued(const struct torap_zmtp_peer *p)
{
	return p->wire.connection.queued;
}

static bool may_step(struct torap_zmtp_wire *w)
{
	return peer_at(w)->listener->handshakes++ < HANDSHAKES_A_TURN;
}

static void on_message(struct torap_zmtp_connection *c, struct torap_buffer **frames, size_t count)
{
	struct torap_zmtp_peer *p = peer_of(c);
	struct torap_zmtp_options *o = &p->listener->options;
	if (p->mute)
		return;
	p->listener->turn_due = true;
	o->on_message(o->hint, p, frames, count);
}

static void read_address(const struct torap_zmtp_peer *p, char *text, size_t size)
{
	struct sockaddr_storage address;
	int length = sizeof address;
	if (p->listener->manners.plain)
		snprintf(text, size, "local");
	else if (uv_tcp_getpeername(&p->wire.tcp, (struct sockaddr *)&address, &length) != 0 ||
		 uv_ip_name((struct sockaddr *)&address, text, size) != 0)
		snprintf(text, size, "?");
}

/* Of one key that is admitted and comes without an end, the oldest goes that has not said who it is. */
static void make_room_of_key(struct torap_zmtp_listener *l, const uint8_t *key)
{
	struct torap_zmtp_peer *oldest = NULL;
	unsigned count = 0;
	for (struct torap_zmtp_peer *p = l->greeters; p; p = p->greeter_after) {
		if (memcmp(p->key, key, sizeof p->key) != 0)
			continue;
		oldest = p;
		count++;
	}
	if (count >= GREETERS_OF_KEY)
		lose(oldest, "too many of its key without a session");
}

static bool admit(struct torap_zmtp_connection *c, const uint8_t *key)
{
	struct torap_zmtp_peer *p = peer_of(c);
	struct torap_zmtp_options *o = &p->listener->options;
	char address[INET6_ADDRSTRLEN];
	if (key)
		memcpy(p->key, key, sizeof p->key);
	read_address(p, address, sizeof address);
	if (key && !o->admit(o->hint, key, address)) {
		o->counts->refused++;
		return false;
	}
	if (key)
		make_room_of_key(p->listener, key);
	begin_greeting(p);
	set_deadline(p, true, GREET_MS);
	return true;
}

/* --- connections --- */

/* Who is not known yet goes for who comes, the oldest first: it had the most time. */
static void make_room(struct torap_zmtp_listener *l)
{
	if (l->timed.last)
		lose(l->timed.last, "no room for connections");
}

static const struct torap_zmtp_wire_owner owner = {
	.on_lost = on_lost, .on_closed = on_peer_closed, .may_step = may_step
};

/* As long as a connection is not taken, libuv asks for no further one. */
static void accept_one(struct torap_zmtp_listener *l)
{
	l->accept_due = true;
	if (l->accepts >= ACCEPTS_A_TURN)
		return;
	if (l->options.counts->connections >= l->connections_max)
		make_room(l);
	struct torap_zmtp_peer *p =
		l->options.counts->connections < l->connections_max ? calloc(1, sizeof *p) : NULL;
	if (!p)
		return;
	l->accept_due = false;
	l->accepts++;
	p->listener = l;
	if (l->manners.plain)
		uv_pipe_init(l->loop, &p->wire.pipe, 0);
	else
		uv_tcp_init(l->loop, &p->wire.tcp);
	l->handles++;
	l->options.counts->connections++;
	l->options.counts->accepted++;
	p->timed = true;
	p->deadline_ms = uv_now(l->loop) + HANDSHAKE_MS;
	join_list(p);
	/* Accepted in any case, also when memory has run out: else the listener would hear nobody any more. */
	int failed = torap_zmtp_wire_begin(&p->wire, l->options.turn, &owner, &l->manners);
	if (uv_accept(&l->stream, &p->wire.stream) || failed ||
		(!l->manners.plain && torap_zmtp_wire_set_tcp(&p->wire)) || torap_zmtp_wire_start(&p->wire))
		close_peer(p);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct torap_zmtp_listener *l = stream->data;
	if (status >= 0) {
		accept_one(l);
		return;
	}
	/* libuv tries again at once and until it is not refused: make room. */
	if (!l->accept_failed)
		torap_warn("CONNECTION-LOST", "a connection could not be taken: %s", uv_strerror(status));
	l->accept_failed = true;
	make_room(l);
}

static void cut_overdue(struct torap_zmtp_peer *p)
{
	if (p->mute)
		close_peer(p);
	else
		lose(p, p->wire.connection.state == TORAP_ZMTP_REFUSED ? NULL
			: p->wire.connection.state == TORAP_ZMTP_OPEN  ? "no session after the handshake"
								       : "the handshake takes too long");
}

static void on_tick(uv_timer_t *tick)
{
	struct torap_zmtp_listener *l = tick->data;
	uint64_t now = uv_now(l->loop);
	for (struct torap_zmtp_peer *p = l->timed.first, *next; p; p = next) {
		next = p->next;
		if (p->deadline_ms <= now)
			cut_overdue(p);
	}
	l->accept_failed = false;
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* That it is there keeps the loop awake. */
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct torap_zmtp_listener *l = prepare->data;
	l->handshakes = l->accepts = 0;
	if (l->accept_due)
		accept_one(l);
	if (l->turn_due)
		uv_idle_start(&l->idle, on_idle);
	else
		uv_idle_stop(&l->idle);
}

static void on_check(uv_check_t *check)
{
	struct torap_zmtp_listener *l = check->data;
	if (!l->turn_due)
		return;
	l->turn_due = false;
	if (l->options.on_turn)
		l->options.on_turn(l->options.hint);
}

/* --- the listener --- */

static uint64_t most_connections(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= 2 * DESCRIPTORS_LEFT)
		return DESCRIPTORS_LEFT;
	return limit.rlim_cur - DESCRIPTORS_LEFT;
}

/* What it listens with and all its other handles; they are closed together. */
static void init_handles(struct torap_zmtp_listener *l)
{
	uv_handle_t *handles[] = { &l->handle, (uv_handle_t *)&l->tick, (uv_handle_t *)&l->check,
		(uv_handle_t *)&l->prepare, (uv_handle_t *)&l->idle };
	if (l->manners.plain)
		uv_pipe_init(l->loop, &l->pipe, 0);
	else
		uv_tcp_init(l->loop, &l->tcp);
	uv_timer_init(l->loop, &l->tick);
	uv_check_init(l->loop, &l->check);
	uv_prepare_init(l->loop, &l->prepare);
	uv_idle_init(l->loop, &l->idle);
	l->handles = sizeof handles / sizeof handles[0];
	for (size_t i = 0; i < l->handles; i++)
		handles[i]->data = l;
	uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS);
	uv_check_start(&l->check, on_check);
	uv_prepare_start(&l->prepare, on_prepare);
}

static int listen_tcp(struct torap_zmtp_listener *l, const char *endpoint, struct torap_error *err)
{
	struct sockaddr_storage address = { 0 };
	int r = torap_zmtp_endpoint_read(&address, endpoint, err);
	if (r)
		return r;
	r = uv_tcp_bind(&l->tcp, (const struct sockaddr *)&address, 0);
	if (!r)
		r = uv_listen(&l->stream, BACKLOG, on_connection);
	return r ? torap_errorf(err, r, "cannot listen on %s: %s", endpoint, strerror(-r)) : 0;
}

static int listen_local(struct torap_zmtp_listener *l, const char *endpoint, struct torap_error *err)
{
	const char *path = torap_zmtp_endpoint_path(endpoint);
	int r = torap_zmtp_endpoint_clear(path);
	if (!r)
		r = uv_pipe_bind(&l->pipe, path);
	if (!r && chmod(path, MODE) < 0)
		r = -errno;
	if (!r)
		r = uv_listen(&l->stream, BACKLOG, on_connection);
	return r ? torap_errorf(err, r, "cannot listen on %s: %s", endpoint,
			   r == -EEXIST       ? "the file is there and is no socket"
			   : r == -EADDRINUSE ? "another process listens there"
					      : strerror(-r))
		 : 0;
}

int torap_zmtp_listen(struct torap_zmtp_listener **out, const char *endpoint,
	const struct torap_zmtp_options *options, struct torap_error *err)
{
	bool local = torap_zmtp_endpoint_path(endpoint);
	assert(local ? !options->secret_key : options->secret_key && options->public_key && options->admit);
	struct torap_zmtp_listener *l = calloc(1, sizeof *l);
	if (!l)
		return torap_errorf(err, -ENOMEM, "cannot listen on %s: out of memory", endpoint);
	l->options = *options;
	l->manners = (struct torap_zmtp_manners){ .plain = local, .admit = admit, .on_message = on_message };
	if (!local) {
		memcpy(l->manners.keys.secret, options->secret_key, sizeof l->manners.keys.secret);
		memcpy(l->manners.keys.public, options->public_key, sizeof l->manners.keys.public);
	}
	l->loop = torap_zmtp_turn_loop(options->turn);
	l->connections_max = most_connections();
	torap_zmtp_turn_hold(options->turn);
	init_handles(l);
	int r = local ? listen_local(l, endpoint, err) : listen_tcp(l, endpoint, err);
	if (r) {
		torap_zmtp_close(l, NULL, NULL);
		return r;
	}
	*out = l;
	return 0;
}

void torap_zmtp_endpoint(const struct torap_zmtp_listener *l, char *text, size_t size)
{
	struct sockaddr_storage address;
	int length = sizeof address;
	if (!l->manners.plain && uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&address, &length) == 0)
		torap_zmtp_endpoint_write(&address, text, size);
	else
		snprintf(text, size, "?");
}

static void say_last(struct torap_zmtp_peer *first, size_t *sealed)
{
	for (struct torap_zmtp_peer *p = first, *next; p; p = next) {
		next = p->next; /* It may be lost meanwhile. */
		p->mute = true;
		if (*sealed < LAST_SIZE)
			*sealed += torap_zmtp_wire_flush(&p->wire);
	}
}

void torap_zmtp_close(struct torap_zmtp_listener *l, void (*on_closed)(void *hint), void *hint)
{
	if (!l) {
		if (on_closed)
			on_closed(hint);
		return;
	}
	l->on_closed = on_closed;
	l->closed_hint = hint;
	size_t sealed = 0;
	say_last(l->timed.first, &sealed);
	say_last(l->others.first, &sealed);
	while (l->timed.first)
		close_peer(l->timed.first);
	while (l->others.first)
		close_peer(l->others.first);
	uv_close(&l->handle, on_handle_closed);
	uv_close((uv_handle_t *)&l->tick, on_handle_closed);
	uv_close((uv_handle_t *)&l->check, on_handle_closed);
	uv_close((uv_handle_t *)&l->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&l->idle, on_handle_closed);
}

/* --- a peer --- */

const uint8_t *torap_zmtp_key(const struct torap_zmtp_peer *p)
{
	return p->key;
}

void *torap_zmtp_mark(const struct torap_zmtp_peer *p)
{
	return p->mark;
}

void torap_zmtp_set_mark(struct torap_zmtp_peer *p, void *mark)
{
	p->mark = mark;
	p->wire.connection.known = mark;
	if (p->mute) /* It is being cut. */
		return;
	set_deadline(p, !mark, GREET_MS);
	if (mark)
		end_greeting(p);
	else
		begin_greeting(p);
}

void torap_zmtp_set_urgent(struct torap_zmtp_peer *p, bool urgent)
{
	p->wire.urgent = urgent;
}

unsigned torap_zmtp_fault(struct torap_zmtp_peer *p)
{
	return ++p->faults;
}

int torap_zmtp_fd(const struct torap_zmtp_peer *p)
{
	return torap_zmtp_wire_fd(&p->wire);
}
