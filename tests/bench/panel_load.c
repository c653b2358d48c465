/* panel_load.c: alarm panels by the thousand, each of which tells its next event the moment its last one is acknowledged.
 *
 * `torap panel` plays panels too, but by a clock of 2 ms and with all that a drill needs; here as little as can be stands between an
 * acknowledgement and the next frame, so that the receiver is what is measured.  Frames are the simulator's own, dated, in the clear,
 * without signs of life.  With --echo any answer is good: floor_echo sends the same bytes back.
 *
 * Ends after --seconds, when what was told then is answered, with one line of JSON; whatever is not acknowledged ends it at once. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/ctl/panel_frame.h"
#include "bench/samples.h"

enum { EVENTS_MAX = 256, QUIET_MS = 10000, NUMBERS = 998, FIRST_ACCOUNT = 1000 };

struct panel {
	int fd;
	struct ctl_panel_message message;
	int64_t told_us;
	size_t heard_size;
	uint8_t heard[CTL_PANEL_FRAME_MAX];
};

struct load {
	const char *port;
	unsigned panels_count;
	int64_t seconds;
	bool echo;
	struct panel *panels;
	int epoll;
	uint64_t random, acknowledged, bytes;
	unsigned waiting;
	int64_t ends_us;
	struct bench_samples took;
};

/* splitmix64. */
static uint64_t draw(struct load *l)
{
	uint64_t z = l->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void tell(struct load *l, struct panel *p)
{
	static const struct ctl_panel_key in_the_clear;
	uint8_t frame[CTL_PANEL_FRAME_MAX];
	struct ctl_panel_message *m = &p->message;
	do
		m->event = ctl_panel_event_draw(draw(l));
	while (!m->event->sia);
	m->number = m->number % NUMBERS + 1; /* so that nothing looks like a repeat */
	m->sequence = m->sequence % 9999 + 1;
	m->time.us = bench_wall_us();
	size_t size = ctl_panel_encode(frame, m, &in_the_clear, 0);
	p->told_us = bench_mono_us();
	p->heard_size = 0;
	if (send(p->fd, frame, size, MSG_NOSIGNAL) != (ssize_t)size)
		bench_fail("panel %s cannot send: %s", m->account, strerror(errno));
	l->bytes += size;
	l->waiting++;
}

static bool is_acknowledged(const struct load *l, const struct panel *p)
{
	static const struct ctl_panel_key in_the_clear;
	struct torap_wall time;
	size_t used;
	return l->echo || ctl_panel_read_answer(p->heard, p->heard_size, &used, &p->message, &in_the_clear,
				  &time) == CTL_PANEL_ACK;
}

static void hear(struct load *l, struct panel *p)
{
	ssize_t size = recv(p->fd, p->heard + p->heard_size, sizeof p->heard - p->heard_size, 0);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0)
		bench_fail("panel %s was hung up on after %" PRIu64 " acknowledgements", p->message.account,
			l->acknowledged);
	p->heard_size += (size_t)size;
	if (p->heard[p->heard_size - 1] != '\r')
		return;
	if (!is_acknowledged(l, p))
		bench_fail("panel %s got another answer: %.*s", p->message.account, (int)p->heard_size,
			(const char *)p->heard);
	int64_t now_us = bench_mono_us();
	bench_samples_add(&l->took, now_us - p->told_us);
	l->acknowledged++;
	l->waiting--;
	if (now_us < l->ends_us)
		tell(l, p);
}

static void open_panel(struct load *l, struct panel *p, unsigned number)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)bench_number("port", l->port, UINT16_MAX)) };
	int yes = 1;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || connect(p->fd, (const struct sockaddr *)&to, sizeof to) < 0)
		bench_fail("panel %u cannot connect: %s", number, strerror(errno));
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	p->message.dated = true;
	p->message.area = 1;
	snprintf(p->message.account, sizeof p->message.account, "%u", FIRST_ACCOUNT + number);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = p };
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, p->fd, &event) < 0)
		bench_fail("cannot watch a connection: %s", strerror(errno));
}

/* Returns the seconds that it took. */
static double run(struct load *l)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->panels = calloc(l->panels_count, sizeof *l->panels);
	if (l->epoll < 0 || !l->panels)
		bench_fail("out of memory");
	for (unsigned i = 0; i < l->panels_count; i++)
		open_panel(l, &l->panels[i], i);
	int64_t began_us = bench_mono_us();
	l->ends_us = began_us + l->seconds * 1000000;
	for (unsigned i = 0; i < l->panels_count; i++)
		tell(l, &l->panels[i]);
	while (l->waiting) {
		struct epoll_event events[EVENTS_MAX];
		int n = epoll_wait(l->epoll, events, EVENTS_MAX, QUIET_MS);
		if (n == 0)
			bench_fail("%u panels wait for an answer, and none came for %d s", l->waiting,
				QUIET_MS / 1000);
		for (int i = 0; i < n; i++)
			hear(l, events[i].data.ptr);
	}
	return (double)(bench_mono_us() - began_us) / 1e6;
}

static void read_options(struct load *l, int argc, char **argv)
{
	static const struct option options[] = { { "port", required_argument, NULL, 'p' },
		{ "panels", required_argument, NULL, 'n' }, { "seconds", required_argument, NULL, 's' },
		{ "echo", no_argument, NULL, 'e' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (o == 'p')
			l->port = optarg;
		else if (o == 'n')
			l->panels_count = (unsigned)bench_number("panels", optarg, 100000);
		else if (o == 's')
			l->seconds = (int64_t)bench_number("seconds", optarg, 3600);
		else if (o == 'e')
			l->echo = true;
		else {
			printf("usage: panel_load --port PORT [--panels N] [--seconds N] [--echo]\n"
			       "Panels 1000, 1001, … on loopback tell events as fast as they are acknowledged.  One line of JSON.\n");
			exit(o == 'h' ? 0 : 2);
		}
	}
	if (!l->port || !l->panels_count || !l->seconds)
		bench_fail("--port is missing, or nothing is to be measured");
}

int main(int argc, char **argv)
{
	struct load l = { .panels_count = 100, .seconds = 5 };
	struct rlimit limit;
	read_options(&l, argc, argv);
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	double seconds = run(&l);
	printf("{\"panels\":%u,\"acknowledged\":%" PRIu64
	       ",\"seconds\":%.3f,\"per_s\":%.0f,\"frame_bytes\":%.1f,"
	       "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f}\n",
		l.panels_count, l.acknowledged, seconds, (double)l.acknowledged / seconds,
		(double)l.bytes / (double)l.acknowledged, bench_samples_percentile_ms(&l.took, 0.5),
		bench_samples_percentile_ms(&l.took, 0.99), bench_samples_percentile_ms(&l.took, 0.999));
	for (unsigned i = 0; i < l.panels_count; i++)
		close(l.panels[i].fd);
	bench_samples_finish(&l.took);
	free(l.panels);
	return 0;
}
