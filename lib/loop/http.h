/* http.h: a small HTTP server on the process's loop, for metrics and status.  Loopback only: another address is refused.
 *
 * HTTP/1.1, one request a connection: GET of the paths that were registered; anything else is 404 or 405.  At most 32 connections,
 * 5 s each; further ones wait. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "loop/metric.h" /* what pages are made of */

struct torap_error;
struct torap_http;

/* Writes the body of an answer.  Runs on the loop. */
typedef void (*torap_http_page)(void *hint, struct torap_writer *body);

struct torap_http_route {
	const char *path;         /* "/metrics" */
	const char *content_type; /* "text/plain; version=0.0.4" */
	torap_http_page page;
};

/* Is it an address and a port of this machine itself: what torap_http_open() takes?  0 or a negative error; opens nothing. */
int torap_http_check(const char *listen, struct torap_error *err);
/* `listen` is "127.0.0.1:9101" or "[::1]:9101"; port 0 takes a free one, see torap_http_port().  `routes` ends with a NULL path and
 * is borrowed until the close. */
int torap_http_open(struct torap_http **out, uv_loop_t *loop, const char *listen,
	const struct torap_http_route *routes, void *hint, struct torap_error *err);
uint16_t torap_http_port(const struct torap_http *h);
/* Answers nobody any more.  The memory is freed when libuv has let go of it.  Accepts NULL. */
void torap_http_close(struct torap_http *h);
