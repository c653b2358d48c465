/* floor_echo.c: what TCP on loopback gives to a server of many connections: what comes is sent back, in one thread, by epoll.
 *
 * Nothing decoded, nothing stored.  Prints its port, then serves until it is killed. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/samples.h"

enum { EVENTS_MAX = 256, BACKLOG = 4096, BYTES_MAX = 4096 };

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		bench_fail("cannot watch a connection: %s", strerror(errno));
}

static void take_one(int epoll, int listener)
{
	int yes = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		bench_fail("cannot accept: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	watch(epoll, fd);
}

static void echo(int fd)
{
	char bytes[BYTES_MAX];
	ssize_t size = recv(fd, bytes, sizeof bytes, 0);
	if (size <= 0 || send(fd, bytes, (size_t)size, MSG_NOSIGNAL) != size)
		close(fd);
}

int main(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t at_size = sizeof at;
	struct rlimit limit;
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC);
	if (listener < 0 || epoll < 0 || bind(listener, (const struct sockaddr *)&at, sizeof at) < 0 ||
		listen(listener, BACKLOG) < 0 || getsockname(listener, (struct sockaddr *)&at, &at_size) < 0)
		bench_fail("cannot listen: %s", strerror(errno));
	watch(epoll, listener);
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		struct epoll_event events[EVENTS_MAX];
		int n = epoll_wait(epoll, events, EVENTS_MAX, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				take_one(epoll, listener);
			else
				echo(events[i].data.fd);
		}
	}
}
