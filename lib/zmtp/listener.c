#include "zmtp/listener.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/log.h"
#include "zmtp/connection.h"
#include "zmtp/endpoint.h"

enum {
	BACKLOG =
		4096, /* connections not yet accepted: after a restart thousands come at once; the kernel bounds it by somaxconn */
	HANDSHAKE_MS =
		5000, /* how long a scanner may hold a descriptor, and a refused dialler waits before it asks again */
	HANDSHAKES_A_TURN = 32, /* steps, of up to 0.15 ms each: alarms pass when thousands come at once */
	ACCEPTS_A_TURN = 64,    /* some 10 µs each, likewise */
	TICK_MS = 100,
	KEEPALIVE_IDLE_S = 30,
	KEEPALIVE_INTERVAL_S = 5,
	KEEPALIVE_COUNT = 3,
	GREET_MS = 10000,       /* until an admitted peer is marked */
	DESCRIPTORS_LEFT = 128, /* for the rest of the process */
	READ_SIZE = 64 << 10,   /* libuv reads 32 times as much of one peer at most before others */
	WRITE_SIZE =
		64
		<< 10, /* sealed at once for one peer, then others have their turn; a larger frame is sealed whole */
	TURN_SIZE =
		2
		<< 20, /* sealed in one turn of the loop, some 4 ms: alarms that come meanwhile wait for it */
	WRITES_A_TURN = 512,      /* likewise: of small messages it is not the sealing that takes time */
	SCRATCH_KEPT = 512 << 10, /* what stays of the memory for sealing */
};

struct torap_zmtp_peer {
	struct torap_zmtp_connection connection; /* first: connection.h's callbacks hand it back */
	struct torap_zmtp_listener *listener;
	struct torap_zmtp_peer *previous, *next; /* of those that are timed, or of the others */
	struct torap_zmtp_peer *next_dirty;
	uint64_t deadline_ms; /* timed: when it is cut */
	uv_tcp_t tcp;
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	void *mark;
	bool timed, dirty, urgent;
	bool writing; /* what the kernel did not take is libuv's */
	bool mute;    /* nothing of it is told any more */
	bool closing;
};

struct peer_list {
	struct torap_zmtp_peer *first, *last; /* the newest, the oldest */
};

/* Who has something that waits, oldest first. */
struct dirty_list {
	struct torap_zmtp_peer *first, *last;
};

struct torap_zmtp_listener {
	struct torap_zmtp_options options;
	struct torap_zmtp_manners manners;
	uv_loop_t *loop;
	uv_tcp_t tcp;
	uv_timer_t tick;
	uv_check_t check;     /* after what came: on_turn */
	uv_prepare_t prepare; /* before the loop sleeps: what waits is sent */
	uv_idle_t idle;       /* more waits than one turn sends: do not sleep */
	struct peer_list timed, others;
	struct dirty_list dirty, dirty_urgent;
	uint8_t *read;             /* READ_SIZE */
	struct torap_writer write; /* sealed, for one peer at a time */
	unsigned handshakes;       /* steps of them in this turn */
	unsigned accepts;          /* in this turn */
	bool turn_due;
	bool accept_due;    /* a connection waits for its turn, or for memory */
	bool accept_failed; /* said so, in this tick */
	uint64_t connections_max;
	size_t handles;
	void (*on_closed)(void *hint);
	void *closed_hint;
};

/* What the kernel did not take. */
struct rest {
	uv_write_t request;
	struct torap_zmtp_peer *peer;
	uint8_t data[];
};

static void accept_one(struct torap_zmtp_listener *l);

static struct torap_zmtp_peer *peer_of(struct torap_zmtp_connection *c)
{
	return (struct torap_zmtp_peer *)c;
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

static void mark_dirty(struct torap_zmtp_peer *p)
{
	if (p->dirty || p->closing)
		return;
	struct dirty_list *list = p->urgent ? &p->listener->dirty_urgent : &p->listener->dirty;
	p->dirty = true;
	p->next_dirty = NULL;
	if (list->first)
		list->last->next_dirty = p;
	else
		list->first = p;
	list->last = p;
}

static struct torap_zmtp_peer *take_dirty(struct dirty_list *list)
{
	struct torap_zmtp_peer *p = list->first;
	list->first = p->next_dirty;
	p->dirty = false;
	return p;
}

static void forget_dirty(struct dirty_list *list, const struct torap_zmtp_peer *p)
{
	struct torap_zmtp_peer *before = NULL;
	for (struct torap_zmtp_peer *at = list->first; at; before = at, at = at->next_dirty) {
		if (at != p)
			continue;
		if (before)
			before->next_dirty = p->next_dirty;
		else
			list->first = p->next_dirty;
		if (list->last == p)
			list->last = before;
		return;
	}
}

/* --- ends --- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct torap_zmtp_listener *l = handle->data;
	if (--l->handles > 0)
		return;
	void (*on_closed)(void *) = l->on_closed;
	void *hint = l->closed_hint;
	torap_writer_finish(&l->write);
	free(l->read);
	sodium_memzero(&l->manners, sizeof l->manners);
	free(l);
	if (on_closed)
		on_closed(hint);
}

static void on_peer_closed(uv_handle_t *handle)
{
	struct torap_zmtp_peer *p = handle->data;
	struct torap_zmtp_listener *l = p->listener;
	handle->data = l;
	torap_zmtp_finish(&p->connection);
	on_handle_closed(handle);
	free(p);
}

static void close_peer(struct torap_zmtp_peer *p)
{
	if (p->closing)
		return;
	p->closing = p->mute = true;
	torap_zmtp_end(&p->connection);
	leave_list(p);
	if (p->dirty) {
		forget_dirty(&p->listener->dirty, p);
		forget_dirty(&p->listener->dirty_urgent, p);
	}
	p->listener->options.counts->connections--;
	uv_close((uv_handle_t *)&p->tcp, on_peer_closed);
}

/* It went, or cannot go on: `why` is NULL when that was its own choice. */
static void lose(struct torap_zmtp_peer *p, const char *why)
{
	struct torap_zmtp_listener *l = p->listener;
	bool tell = p->connection.state == TORAP_ZMTP_OPEN && !p->mute;
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

void torap_zmtp_cut(struct torap_zmtp_peer *p, unsigned after_ms)
{
	p->mute = true;
	if (after_ms)
		set_deadline(p, true, after_ms);
	else
		close_peer(p);
}

/* --- out --- */

static void on_rest_written(uv_write_t *request, int status)
{
	struct rest *rest = (struct rest *)request;
	struct torap_zmtp_peer *p = rest->peer;
	free(rest);
	p->writing = false;
	if (p->closing)
		return;
	if (status < 0)
		lose(p, NULL);
	else
		mark_dirty(p);
}

static int write_rest(struct torap_zmtp_peer *p, const uint8_t *data, size_t size)
{
	struct rest *rest = malloc(sizeof *rest + size);
	if (!rest)
		return -ENOMEM;
	memcpy(rest->data, data, size);
	rest->peer = p;
	uv_buf_t buffer = uv_buf_init((char *)rest->data, (unsigned)size);
	int r = uv_write(&rest->request, (uv_stream_t *)&p->tcp, &buffer, 1, on_rest_written);
	if (r)
		free(rest);
	else
		p->writing = true;
	return r;
}

/* What is in l->write, all of it. */
static int write_all(struct torap_zmtp_peer *p)
{
	const struct torap_writer *w = &p->listener->write;
	uv_buf_t buffer = uv_buf_init((char *)w->data, (unsigned)w->size);
	int n = uv_try_write((uv_stream_t *)&p->tcp, &buffer, 1);
	if (n == UV_EAGAIN)
		n = 0;
	if (n < 0)
		return n;
	return (size_t)n < w->size ? write_rest(p, w->data + n, w->size - (size_t)n) : 0;
}

/* Seals and writes a part of what waits; the rest of it takes another turn.  Returns how much that was. */
static size_t flush(struct torap_zmtp_peer *p)
{
	struct torap_writer *w = &p->listener->write;
	if (p->writing || !torap_zmtp_waiting(&p->connection))
		return 0;
	w->size = 0;
	if (torap_zmtp_fill(&p->connection, w, WRITE_SIZE)) {
		torap_writer_finish(w);
		lose(p, "out of memory");
		return 0;
	}
	if (write_all(p))
		lose(p, NULL);
	else if (!p->writing && torap_zmtp_waiting(&p->connection))
		mark_dirty(p);
	return w->size;
}

static void flush_list(struct dirty_list *list, unsigned writes_max)
{
	size_t sealed = 0;
	for (unsigned writes = 0; list->first && sealed < TURN_SIZE && writes < writes_max; writes++)
		sealed += flush(take_dirty(list));
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
	flush_list(&l->dirty_urgent, WRITES_A_TURN);
	flush_list(&l->dirty, WRITES_A_TURN);
	if (l->dirty.first || l->dirty_urgent.first || l->turn_due)
		uv_idle_start(&l->idle, on_idle);
	else
		uv_idle_stop(&l->idle);
	if (l->write.room > SCRATCH_KEPT)
		torap_writer_finish(&l->write);
}

bool torap_zmtp_send(struct torap_zmtp_peer *p, struct torap_buffer *const *frames, size_t count)
{
	if (p->closing || torap_zmtp_put(&p->connection, frames, count))
		return false;
	if (!p->writing)
		mark_dirty(p);
	return true;
}

/* --- in --- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct torap_zmtp_peer *p = handle->data;
	size_t size;
	(void)suggested;
	if (p->connection.state != TORAP_ZMTP_OPEN && p->listener->handshakes >= HANDSHAKES_A_TURN) {
		*out = uv_buf_init(NULL, 0); /* Nothing is read, and the next turn asks again. */
		return;
	}
	uint8_t *room = torap_zmtp_room(&p->connection, &size);
	*out = room ? uv_buf_init((char *)room, (unsigned)size)
		    : uv_buf_init((char *)p->listener->read, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct torap_zmtp_peer *p = stream->data;
	struct torap_zmtp_connection *c = &p->connection;
	if (n == 0 || n == UV_ENOBUFS)
		return;
	if (n < 0) {
		lose(p, NULL);
		return;
	}
	if (c->state != TORAP_ZMTP_OPEN)
		p->listener->handshakes++;
	uint8_t *data = (uint8_t *)buffer->base;
	const char *why = data == p->listener->read ? torap_zmtp_take(c, data, (size_t)n)
						    : torap_zmtp_filled(c, (size_t)n);
	if (why)
		lose(p, why);
	else if (c->state == TORAP_ZMTP_REFUSED)
		uv_read_stop(stream); /* What it says until it is cut takes no steps from others. */
	else if (!p->closing && !p->writing && torap_zmtp_waiting(c))
		mark_dirty(p);
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
	if (uv_tcp_getpeername(&p->tcp, (struct sockaddr *)&address, &length) != 0 ||
		uv_ip_name((struct sockaddr *)&address, text, size) != 0)
		snprintf(text, size, "?");
}

static bool admit(struct torap_zmtp_connection *c, const uint8_t *key)
{
	struct torap_zmtp_peer *p = peer_of(c);
	struct torap_zmtp_options *o = &p->listener->options;
	char address[INET6_ADDRSTRLEN];
	read_address(p, address, sizeof address);
	if (!o->admit(o->hint, key, address)) {
		o->counts->refused++;
		return false;
	}
	memcpy(p->key, key, sizeof p->key);
	set_deadline(p, true, GREET_MS);
	return true;
}

/* --- connections --- */

static int set_tcp(struct torap_zmtp_peer *p)
{
	int interval = KEEPALIVE_INTERVAL_S, count = KEEPALIVE_COUNT, fd = torap_zmtp_fd(p);
	int r = uv_tcp_nodelay(&p->tcp, 1);
	if (!r)
		r = uv_tcp_keepalive(&p->tcp, 1, KEEPALIVE_IDLE_S);
	if (!r && (setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) < 0 ||
			  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) < 0))
		r = -errno;
	return r;
}

/* Who is not known yet goes for who comes, the oldest first: it had the most time. */
static void make_room(struct torap_zmtp_listener *l)
{
	if (l->timed.last)
		lose(l->timed.last, "no room for connections");
}

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
	uv_tcp_init(l->loop, &p->tcp);
	p->tcp.data = p;
	l->handles++;
	l->options.counts->connections++;
	l->options.counts->accepted++;
	p->timed = true;
	p->deadline_ms = uv_now(l->loop) + HANDSHAKE_MS;
	join_list(p);
	if (uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&p->tcp) || set_tcp(p) ||
		torap_zmtp_begin(&p->connection, &l->manners) ||
		uv_read_start((uv_stream_t *)&p->tcp, on_room, on_read))
		close_peer(p);
	else
		mark_dirty(p);
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
		lose(p, p->connection.state == TORAP_ZMTP_REFUSED ? NULL
			: p->connection.state == TORAP_ZMTP_OPEN  ? "no session after the handshake"
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

static void on_check(uv_check_t *check)
{
	struct torap_zmtp_listener *l = check->data;
	if (!l->turn_due)
		return;
	l->turn_due = false;
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

/* The listener and all its handles; they are closed together. */
static int open_handles(struct torap_zmtp_listener *l, const struct sockaddr_storage *address)
{
	uv_handle_t *handles[] = { (uv_handle_t *)&l->tcp, (uv_handle_t *)&l->tick, (uv_handle_t *)&l->check,
		(uv_handle_t *)&l->prepare, (uv_handle_t *)&l->idle };
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
	int r = uv_tcp_bind(&l->tcp, (const struct sockaddr *)address, 0);
	return r ? r : uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
}

int torap_zmtp_listen(struct torap_zmtp_listener **out, uv_loop_t *loop, const char *endpoint,
	const struct torap_zmtp_options *options, struct torap_error *err)
{
	struct sockaddr_storage address = { 0 };
	int r = torap_zmtp_endpoint_read(&address, endpoint, err);
	if (r)
		return r;
	struct torap_zmtp_listener *l = calloc(1, sizeof *l);
	uint8_t *read = malloc(READ_SIZE);
	if (!l || !read) {
		free(l);
		free(read);
		return torap_errorf(err, -ENOMEM, "cannot listen on %s: out of memory", endpoint);
	}
	l->options = *options;
	l->manners = (struct torap_zmtp_manners){ .admit = admit, .on_message = on_message };
	memcpy(l->manners.keys.secret, options->secret_key, sizeof l->manners.keys.secret);
	memcpy(l->manners.keys.public, options->public_key, sizeof l->manners.keys.public);
	l->loop = loop;
	l->read = read;
	l->connections_max = most_connections();
	r = open_handles(l, &address);
	if (r) {
		torap_errorf(err, r, "cannot listen on %s: %s", endpoint, strerror(-r));
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
	if (uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&address, &length) == 0)
		torap_zmtp_endpoint_write(&address, text, size);
	else
		snprintf(text, size, "?");
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
	for (struct torap_zmtp_peer *p = l->timed.first; p; p = p->next)
		p->mute = true;
	for (struct torap_zmtp_peer *p = l->others.first; p; p = p->next)
		p->mute = true;
	flush_list(&l->dirty_urgent, UINT_MAX);
	flush_list(&l->dirty, UINT_MAX);
	while (l->timed.first)
		close_peer(l->timed.first);
	while (l->others.first)
		close_peer(l->others.first);
	uv_close((uv_handle_t *)&l->tcp, on_handle_closed);
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
	p->connection.known = mark;
	if (!p->mute) /* Else it is being cut. */
		set_deadline(p, !mark, GREET_MS);
}

void torap_zmtp_set_urgent(struct torap_zmtp_peer *p, bool urgent)
{
	p->urgent = urgent;
}

int torap_zmtp_fd(const struct torap_zmtp_peer *p)
{
	uv_os_fd_t fd;
	return uv_fileno((const uv_handle_t *)&p->tcp, &fd) == 0 ? fd : -1;
}
