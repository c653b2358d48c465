/* A device on this host that answers each question with the same bytes, by real sockets. */
#include "agents/soap/call.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

#define ENVELOPE(body)                                                                                       \
	"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body>" body "</s:Body></s:Envelope>"
#define FAULT                                                                                                \
	ENVELOPE("<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>wsse:FailedAuthentication" \
		 "</s:Value></s:Subcode></s:Code></s:Fault>")

struct device {
	int socket;
	unsigned port;
	const char *status, *headers, *body;
	bool trickles; /* a byte each twentieth of a second */
	bool endless;  /* headers, until nobody takes them */
	size_t lacks;  /* so many bytes of the body, which its header promises */
	atomic_uint asked;
	char request[65536]; /* the last */
	pthread_t thread;
};
static struct device device;

/* The whole request: its body is as long as its header says. */
static void read_request(int fd)
{
	size_t size = 0;
	for (;;) {
		ssize_t more = read(fd, device.request + size, sizeof device.request - 1 - size);
		if (more <= 0)
			return;
		size += (size_t)more;
		device.request[size] = '\0';
		const char *end = strstr(device.request, "\r\n\r\n"),
			   *length = strcasestr(device.request, "content-length:");
		if (end && length && (size_t)(end + 4 - device.request) + (size_t)atoi(length + 15) <= size)
			return;
	}
}

static void answer(int fd)
{
	char head[512];
	int size = snprintf(head, sizeof head,
		"HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", device.status,
		device.headers, strlen(device.body) + device.lacks);
	if (device.endless)
		size -= 2; /* no empty line */
	bool good = send(fd, head, (size_t)size, MSG_NOSIGNAL) == size;
	static const char line[] = "X-More: 0123456789012345678901234567890123456789\r\n";
	while (good && device.endless)
		good = send(fd, line, sizeof line - 1, MSG_NOSIGNAL) > 0;
	size_t step = device.trickles ? 1 : strlen(device.body);
	for (const char *at = device.body; good && *at; at += step) {
		good = send(fd, at, step, MSG_NOSIGNAL) > 0;
		if (device.trickles)
			usleep(50000);
	}
}

static void *serve(void *hint)
{
	int fd;
	while ((fd = accept(device.socket, NULL, NULL)) >= 0) {
		read_request(fd);
		device.asked++;
		answer(fd);
		close(fd);
	}
	return hint;
}

static void begin(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof at;
	device = (struct device){ .socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .headers = "" };
	cr_assert_eq(bind(device.socket, (struct sockaddr *)&at, size), 0);
	cr_assert_eq(listen(device.socket, 8), 0);
	cr_assert_eq(getsockname(device.socket, (struct sockaddr *)&at, &size), 0);
	device.port = ntohs(at.sin_port);
}

static void end(void)
{
	shutdown(device.socket, SHUT_RDWR);
	pthread_join(device.thread, NULL);
	close(device.socket);
}

TestSuite(call, .init = begin, .fini = end);

static int ask(const char *status, const char *body, uint32_t whole_ms, struct torap_error *err)
{
	char url[64];
	struct soap_caller *caller;
	struct soap_answer *a = NULL;
	device.status = status;
	device.body = body;
	cr_assert_eq(pthread_create(&device.thread, NULL, serve, NULL), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/onvif", device.port);
	const struct soap_call call = { .url = url,
		.action = "urn:action",
		.body = "<x/>",
		.user = "viewer",
		.password = "geheim",
		.device_now = { 1795672422 * (int64_t)TORAP_US_PER_S } };
	cr_assert_eq(soap_caller_create(&caller, 1000, whole_ms, err), 0);
	int r = soap_call(caller, &call, &a, err);
	cr_expect_eq(a != NULL, r == 0 || r == SOAP_FAULT);
	soap_answer_free(a);
	soap_caller_destroy(caller);
	cr_expect_null(strstr(device.request, "geheim"), "the password in clear text");
	return r;
}

/* A fault of any name: the next question would be a second try with the same password. */
Test(call, a_fault_with_a_401_is_a_refusal)
{
	struct torap_error err;
	cr_expect_eq(ask("401 Unauthorized", FAULT, 2000, &err), SOAP_UNAUTHORISED, "%s", err.text);
	cr_expect(strstr(err.text, "FailedAuthentication"), "%s", err.text);
	cr_expect_eq(device.asked, 1);
}

/* It asks for the password in clear text. */
Test(call, basic_is_not_answered)
{
	struct torap_error err;
	device.headers = "WWW-Authenticate: Basic realm=\"recorder\"\r\n";
	cr_expect_eq(ask("401 Unauthorized", "", 2000, &err), SOAP_UNAUTHORISED);
	cr_expect_null(strcasestr(device.request, "authorization:"));
	cr_expect_eq(device.asked, 1);
}

Test(call, a_redirect_is_not_followed)
{
	char to[128];
	struct torap_error err;
	snprintf(to, sizeof to, "Location: http://127.0.0.1:%u/elsewhere\r\n", device.port);
	device.headers = to;
	cr_expect_eq(ask("307 Temporary Redirect", "", 2000, &err), SOAP_NO_ANSWER);
	cr_expect_eq(device.asked, 1);
}

Test(call, a_trickle_ends_in_time)
{
	struct torap_error err;
	device.trickles = true;
	cr_expect_eq(ask("200 OK", FAULT, 500, &err), SOAP_UNREACHABLE, "%s", err.text);
}

Test(call, an_answer_without_an_end_is_cut)
{
	struct torap_error err;
	static char body[(2 << 20) + 1];
	memset(body, ' ', sizeof body - 1);
	cr_expect_eq(ask("200 OK", body, 5000, &err), SOAP_NO_ANSWER, "%s", err.text);
}

Test(call, headers_without_an_end_are_cut)
{
	struct torap_error err;
	device.endless = true;
	cr_expect_eq(ask("200 OK", FAULT, 20000, &err), SOAP_NO_ANSWER, "%s", err.text);
	cr_expect(strstr(err.text, "headers are longer than 64 KiB"), "%s", err.text);
}

/* Before its body is whole the device closes. */
Test(call, an_answer_that_breaks_off_is_none)
{
	struct torap_error err;
	device.lacks = 1000;
	cr_expect_eq(ask("200 OK", FAULT, 20000, &err), SOAP_UNREACHABLE, "%s", err.text);
	cr_expect(strstr(err.text, "1000 bytes remaining"), "%s", err.text);
	cr_expect_eq(device.asked, 1);
}
