/* ZeroMQ as a process of ours sees it: listeners (lib/zmtp) and dealers that dial, over the lines of net.c. */
#include "sim/process.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "loop/zdealer.h"
#include "loop/zloop.h"
#include "loop/zsocket.h"
#include "loop/ztraffic.h"
#include "zmtp/listener.h"

/* A listener or a dealer, and what watches either. */
struct sim_socket {
	struct sim_socket *next; /* of those that are watched */
	struct sim_process *process;
	bool is_listener;
	size_t broker;         /* of a listener */
	struct sim_line *line; /* of a dealer */
	torap_zloop_ready on_ready;
	void *hint;
};
struct torap_zmtp_peer {
	struct torap_zmtp_peer *next;
	struct torap_zmtp_listener *listener;
	uint32_t connection; /* of its line */
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	void *mark;
};
struct torap_zmtp_listener {
	struct sim_socket socket;
	struct torap_zmtp_options options;
	struct torap_zmtp_peer *peers;
};
struct torap_zdealer {
	struct sim_socket socket;
	struct sim_line line;
	void (*on_closed)(void *hint);
	void *closed_hint;
};

enum { PORT = 7400 };

/* "tcp://127.0.0.1:7401" is broker 1. */
static size_t broker_of(const char *endpoint)
{
	const char *port = strrchr(endpoint, ':');
	assert(port);
	return (size_t)strtoul(port + 1, NULL, 10) - PORT;
}

struct sim_socket *sim_socket_next(const struct sim_socket *s)
{
	return s->next;
}

void sim_socket_run(struct sim_socket *s)
{
	s->on_ready(s->hint, ZMQ_POLLIN);
}

static bool has_arrived(struct sim_world *w, struct sim_line *line, enum sim_way way)
{
	for (const struct sim_message *m = line->under_way; m && m->at.us <= w->now.us; m = m->next)
		if (m->way == way)
			return true;
	return false;
}

/* Of a listener: the line with the next message; NULL: there is none. */
static struct sim_line *arrived(struct sim_world *w, const struct sim_socket *s)
{
	if (!s->is_listener)
		return has_arrived(w, s->line, SIM_TO_DIALLER) ? s->line : NULL;
	for (struct sim_line *line = w->lines; line; line = line->next)
		if (line->broker == s->broker && has_arrived(w, line, SIM_TO_LISTENER))
			return line;
	return NULL;
}

static struct sim_line *line_of(struct sim_world *w, const struct torap_zmtp_peer *p)
{
	for (struct sim_line *line = w->lines; line; line = line->next)
		if (line->broker == p->listener->socket.broker && line->connection == p->connection)
			return line;
	return NULL;
}

/* A peer whose connection has ended, and whose host said so: every second one does not. */
static struct torap_zmtp_peer *gone(struct sim_world *w, const struct torap_zmtp_listener *l)
{
	struct torap_zmtp_peer *p = l->peers;
	while (p && (p->connection % 2 || line_of(w, p)))
		p = p->next;
	return p;
}

bool sim_socket_ready(struct sim_world *w, const struct sim_socket *s)
{
	return arrived(w, s) || (s->is_listener && gone(w, (const struct torap_zmtp_listener *)s));
}

static void watch(struct sim_socket *s)
{
	s->next = s->process->sockets;
	s->process->sockets = s;
}

static void unwatch(struct sim_socket *s)
{
	for (struct sim_socket **at = &s->process->sockets; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			return;
		}
}

/* --- listeners --- */

int torap_zsocket_check(const char *endpoint, struct torap_error *err)
{
	(void)endpoint, (void)err;
	return 0;
}

int torap_zsocket_check_listen(const char *endpoint, struct torap_error *err)
{
	return torap_zsocket_check(endpoint, err);
}

static void forget_peer(struct torap_zmtp_peer *p)
{
	struct torap_zmtp_peer **at = &p->listener->peers;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	free(p);
}

static struct torap_zmtp_peer *peer_of(struct torap_zmtp_listener *l, const struct sim_line *line)
{
	struct torap_zmtp_peer *p = l->peers;
	while (p && p->connection != line->connection)
		p = p->next;
	if (p)
		return p;
	p = calloc(1, sizeof *p);
	assert(p);
	p->listener = l;
	p->connection = line->connection;
	memcpy(p->key, line->key, sizeof p->key);
	p->next = l->peers;
	l->peers = p;
	return p;
}

/* One thing that happened, and the end of the turn. */
static void on_listener_ready(void *hint, int events)
{
	struct torap_zmtp_listener *l = hint;
	struct sim_world *w = l->socket.process->world;
	struct sim_line *line = arrived(w, &l->socket);
	struct torap_zmtp_peer *lost = gone(w, l);
	(void)events;
	if (lost) {
		l->options.on_gone(l->options.hint, lost);
		forget_peer(lost);
	} else if (line) {
		struct sim_message *m = sim_receive(w, line, SIM_TO_LISTENER);
		l->options.on_message(l->options.hint, peer_of(l, line), m->frames, m->count);
		sim_message_destroy(m);
	}
	l->options.on_turn(l->options.hint);
}

int torap_zmtp_listen(struct torap_zmtp_listener **out, uv_loop_t *loop, const char *endpoint,
	const struct torap_zmtp_options *options, struct torap_error *err)
{
	struct torap_zmtp_listener *l = calloc(1, sizeof *l);
	(void)loop, (void)err;
	assert(l);
	l->options = *options;
	l->socket = (struct sim_socket){ .process = sim_here,
		.is_listener = true,
		.broker = broker_of(endpoint),
		.on_ready = on_listener_ready,
		.hint = l };
	watch(&l->socket);
	*out = l;
	return 0;
}

void torap_zmtp_endpoint(const struct torap_zmtp_listener *l, char *text, size_t size)
{
	snprintf(text, size, "tcp://127.0.0.1:%zu", PORT + l->socket.broker);
}

void torap_zmtp_close(struct torap_zmtp_listener *l, void (*on_closed)(void *hint), void *hint)
{
	unwatch(&l->socket);
	while (l->peers)
		forget_peer(l->peers);
	if (on_closed)
		sim_process_later(l->socket.process, on_closed, hint);
	free(l);
}

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
}

void torap_zmtp_set_urgent(struct torap_zmtp_peer *p, bool urgent)
{
	(void)p, (void)urgent;
}

int torap_zmtp_fd(const struct torap_zmtp_peer *p)
{
	(void)p;
	return -1;
}

bool torap_zmtp_send(struct torap_zmtp_peer *p, struct torap_buffer *const *frames, size_t count)
{
	struct sim_socket *s = &p->listener->socket;
	struct sim_line *line = line_of(s->process->world, p);
	if (s->process->dead)
		return true;
	if (line)
		sim_send(s->process->world, line, SIM_TO_DIALLER, frames, count);
	return line;
}

void torap_zmtp_cut(struct torap_zmtp_peer *p, unsigned after_ms)
{
	(void)after_ms;
	forget_peer(p);
}

/* --- dealers --- */

int torap_zdealer_open(struct torap_zdealer **out, uv_loop_t *loop, void *context, const char *endpoint,
	const struct torap_zsocket_options *options, torap_zloop_ready on_ready, void *hint,
	struct torap_error *err)
{
	struct torap_zdealer *d = calloc(1, sizeof *d);
	struct sim_process *p = loop->data;
	(void)context, (void)err;
	assert(d);
	d->socket = (struct sim_socket){ .process = p, .line = &d->line, .on_ready = on_ready, .hint = hint };
	d->line.ordered = true;
	d->line.broker = broker_of(endpoint);
	d->line.feed = SIM_UPSTREAM + d->line.broker;
	memcpy(d->line.key, options->public_key, sizeof d->line.key);
	sim_line_open(p->world, &d->line);
	watch(&d->socket);
	*out = d;
	return 0;
}

void *torap_zdealer_socket(const struct torap_zdealer *d)
{
	return (void *)(uintptr_t)d;
}

int torap_zdealer_fd(struct torap_zdealer *d)
{
	(void)d;
	return -1;
}

static void on_dealer_closed(void *hint)
{
	struct torap_zdealer *d = hint;
	if (d->on_closed)
		d->on_closed(d->closed_hint);
	free(d);
}

struct torap_zdealer *torap_zdealer_close(struct torap_zdealer *d, void (*on_closed)(void *hint), void *hint)
{
	if (!d)
		return NULL;
	unwatch(&d->socket);
	sim_line_close(d->socket.process->world, &d->line);
	d->on_closed = on_closed;
	d->closed_hint = hint;
	sim_process_later(d->socket.process, on_dealer_closed, d);
	return NULL;
}

/* --- messages --- */

int torap_zmessage_receive(struct torap_zmessage *m, void *socket, bool is_router)
{
	struct sim_socket *s = socket;
	struct sim_world *w = s->process->world;
	struct sim_line *line = arrived(w, s);
	assert(!is_router);
	if (!line)
		return TORAP_ZSOCKET_NONE;
	struct sim_message *arrival = sim_receive(w, line, SIM_TO_DIALLER);
	m->count = arrival->count;
	memcpy(m->frames, arrival->frames, arrival->count * sizeof *m->frames);
	arrival->count = 0; /* The frames are the receiver's now. */
	sim_message_destroy(arrival);
	m->peer_size = 0;
	return 0;
}

void torap_zmessage_finish(struct torap_zmessage *m)
{
	for (size_t i = 0; i < m->count; i++)
		torap_buffer_unref(m->frames[i]);
	m->count = 0;
}

int torap_zmessage_send(
	void *socket, const uint8_t *peer, size_t peer_size, struct torap_buffer *const *frames, size_t count)
{
	struct sim_socket *s = socket;
	assert(!peer);
	(void)peer_size;
	if (!s->process->dead)
		sim_send(s->process->world, s->line, SIM_TO_LISTENER, frames, count);
	return 0;
}

/* --- what nobody here needs --- */

bool torap_ztraffic_read(struct torap_ztraffic *out, int fd)
{
	(void)out, (void)fd;
	return false;
}

void torap_ztraffic_buffer(int fd, size_t bytes)
{
	(void)fd, (void)bytes;
}

void *zmq_ctx_new(void)
{
	static char context;
	return &context;
}

int zmq_ctx_set(void *context, int option, int value)
{
	(void)context, (void)option, (void)value;
	return 0;
}

int zmq_ctx_term(void *context)
{
	(void)context;
	return 0;
}
