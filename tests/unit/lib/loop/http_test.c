/* The server runs on a loop in the test's own thread; clients are blocking sockets that are pumped by turns of the loop. */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "loop/http.h"

enum { WAIT_TURNS = 20000, TEXT_MAX = 1 << 20, LARGE = 300000 };

struct server {
	uv_loop_t loop;
	struct torap_http *http;
	int pages;
	bool closes_in_page;
};

static void on_hello(void *hint, struct torap_writer *body)
{
	struct server *s = hint;
	s->pages++;
	torap_write_bytes(body, torap_bytes("hello\n", 6));
	if (s->closes_in_page) {
		torap_http_close(s->http);
		s->http = NULL;
	}
}

static void on_large(void *hint, struct torap_writer *body)
{
	(void)hint;
	memset(torap_write_room(body, LARGE), 'x', LARGE);
}

static void on_nothing(void *hint, struct torap_writer *body)
{
	(void)hint, (void)body;
}

static void on_no_memory(void *hint, struct torap_writer *body)
{
	(void)hint;
	torap_write_bytes(body, torap_bytes("half", 4));
	body->failed = true;
}

static const struct torap_http_route routes[] = {
	{ "/hello", "text/plain", on_hello },
	{ "/large", "text/plain", on_large },
	{ "/nothing", "text/plain", on_nothing },
	{ "/no-memory", "text/plain", on_no_memory },
	{ NULL, NULL, NULL },
};

static void server_init(struct server *s)
{
	struct torap_error err;
	memset(s, 0, sizeof *s);
	uv_loop_init(&s->loop);
	cr_assert_eq(torap_http_open(&s->http, &s->loop, "127.0.0.1:0", routes, s, &err), 0, "%s", err.text);
	cr_assert_gt(torap_http_port(s->http), 0);
}

static void server_finish(struct server *s)
{
	torap_http_close(s->http);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&s->loop), 0);
}

static int client(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0, "%s", strerror(errno));
	return fd;
}

static void turn(struct server *s)
{
	uv_run(&s->loop, UV_RUN_NOWAIT);
	usleep(500);
}

/* Reads until the server closes; the text stays until the next call. */
static const char *read_all(struct server *s, int fd)
{
	static char text[TEXT_MAX];
	size_t size = 0;
	for (int i = 0; i < WAIT_TURNS; i++) {
		turn(s);
		ssize_t n = recv(fd, text + size, sizeof text - 1 - size, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			text[size] = '\0';
			cr_assert_eq(n, 0, "%s", strerror(errno));
			close(fd);
			return text;
		}
		size += n > 0 ? (size_t)n : 0;
	}
	cr_assert_fail("no end of the answer");
	return NULL;
}

static const char *ask(struct server *s, const char *request)
{
	int fd = client(torap_http_port(s->http));
	cr_assert_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
	return read_all(s, fd);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

Test(http, answers_a_registered_page_whole)
{
	struct server s;
	server_init(&s);
	const char *text = ask(&s, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	cr_assert(begins(text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n"), "%s",
		text);
	cr_assert(strstr(text, "\r\n\r\nhello\n"), "%s", text);
	cr_assert(strstr(ask(&s, "GET /hello?x=1 HTTP/1.0\n\n"), "hello"));
	cr_assert_eq(s.pages, 2);
	text = strstr(ask(&s, "GET /nothing HTTP/1.1\r\n\r\n"), "\r\n\r\n");
	cr_assert_str_eq(text, "\r\n\r\n");
	text = strstr(ask(&s, "GET /large HTTP/1.1\r\n\r\n"), "\r\n\r\n");
	cr_assert_eq(strlen(text), LARGE + 4);
	server_finish(&s);
}

Test(http, refuses_what_is_not_a_get_of_a_page)
{
	static const struct {
		const char *request, *status;
	} bad[] = {
		{ "GET / HTTP/1.1\r\n\r\n", "404" },
		{ "GET /hello/ HTTP/1.1\r\n\r\n", "404" },
		{ "GET /hell HTTP/1.1\r\n\r\n", "404" },
		{ "GET /../etc/passwd HTTP/1.1\r\n\r\n", "404" },
		{ "POST /hello HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "405" },
		{ "HEAD /hello HTTP/1.1\r\n\r\n", "405" },
		{ "get /hello HTTP/1.1\r\n\r\n", "405" },
		{ "GET http://127.0.0.1/hello HTTP/1.1\r\n\r\n", "400" },
		{ "GET /hello\r\n\r\n", "400" },
		{ "GET /hello HTTP/2.0\r\n\r\n", "400" },
		{ " \r\n\r\n", "400" },
		{ "\r\n\r\n", "400" },
		{ "\x16\x03\x01 nonsense\r\n\r\n", "400" },
	};
	struct server s;
	server_init(&s);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *text = ask(&s, bad[i].request);
		cr_assert_eq(strncmp(text + 9, bad[i].status, 3), 0, "%s gave %s", bad[i].request, text);
		cr_assert_eq(strstr(text, "Allow: GET\r\n") != NULL, strcmp(bad[i].status, "405") == 0, "%s",
			text);
	}
	cr_assert_eq(s.pages, 0);
	server_finish(&s);
}

Test(http, refuses_a_zero_byte_and_a_request_without_an_end)
{
	struct server s;
	server_init(&s);
	int fd = client(torap_http_port(s.http));
	cr_assert_eq(send(fd, "GET /hello\0 HTTP/1.1\r\n\r\n", 24, 0), 24);
	cr_assert(begins(read_all(&s, fd), "HTTP/1.1 400 "));
	static char long_request[20000];
	memset(long_request, 'a', sizeof long_request - 1);
	cr_assert(begins(ask(&s, long_request), "HTTP/1.1 431 "));
	cr_assert_eq(s.pages, 0);
	server_finish(&s);
}

/* Every split of the request into two segments. */
Test(http, reads_a_request_in_pieces)
{
	static const char request[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
	struct server s;
	server_init(&s);
	for (size_t cut = 1; cut < sizeof request - 1; cut++) {
		int fd = client(torap_http_port(s.http));
		cr_assert_eq(send(fd, request, cut, 0), (ssize_t)cut);
		turn(&s);
		turn(&s);
		cr_assert_eq(send(fd, request + cut, sizeof request - 1 - cut, 0),
			(ssize_t)(sizeof request - 1 - cut));
		cr_assert(strstr(read_all(&s, fd), "hello\n"), "cut at %zu", cut);
	}
	server_finish(&s);
}

Test(http, says_500_when_a_page_ran_out_of_memory)
{
	struct server s;
	server_init(&s);
	const char *text = ask(&s, "GET /no-memory HTTP/1.1\r\n\r\n");
	cr_assert(begins(text, "HTTP/1.1 500 "), "%s", text);
	cr_assert_not(strstr(text, "half"));
	server_finish(&s);
}

/* Forty sit there and say nothing: thirty-two are held, the rest wait, and whoever leaves makes room. */
Test(http, holds_a_limited_number_of_connections_and_serves_the_next_when_one_ends)
{
	enum { SITTERS = 40 };
	int fds[SITTERS];
	struct server s;
	server_init(&s);
	for (int i = 0; i < SITTERS; i++)
		fds[i] = client(torap_http_port(s.http));
	for (int i = 0; i < 50; i++)
		turn(&s);
	int fd = client(torap_http_port(s.http));
	static const char request[] = "GET /hello HTTP/1.1\r\n\r\n";
	cr_assert_eq(send(fd, request, sizeof request - 1, 0), sizeof request - 1);
	for (int i = 0; i < 50; i++)
		turn(&s);
	cr_assert_eq(s.pages, 0, "more connections than allowed");
	for (int i = 0; i < SITTERS; i++)
		close(fds[i]);
	cr_assert(strstr(read_all(&s, fd), "hello"));
	server_finish(&s);
}

/* The peer neither speaks nor leaves. */
Test(http, ends_a_silent_connection_by_itself)
{
	struct server s;
	server_init(&s);
	int fd = client(torap_http_port(s.http));
	cr_assert_eq(send(fd, "GET /he", 7, 0), 7);
	cr_assert_str_eq(read_all(&s, fd), "");
	server_finish(&s);
}

Test(http, closes_with_connections_in_every_state)
{
	struct server s;
	server_init(&s);
	uint16_t port = torap_http_port(s.http);
	int silent = client(port), half = client(port), unread = client(port), late;
	cr_assert_eq(send(half, "GET", 3, 0), 3);
	static const char request[] = "GET /large HTTP/1.1\r\n\r\n";
	cr_assert_eq(send(unread, request, sizeof request - 1, 0), sizeof request - 1);
	for (int i = 0; i < 20; i++)
		turn(&s);
	late = client(port); /* In the backlog, not accepted. */
	server_finish(&s);
	close(silent);
	close(half);
	close(unread);
	close(late);
}

Test(http, may_be_closed_by_a_page)
{
	struct server s;
	server_init(&s);
	s.closes_in_page = true;
	cr_assert_str_eq(ask(&s, "GET /hello HTTP/1.1\r\n\r\n"), "");
	server_finish(&s);
}

Test(http, listens_on_loopback_addresses_only)
{
	static const char *const bad[] = { "0.0.0.0:0", "10.1.2.3:9101", "[::]:9101", "[fe80::1]:0",
		"localhost:9101", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "127.0.0.1:-1",
		":9101", "", "[::1", "[]:1", "127.0.0.1:1x" };
	struct torap_error err;
	struct torap_http *http = NULL;
	uv_loop_t loop;
	uv_loop_init(&loop);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err.text[0] = '\0';
		cr_assert_lt(torap_http_open(&http, &loop, bad[i], routes, NULL, &err), 0, "%s", bad[i]);
		cr_assert_null(http);
		cr_assert(begins(err.text, bad[i]) && err.text[0], "%s", err.text);
	}
	cr_assert_eq(torap_http_open(&http, &loop, "127.0.0.2:0", routes, NULL, &err), 0, "%s", err.text);
	torap_http_close(http);
	if (torap_http_open(&http, &loop, "[::1]:0", routes, NULL, &err) == 0)
		torap_http_close(http);
	else
		cr_assert(strstr(err.text, "[::1]:0"), "%s", err.text); /* A machine without IPv6. */
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

Test(http, names_the_port_that_is_taken)
{
	struct server s;
	char listen[32];
	struct torap_error err;
	struct torap_http *second = NULL;
	server_init(&s);
	snprintf(listen, sizeof listen, "127.0.0.1:%u", torap_http_port(s.http));
	cr_assert_lt(torap_http_open(&second, &s.loop, listen, routes, NULL, &err), 0);
	cr_assert_null(second);
	cr_assert(strstr(err.text, listen), "%s", err.text);
	server_finish(&s);
}

Test(http, closing_nothing_is_allowed)
{
	torap_http_close(NULL);
}
