/* Connections as a process of ours sees them: lib/zmtp's listeners and diallers, over the lines of net.c. */
#include "sim/process.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/ztraffic.h"
#include "zmtp/dialler.h"
#include "zmtp/endpoint.h"
#include "zmtp/listener.h"
#include "zmtp/turn.h"

/* A listener or a dialler, and what watches either. */
struct sim_socket {
	struct sim_socket *next; /* of those that are watched */
	struct sim_process *process;
	bool is_listener;
	size_t broker;         /* of a listener */
	struct sim_line *line; /* of a dialler */
	void (*on_ready)(struct sim_socket *s);
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
struct torap_zmtp_dialler {
	struct sim_socket socket;
	struct sim_line line;
	uint32_t connection; /* of the line, as long as it is ours */
	bool opened, gone;   /* and told so */
	struct torap_zmtp_dial_options options;
};
/* Nothing: a process's loop is the world's. */
struct torap_zmtp_turn {
	char nothing;
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
	s->on_ready(s);
}

static bool has_arrived(struct sim_world *w, struct sim_line *line, enum sim_way way)
{
	for (const struct sim_message *m = line->under_way; m && m->at.us <= w->now.us; m = m->next)
		if (m->way == way)
			return true;
	return false;
}

/* Its connection has ended. */
static bool is_cut(const struct torap_zmtp_dialler *d)
{
	return d->line.connection != d->connection;
}

/* Of a listener: the line with the next message; NULL: there is none. */
static struct sim_line *arrived(struct sim_world *w, const struct sim_socket *s)
{
	if (!s->is_listener)
		return !is_cut((const struct torap_zmtp_dialler *)s) &&
				       has_arrived(w, s->line, SIM_TO_DIALLER)
			       ? s->line
			       : NULL;
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
	const struct torap_zmtp_dialler *d = (const struct torap_zmtp_dialler *)s;
	return arrived(w, s) || (s->is_listener ? gone(w, (const struct torap_zmtp_listener *)s) != NULL
						: !d->opened || (is_cut(d) && !d->gone));
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

int torap_zmtp_check_dial(const char *endpoint, struct torap_error *err)
{
	(void)endpoint, (void)err;
	return 0;
}

int torap_zmtp_check_listen(const char *endpoint, struct torap_error *err)
{
	return torap_zmtp_check_dial(endpoint, err);
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
static void on_listener_ready(struct sim_socket *s)
{
	struct torap_zmtp_listener *l = (struct torap_zmtp_listener *)s;
	struct sim_world *w = l->socket.process->world;
	struct sim_line *line = arrived(w, &l->socket);
	struct torap_zmtp_peer *lost = gone(w, l);
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

int torap_zmtp_listen(struct torap_zmtp_listener **out, const char *endpoint,
	const struct torap_zmtp_options *options, struct torap_error *err)
{
	struct torap_zmtp_listener *l = calloc(1, sizeof *l);
	(void)err;
	assert(l);
	l->options = *options;
	l->socket = (struct sim_socket){ .process = sim_here,
		.is_listener = true,
		.broker = broker_of(endpoint),
		.on_ready = on_listener_ready };
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

size_t torap_zmtp_queued(const struct torap_zmtp_peer *p)
{
	(void)p;
	return 0;
}

unsigned torap_zmtp_fault(struct torap_zmtp_peer *p)
{
	(void)p;
	return 0;
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

/* --- diallers --- */

/* One thing that happened. */
static void on_dialler_ready(struct sim_socket *s)
{
	struct torap_zmtp_dialler *d = (struct torap_zmtp_dialler *)s;
	struct sim_world *w = s->process->world;
	struct sim_line *line = arrived(w, s);
	if (!d->opened) {
		d->opened = true;
		d->options.on_open(d->options.hint);
	} else if (line) {
		struct sim_message *m = sim_receive(w, line, SIM_TO_DIALLER);
		d->options.on_message(d->options.hint, m->frames, m->count);
		sim_message_destroy(m);
	} else if (is_cut(d)) {
		d->gone = true;
		d->options.on_gone(d->options.hint, "the connection has ended", false);
	}
}

int torap_zmtp_dial(struct torap_zmtp_dialler **out, const char *endpoint,
	const struct torap_zmtp_dial_options *options, struct torap_error *err)
{
	struct torap_zmtp_dialler *d = calloc(1, sizeof *d);
	(void)err;
	assert(d);
	d->options = *options;
	d->socket =
		(struct sim_socket){ .process = sim_here, .line = &d->line, .on_ready = on_dialler_ready };
	d->line.ordered = true;
	d->line.broker = broker_of(endpoint);
	d->line.feed = SIM_UPSTREAM + d->line.broker;
	memcpy(d->line.key, options->public_key, sizeof d->line.key);
	sim_line_open(sim_here->world, &d->line);
	d->connection = d->line.connection;
	watch(&d->socket);
	*out = d;
	return 0;
}

bool torap_zmtp_say(struct torap_zmtp_dialler *d, struct torap_buffer *const *frames, size_t count)
{
	struct sim_process *p = d->socket.process;
	if (!p->dead && !is_cut(d)) /* Else it is lost: who says it hears of that a moment later. */
		sim_send(p->world, &d->line, SIM_TO_LISTENER, frames, count);
	return true;
}

int torap_zmtp_dialler_fd(const struct torap_zmtp_dialler *d)
{
	(void)d;
	return -1;
}

struct torap_zmtp_dialler *torap_zmtp_hang_up(struct torap_zmtp_dialler *d)
{
	if (!d)
		return NULL;
	unwatch(&d->socket);
	sim_line_close(d->socket.process->world, &d->line);
	sim_process_later(d->socket.process, free, d); /* It may be on its way out of a message. */
	return NULL;
}

int torap_zmtp_turn_create(struct torap_zmtp_turn **out, uv_loop_t *loop, struct torap_error *err)
{
	static struct torap_zmtp_turn turn;
	(void)loop, (void)err;
	*out = &turn;
	return 0;
}

void torap_zmtp_turn_close(struct torap_zmtp_turn *t)
{
	(void)t;
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
