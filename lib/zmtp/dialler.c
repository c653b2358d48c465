#include "zmtp/dialler.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "zmtp/endpoint.h"
#include "zmtp/wire.h"

struct torap_zmtp_dialler {
	struct torap_zmtp_wire wire; /* first, as its connection is in it */
	struct torap_zmtp_dial_options options;
	struct torap_zmtp_manners manners;
	uv_getaddrinfo_t lookup;
	uv_connect_t connecting;
	bool looking_up; /* libuv has the request */
	bool closed;     /* libuv has let go of the wire */
};

static struct torap_zmtp_dialler *dialler_at(struct torap_zmtp_wire *w)
{
	return (struct torap_zmtp_dialler *)w;
}

static void free_if_done(struct torap_zmtp_dialler *d)
{
	if (!d->closed || d->looking_up || d->options.on_gone)
		return;
	sodium_memzero(&d->manners, sizeof d->manners);
	free(d);
}

static void on_closed(struct torap_zmtp_wire *w)
{
	dialler_at(w)->closed = true;
	free_if_done(dialler_at(w));
}

static void on_lost(struct torap_zmtp_wire *w, const char *why)
{
	struct torap_zmtp_dialler *d = dialler_at(w);
	bool strange = why && !w->broken;
	torap_zmtp_wire_close(w);
	d->options.on_gone(d->options.hint, why ? why : "the connection has ended", strange);
}

static const struct torap_zmtp_wire_owner owner = { .on_lost = on_lost, .on_closed = on_closed };

static void on_open(struct torap_zmtp_connection *c)
{
	struct torap_zmtp_dialler *d = (struct torap_zmtp_dialler *)c;
	d->options.on_open(d->options.hint);
}

static void on_message(struct torap_zmtp_connection *c, struct torap_buffer **frames, size_t count)
{
	struct torap_zmtp_dialler *d = (struct torap_zmtp_dialler *)c;
	d->options.on_message(d->options.hint, frames, count);
}

/* --- connecting --- */

static void on_connected(uv_connect_t *connecting, int status)
{
	struct torap_zmtp_dialler *d = connecting->data;
	if (d->wire.closing)
		return;
	int r = status ? status : torap_zmtp_wire_start(&d->wire);
	if (r)
		torap_zmtp_wire_break(&d->wire, uv_strerror(r));
}

/* Buffers are set before the connection is made: the kernel then knows what window to offer. */
static int open_socket(struct torap_zmtp_dialler *d, int family)
{
	int bytes = d->options.buffer_bytes, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int r = bytes > 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) < 0 ||
				     setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) < 0)
			? -errno
			: uv_tcp_open(&d->wire.tcp, fd);
	if (r)
		close(fd);
	return r ? r : torap_zmtp_wire_set_tcp(&d->wire);
}

static void connect_to(struct torap_zmtp_dialler *d, const struct sockaddr *address)
{
	int r = open_socket(d, address->sa_family);
	if (!r)
		r = uv_tcp_connect(&d->connecting, &d->wire.tcp, address, on_connected);
	if (r)
		torap_zmtp_wire_break(&d->wire, uv_strerror(r));
}

/* One of its addresses, by chance: whoever dials again in vain comes to the others, too. */
static const struct addrinfo *choose(const struct addrinfo *all)
{
	uint32_t count = 0;
	for (const struct addrinfo *a = all; a; a = a->ai_next)
		count++;
	for (uint32_t skip = randombytes_uniform(count); skip > 0; skip--)
		all = all->ai_next;
	return all;
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *all)
{
	struct torap_zmtp_dialler *d = lookup->data;
	d->looking_up = false;
	if (d->wire.closing)
		free_if_done(d);
	else if (status)
		torap_zmtp_wire_break(&d->wire, uv_strerror(status));
	else
		connect_to(d, choose(all)->ai_addr);
	uv_freeaddrinfo(all);
}

static int look_up(struct torap_zmtp_dialler *d, const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	int r = uv_getaddrinfo(
		torap_zmtp_turn_loop(d->options.turn), &d->lookup, on_looked_up, host, port, &hints);
	d->looking_up = r == 0;
	return r;
}

static void connect_tcp(struct torap_zmtp_dialler *d, const char *endpoint)
{
	char host[TORAP_ZMTP_HOST_MAX], port[TORAP_ZMTP_PORT_MAX];
	struct sockaddr_storage address;
	torap_zmtp_endpoint_split(endpoint, host, port);
	int number = (int)strtol(port, NULL, 10);
	if (uv_ip4_addr(host, number, (struct sockaddr_in *)&address) == 0 ||
		uv_ip6_addr(host, number, (struct sockaddr_in6 *)&address) == 0) {
		connect_to(d, (const struct sockaddr *)&address);
		return;
	}
	int r = look_up(d, host, port);
	if (r)
		torap_zmtp_wire_break(&d->wire, uv_strerror(r));
}

/* --- the dialler --- */

static void set_manners(struct torap_zmtp_dialler *d, bool local)
{
	const struct torap_zmtp_dial_options *o = &d->options;
	struct torap_zmtp_manners *m = &d->manners;
	*m = (struct torap_zmtp_manners){
		.dials = true, .plain = local, .on_open = on_open, .on_message = on_message
	};
	if (local)
		return;
	memcpy(m->keys.secret, o->secret_key, sizeof m->keys.secret);
	memcpy(m->keys.public, o->public_key, sizeof m->keys.public);
	memcpy(m->server, o->server_key, sizeof m->server);
}

int torap_zmtp_dial(struct torap_zmtp_dialler **out, const char *endpoint,
	const struct torap_zmtp_dial_options *options, struct torap_error *err)
{
	const char *path = torap_zmtp_endpoint_path(endpoint);
	int r = path ? torap_zmtp_check_local(endpoint, err) : torap_zmtp_check_dial(endpoint, err);
	if (r)
		return r;
	assert(path ? !options->server_key
		    : options->secret_key && options->public_key && options->server_key);
	struct torap_zmtp_dialler *d = calloc(1, sizeof *d);
	if (!d)
		return torap_errorf(err, -ENOMEM, "cannot connect to %s: out of memory", endpoint);
	uv_loop_t *loop = torap_zmtp_turn_loop(options->turn);
	d->options = *options;
	d->wire.urgent = options->urgent;
	d->lookup.data = d->connecting.data = d;
	set_manners(d, path);
	if (path)
		uv_pipe_init(loop, &d->wire.pipe, 0);
	else
		uv_tcp_init(loop, &d->wire.tcp);
	if (torap_zmtp_wire_begin(&d->wire, options->turn, &owner, &d->manners))
		torap_zmtp_wire_break(&d->wire, "out of memory");
	else if (path)
		uv_pipe_connect(&d->connecting, &d->wire.pipe, path, on_connected);
	else
		connect_tcp(d, endpoint);
	*out = d;
	return 0;
}

bool torap_zmtp_say(struct torap_zmtp_dialler *d, struct torap_buffer *const *frames, size_t count)
{
	if (d->wire.closing || d->wire.broken || torap_zmtp_put(&d->wire.connection, frames, count))
		return false;
	if (d->wire.connection.state == TORAP_ZMTP_OPEN)
		torap_zmtp_wire_due(&d->wire);
	return true;
}

int torap_zmtp_dialler_fd(const struct torap_zmtp_dialler *d)
{
	return d->wire.closing ? -1 : torap_zmtp_wire_fd(&d->wire);
}

struct torap_zmtp_dialler *torap_zmtp_hang_up(struct torap_zmtp_dialler *d)
{
	if (!d)
		return NULL;
	d->options.on_gone = NULL;
	torap_zmtp_wire_close(&d->wire);
	if (d->looking_up)
		(void)uv_cancel((uv_req_t *)&d->lookup); /* It may be under way: then it ends by itself. */
	free_if_done(d);
	return NULL;
}
