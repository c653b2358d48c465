/* A connection's life: one request, one answer, and at the latest after CONNECTION_MS its end.
 *
 *     accepted → reading (until the empty line, at most REQUEST_MAX) → answering → draining (what the peer still sends is thrown
 *     away until it closes: closing before it would reset the connection, and the peer would lose the answer's end) → closing
 *
 * Why no library does this: README.md, "HTTP without a library". */
#include "loop/http.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "loop/address.h"

enum {
	CONNECTIONS_MAX = 32,
	CONNECTION_MS = 5000,
	REQUEST_MAX = 4096, /* a request line and the headers that tools send */
	HEAD_MAX = 512,
	BACKLOG = 64,
};

struct connection {
	struct torap_http *http;
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_write_t write;
	uv_shutdown_t shutdown;
	int open; /* handles that libuv still holds */
	bool answered;
	size_t size;
	char request[REQUEST_MAX + 1];
	char head[HEAD_MAX];
	struct torap_writer body;
};

struct torap_http {
	uv_tcp_t listener;
	uint16_t port;
	const struct torap_http_route *routes;
	void *hint;
	bool waiting; /* a connection was not accepted, for there were too many */
	bool closing, listener_closed;
	struct connection connections[CONNECTIONS_MAX]; /* free while nothing of it is open */
};

static void free_if_closed(struct torap_http *h)
{
	if (!h->listener_closed)
		return;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (h->connections[i].open > 0)
			return;
	free(h);
}

static void accept_one(struct torap_http *h);

static void on_connection_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct torap_http *h = c->http;
	if (--c->open > 0)
		return;
	torap_writer_finish(&c->body);
	if (h->waiting && !h->closing)
		accept_one(h);
	free_if_closed(h);
}

static void close_connection(struct connection *c)
{
	if (uv_is_closing((uv_handle_t *)&c->tcp))
		return;
	uv_close((uv_handle_t *)&c->tcp, on_connection_closed);
	uv_close((uv_handle_t *)&c->timer, on_connection_closed);
}

static void on_too_long(uv_timer_t *timer)
{
	close_connection(timer->data);
}

static void on_shut_down(uv_shutdown_t *shutdown, int status)
{
	struct connection *c = shutdown->data;
	if (status < 0)
		close_connection(c); /* Else the peer's end of file, or the timer, does it. */
}

static void on_written(uv_write_t *write, int status)
{
	struct connection *c = write->data;
	if (status < 0 || uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut_down) < 0)
		close_connection(c);
}

struct answer {
	const char *status; /* "200 OK" */
	const char *content_type;
	const char *text; /* instead of a page's body */
};

static void send_answer(struct connection *c, const struct answer *a)
{
	c->answered = true;
	if (a->text)
		torap_write_bytes(&c->body, torap_bytes(a->text, strlen(a->text)));
	if (c->body.failed) {
		close_connection(c);
		return;
	}
	int n = snprintf(c->head, sizeof c->head,
		"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sCache-Control: no-store\r\n"
		"Connection: close\r\n\r\n",
		a->status, a->content_type, c->body.size,
		strncmp(a->status, "405", 3) == 0 ? "Allow: GET\r\n" : "");
	assert(n > 0 && (size_t)n < sizeof c->head); /* Our own texts only. */
	uv_buf_t parts[] = {
		uv_buf_init(c->head, (unsigned)n),
		uv_buf_init((char *)c->body.data, (unsigned)c->body.size),
	};
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, parts, c->body.size ? 2 : 1, on_written) < 0)
		close_connection(c);
}

static void refuse(struct connection *c, const char *status, const char *text)
{
	send_answer(c, &(struct answer){ status, "text/plain; charset=utf-8", text });
}

static void answer_page(struct connection *c, const struct torap_http_route *route)
{
	struct torap_http *h = c->http;
	route->page(h->hint, &c->body);
	if (h->closing)
		return; /* The page closed us. */
	if (c->body.failed) {
		torap_warn("HTTP-MEMORY", "no memory for %s; the peer gets status 500", route->path);
		torap_writer_finish(&c->body);
		refuse(c, "500 Internal Server Error", "out of memory\n");
		return;
	}
	send_answer(c, &(struct answer){ "200 OK", route->content_type, NULL });
}

/* The request line is "GET /path?query HTTP/1.1"; headers are not looked at. */
static void answer_request(struct connection *c)
{
	char *line_end = c->request + strcspn(c->request, "\r\n");
	*line_end = '\0';
	char *target = strchr(c->request, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;
	if (!version || target[1] != '/' || strncmp(version, " HTTP/1.", 8) != 0) {
		refuse(c, "400 Bad Request", "not a request\n");
		return;
	}
	*target++ = '\0';
	*version = '\0';
	target[strcspn(target, "?")] = '\0';
	if (strcmp(c->request, "GET") != 0) {
		refuse(c, "405 Method Not Allowed", "only GET\n");
		return;
	}
	for (const struct torap_http_route *route = c->http->routes; route->path; route++)
		if (strcmp(route->path, target) == 0) {
			answer_page(c, route);
			return;
		}
	refuse(c, "404 Not Found", "no such page\n");
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
	(void)suggested;
	struct connection *c = handle->data;
	if (c->answered)
		c->size = 0; /* Draining: what comes is thrown away, and the request is no longer needed. */
	*room = uv_buf_init(c->request + c->size, (unsigned)(REQUEST_MAX - c->size));
}

static bool request_is_whole(const struct connection *c)
{
	return strstr(c->request, "\r\n\r\n") || strstr(c->request, "\n\n");
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	(void)buffer;
	struct connection *c = stream->data;
	if (n < 0) { /* The peer closed or is gone; what it was told by now is all it gets. */
		close_connection(c);
		return;
	}
	if (c->answered)
		return;
	c->size += (size_t)n;
	c->request[c->size] = '\0';
	if (strlen(c->request) != c->size)
		refuse(c, "400 Bad Request", "not a request\n");
	else if (request_is_whole(c))
		answer_request(c);
	else if (c->size == REQUEST_MAX)
		refuse(c, "431 Request Header Fields Too Large", "the request is too long\n");
}

static struct connection *find_free(struct torap_http *h)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (h->connections[i].open == 0)
			return &h->connections[i];
	return NULL;
}

static void accept_one(struct torap_http *h)
{
	struct connection *c = find_free(h);
	h->waiting = !c; /* libuv listens no further until this one is accepted. */
	if (!c)
		return;
	c->http = h;
	c->answered = false;
	c->size = 0;
	uv_tcp_init(h->listener.loop, &c->tcp);
	uv_timer_init(h->listener.loop, &c->timer);
	c->open = 2;
	c->tcp.data = c->timer.data = c->write.data = c->shutdown.data = c;
	if (uv_accept((uv_stream_t *)&h->listener, (uv_stream_t *)&c->tcp) < 0 ||
		uv_timer_start(&c->timer, on_too_long, CONNECTION_MS, 0) < 0 ||
		uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) < 0)
		close_connection(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct torap_http *h = listener->data;
	if (status < 0)
		torap_warn("HTTP-ACCEPT", "cannot accept a connection: %s; the next one is tried",
			uv_strerror(status));
	else
		accept_one(h);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static int read_address(struct sockaddr_storage *out, const char *listen, struct torap_error *err)
{
	if (!torap_address_parse(out, listen))
		return torap_errorf(
			err, -EINVAL, "%s: not an address and a port, like 127.0.0.1:9101", listen);
	if (!is_loopback(out))
		return torap_errorf(
			err, -EINVAL, "%s: only addresses of this machine itself (127.0.0.1, [::1])", listen);
	return 0;
}

int torap_http_check(const char *listen, struct torap_error *err)
{
	struct sockaddr_storage address;
	return read_address(&address, listen, err);
}

/* 0 or libuv's error. */
static int open_listener(struct torap_http *h, const struct sockaddr_storage *address)
{
	struct sockaddr_storage bound = { 0 };
	int size = sizeof bound;
	int r = uv_tcp_bind(&h->listener, (const struct sockaddr *)address, 0);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&h->listener, BACKLOG, on_connection);
	if (r == 0)
		r = uv_tcp_getsockname(&h->listener, (struct sockaddr *)&bound, &size);
	h->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						    : ((struct sockaddr_in *)&bound)->sin_port);
	return r;
}

int torap_http_open(struct torap_http **out, uv_loop_t *loop, const char *listen,
	const struct torap_http_route *routes, void *hint, struct torap_error *err)
{
	struct sockaddr_storage address = { 0 };
	int r = read_address(&address, listen, err);
	if (r)
		return r;
	struct torap_http *h = calloc(1, sizeof *h);
	if (!h)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", listen);
	h->routes = routes;
	h->hint = hint;
	h->listener.data = h;
	r = uv_tcp_init(loop, &h->listener);
	if (r) {
		free(h);
		return torap_errorf(err, r, "%s: %s", listen, uv_strerror(r));
	}
	r = open_listener(h, &address);
	if (r) {
		torap_http_close(h);
		return torap_errorf(err, r, "cannot listen on %s: %s", listen, uv_strerror(r));
	}
	*out = h;
	return 0;
}

uint16_t torap_http_port(const struct torap_http *h)
{
	return h->port;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct torap_http *h = handle->data;
	h->listener_closed = true;
	free_if_closed(h);
}

void torap_http_close(struct torap_http *h)
{
	if (!h)
		return;
	h->closing = true;
	uv_close((uv_handle_t *)&h->listener, on_listener_closed);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (h->connections[i].open > 0)
			close_connection(&h->connections[i]);
}
