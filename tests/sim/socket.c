/* ZeroMQ as a process of ours sees it: doors that listen and dealers that dial, over the lines of net.c. */
#include "sim/process.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "loop/zap.h"
#include "loop/zdealer.h"
#include "loop/zloop.h"
#include "loop/zsocket.h"
#include "loop/ztraffic.h"

/* A door, a dealer, and what watches either. */
struct sim_socket {
	struct sim_socket *next; /* of those that are watched */
	struct sim_process *process;
	bool is_door;
	size_t broker;         /* of a door */
	struct sim_line *line; /* of a dealer */
	torap_zloop_ready on_ready;
	void *hint;
};
struct torap_zloop {
	struct sim_socket socket;
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

/* Of a door: the line with the next message; NULL: there is none. */
static struct sim_line *arrived(struct sim_world *w, const struct sim_socket *s)
{
	if (!s->is_door)
		return has_arrived(w, s->line, SIM_TO_DIALLER) ? s->line : NULL;
	for (struct sim_line *line = w->lines; line; line = line->next)
		if (line->broker == s->broker && has_arrived(w, line, SIM_TO_LISTENER))
			return line;
	return NULL;
}

bool sim_socket_ready(struct sim_world *w, const struct sim_socket *s)
{
	return arrived(w, s);
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

/* --- doors --- */

int torap_zsocket_check(const char *endpoint, struct torap_error *err)
{
	(void)endpoint, (void)err;
	return 0;
}

int torap_zsocket_check_listen(const char *endpoint, struct torap_error *err)
{
	return torap_zsocket_check(endpoint, err);
}

void *torap_zsocket_listen(void *context, const char *endpoint, const struct torap_zsocket_options *options,
	struct torap_error *err)
{
	struct torap_zloop *z = calloc(1, sizeof *z);
	(void)context, (void)options, (void)err;
	assert(z);
	z->socket =
		(struct sim_socket){ .process = sim_here, .is_door = true, .broker = broker_of(endpoint) };
	return z;
}

void torap_zsocket_close(void *socket)
{
	free(socket);
}

bool torap_zsocket_endpoint(void *socket, char *text, size_t size)
{
	const struct sim_socket *s = socket;
	snprintf(text, size, "tcp://127.0.0.1:%zu", PORT + s->broker);
	return true;
}

int torap_zloop_watch(struct torap_zloop **out, uv_loop_t *loop, void *socket, torap_zloop_ready on_ready,
	void *hint, struct torap_error *err)
{
	struct torap_zloop *z = socket;
	(void)loop, (void)err;
	z->socket.on_ready = on_ready;
	z->socket.hint = hint;
	watch(&z->socket);
	*out = z;
	return 0;
}

void torap_zloop_close(struct torap_zloop *z, void (*on_closed)(void *hint), void *hint)
{
	unwatch(&z->socket);
	if (on_closed)
		sim_process_later(z->socket.process, on_closed, hint);
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

static void name_peer(struct torap_zmessage *m, const struct sim_line *line)
{
	uint32_t number = line->connection;
	m->peer_size = 5; /* As libzmq names them: a zero, and a number that is never used again. */
	m->peer[0] = 0;
	for (int i = 4; i > 0; i--, number >>= 8)
		m->peer[i] = (uint8_t)number;
	m->has_key = true;
	memcpy(m->key, line->key, sizeof m->key);
}

int torap_zmessage_receive(struct torap_zmessage *m, void *socket, bool is_router)
{
	struct sim_socket *s = socket;
	struct sim_world *w = s->process->world;
	struct sim_line *line = arrived(w, s);
	if (!line)
		return TORAP_ZSOCKET_NONE;
	struct sim_message *arrival = sim_receive(w, line, is_router ? SIM_TO_LISTENER : SIM_TO_DIALLER);
	m->count = arrival->count;
	memcpy(m->frames, arrival->frames, arrival->count * sizeof *m->frames);
	arrival->count = 0; /* The frames are the receiver's now. */
	sim_message_destroy(arrival);
	m->peer_size = 0;
	m->has_key = false;
	m->fd = -1;
	if (is_router)
		name_peer(m, line);
	return 0;
}

void torap_zmessage_finish(struct torap_zmessage *m)
{
	for (size_t i = 0; i < m->count; i++)
		torap_buffer_unref(m->frames[i]);
	m->count = 0;
}

static struct sim_line *line_of(struct sim_world *w, const struct sim_socket *s, const uint8_t *peer)
{
	uint32_t number = 0;
	if (!s->is_door)
		return s->line;
	for (int i = 1; i < 5; i++)
		number = number << 8 | peer[i];
	for (struct sim_line *line = w->lines; line; line = line->next)
		if (line->broker == s->broker && line->connection == number)
			return line;
	return NULL;
}

int torap_zmessage_send(
	void *socket, const uint8_t *peer, size_t peer_size, struct torap_buffer *const *frames, size_t count)
{
	struct sim_socket *s = socket;
	struct sim_world *w = s->process->world;
	struct sim_line *line = line_of(w, s, peer);
	(void)peer_size;
	if (s->process->dead)
		return 0;
	if (!line)
		return TORAP_ZSOCKET_GONE;
	sim_send(w, line, s->is_door ? SIM_TO_DIALLER : SIM_TO_LISTENER, frames, count);
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

void torap_zsocket_drop(int fd)
{
	(void)fd;
}

int torap_zap_open(struct torap_zap **out, uv_loop_t *loop, void *context, torap_zap_admit admit, void *hint,
	struct torap_error *err)
{
	(void)loop, (void)context, (void)admit, (void)hint, (void)err;
	*out = NULL;
	return 0;
}

uint64_t torap_zap_refused(const struct torap_zap *zap)
{
	(void)zap;
	return 0;
}

void torap_zap_close(struct torap_zap *zap, void (*on_closed)(void *hint), void *hint)
{
	(void)zap;
	if (on_closed)
		sim_process_later(sim_here, on_closed, hint);
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
