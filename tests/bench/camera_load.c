/* camera_load.c: cameras by the ten thousand that cost next to nothing: one process, one thread, no decoder and no encoder.
 *
 *     camera_load --addresses N [--phases N] [--user NAME --password WORD] FILM…
 *
 * RTSP over TCP on one port of 127.0.0.1, 127.0.0.2, …, any path that ends in a number.  A camera is live: it shows its film in its own
 * time, 25 pictures a second, whoever looks, and whoever comes waits for the next keyframe.  Cameras of one film and phase are alike to the byte,
 * so that a picture is written once and sent by one call to each who looks; phases are spread over the film and over the 40 ms of a picture.
 * Sender reports every 5 s, digest authentication when there is a user.
 *
 * Prints its port; each line on standard input asks for a line of JSON with what was sent so far; ends with standard input. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/camera_film.h"
#include "bench/samples.h"

enum {
	EVENTS_MAX = 256,
	BACKLOG = 4096,
	ADDRESSES_MAX = 64,
	FILMS_MAX = 16,
	HEAD_MAX = 4096,
	SENDING = 512 << 10, /* the kernel's buffer of a connection: some keyframes */
	UNSENT_MAX = 4 << 20,
	PICTURE_US = 1000000 / BENCH_FILM_RATE,
	REPORT_PICTURES = 5 * BENCH_FILM_RATE,
};

static const char realm[] = "torap bench", nonce[] = "6f3d1c2b5a49788796a5b4c3d2e1f00f";

struct camera { /* what all sessions of one film and phase see */
	const struct bench_film *film;
	uint32_t picture;
	uint16_t sequence;
	uint32_t time, pictures, octets, packets;
	struct session *first;
};

struct source {
	enum { LISTENER, ASKER, SESSION } sort;
	int fd;
};

struct session {
	struct source source; /* first */
	struct camera *camera;
	struct session *next, *previous; /* of the camera, while it plays */
	struct session *next_dead;
	bool plays, dead;
	uint8_t *unsent;
	size_t unsent_size;
	size_t heard;
	char in[HEAD_MAX];
};

struct load {
	struct bench_film films[FILMS_MAX];
	unsigned films_count, phases, addresses;
	const char *user, *password;
	struct camera *cameras;
	unsigned cameras_count;
	struct source listeners[ADDRESSES_MAX], asker;
	struct session *dead;
	int epoll;
	uint8_t *picture;
	uint64_t sessions, opened, bytes, pictures, choked, unauthorised;
};

/* Connections. */

static void watch(struct load *l, struct source *s, int how, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = s };
	if (epoll_ctl(l->epoll, how, s->fd, &event) < 0)
		bench_fail("cannot watch a connection: %s", strerror(errno));
}

/* The memory goes behind the round: an event of this one may still come in it. */
static void end(struct load *l, struct session *s)
{
	if (s->dead)
		return;
	if (s->plays) {
		if (s->previous)
			s->previous->next = s->next;
		else
			s->camera->first = s->next;
		if (s->next)
			s->next->previous = s->previous;
	}
	close(s->source.fd);
	s->dead = true;
	s->next_dead = l->dead;
	l->dead = s;
	l->sessions--;
}

static void bury(struct load *l)
{
	while (l->dead) {
		struct session *s = l->dead;
		l->dead = s->next_dead;
		free(s->unsent);
		free(s);
	}
}

static void keep_unsent(struct load *l, struct session *s, const uint8_t *bytes, size_t size)
{
	if (s->unsent_size + size > UNSENT_MAX) {
		l->choked++;
		end(l, s);
		return;
	}
	if (!s->unsent_size)
		watch(l, &s->source, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
	s->unsent = realloc(s->unsent, s->unsent_size + size);
	if (!s->unsent)
		bench_fail("out of memory");
	memcpy(s->unsent + s->unsent_size, bytes, size);
	s->unsent_size += size;
}

static void send_bytes(struct load *l, struct session *s, const void *bytes, size_t size)
{
	ssize_t sent = 0;
	if (s->dead)
		return;
	if (!s->unsent_size)
		sent = send(s->source.fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN) {
		end(l, s);
		return;
	}
	sent = sent < 0 ? 0 : sent;
	l->bytes += size;
	if ((size_t)sent < size)
		keep_unsent(l, s, (const uint8_t *)bytes + sent, size - (size_t)sent);
}

static void send_unsent(struct load *l, struct session *s)
{
	ssize_t sent = send(s->source.fd, s->unsent, s->unsent_size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0) {
		if (errno != EAGAIN)
			end(l, s);
		return;
	}
	s->unsent_size -= (size_t)sent;
	memmove(s->unsent, s->unsent + sent, s->unsent_size);
	if (!s->unsent_size)
		watch(l, &s->source, EPOLL_CTL_MOD, EPOLLIN);
}

static void take_one(struct load *l, int listener)
{
	int yes = 1, room = SENDING, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == ECONNABORTED || errno == EAGAIN)
			return;
		bench_fail("cannot accept: %s", strerror(errno));
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	struct session *s = calloc(1, sizeof *s);
	if (!s)
		bench_fail("out of memory");
	s->source = (struct source){ SESSION, fd };
	l->sessions++;
	l->opened++;
	watch(l, &s->source, EPOLL_CTL_ADD, EPOLLIN);
}

/* Requests. */

static void digest(char *out, const char *text)
{
	uint8_t bytes[EVP_MAX_MD_SIZE];
	unsigned size;
	if (!EVP_Digest(text, strlen(text), bytes, &size, EVP_md5(), NULL))
		bench_fail("no MD5");
	for (unsigned i = 0; i < size; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* The value between quotes behind `name="`. */
static bool quoted(char *out, size_t room, const char *head, const char *name)
{
	char text[32];
	snprintf(text, sizeof text, "%s=\"", name);
	const char *at = strstr(head, text);
	if (!at)
		return false;
	at += strlen(text);
	size_t size = strcspn(at, "\"");
	if (size >= room)
		return false;
	memcpy(out, at, size);
	out[size] = 0;
	return true;
}

static bool is_authorised(const struct load *l, const char *method, const char *head)
{
	char text[1024], uri[512], response[64], one[64], two[64], whole[64];
	const char *authorisation = strstr(head, "\r\nAuthorization: Digest ");
	if (!l->user)
		return true;
	if (!authorisation || !quoted(uri, sizeof uri, authorisation, "uri") ||
		!quoted(response, sizeof response, authorisation, "response"))
		return false;
	snprintf(text, sizeof text, "%s:%s:%s", l->user, realm, l->password);
	digest(one, text);
	snprintf(text, sizeof text, "%s:%s", method, uri);
	digest(two, text);
	snprintf(text, sizeof text, "%s:%s:%s", one, nonce, two);
	digest(whole, text);
	return strcmp(whole, response) == 0;
}

static void answer(struct load *l, struct session *s, const char *status, unsigned cseq, const char *more)
{
	char text[2048];
	int size = snprintf(text, sizeof text, "RTSP/1.0 %s\r\nCSeq: %u\r\n%s\r\n", status, cseq, more);
	send_bytes(l, s, text, (size_t)size);
}

static void describe(struct load *l, struct session *s, unsigned cseq, const char *url)
{
	char sdp[1024], more[2048];
	const struct bench_film *f = s->camera->film;
	int size = snprintf(sdp, sizeof sdp,
		"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\n"
		"m=video 0 RTP/AVP %d\r\na=rtpmap:%d H264/%d\r\na=framerate:%d\r\n"
		"a=fmtp:%d packetization-mode=1;profile-level-id=%s;sprop-parameter-sets=%s\r\na=control:track1\r\n",
		BENCH_FILM_PAYLOAD, BENCH_FILM_PAYLOAD, BENCH_FILM_CLOCK, BENCH_FILM_RATE, BENCH_FILM_PAYLOAD,
		f->level, f->sets);
	snprintf(more, sizeof more,
		"Content-Base: %s/\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", url,
		size, sdp);
	char text[4096];
	size = snprintf(text, sizeof text, "RTSP/1.0 200 OK\r\nCSeq: %u\r\n%s", cseq, more);
	send_bytes(l, s, text, (size_t)size);
}

static void play(struct session *s)
{
	if (s->plays)
		return;
	s->plays = true;
	s->next = s->camera->first;
	if (s->next)
		s->next->previous = s;
	s->camera->first = s;
}

/* The number at the end of the path, before "/track1" and the like. */
static bool find_camera(struct load *l, struct session *s, const char *url)
{
	const char *path = strncmp(url, "rtsp://", 7) == 0 ? strchr(url + 7, '/') : NULL;
	while (path && *path && !isdigit((unsigned char)*path))
		path++;
	if (!path || !*path)
		return false;
	s->camera = &l->cameras[strtoul(path, NULL, 10) % l->cameras_count];
	return true;
}

static void take_request(struct load *l, struct session *s, const char *head)
{
	char method[32], url[512];
	const char *number = strstr(head, "\r\nCSeq: ");
	unsigned cseq = number ? (unsigned)strtoul(number + 8, NULL, 10) : 0;
	if (sscanf(head, "%31s %511s", method, url) != 2) {
		end(l, s);
	} else if (strcmp(method, "OPTIONS") == 0) {
		answer(l, s, "200 OK", cseq,
			"Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n");
	} else if (!is_authorised(l, method, head)) {
		char more[256];
		l->unauthorised++;
		snprintf(more, sizeof more, "WWW-Authenticate: Digest realm=\"%s\", nonce=\"%s\"\r\n", realm,
			nonce);
		answer(l, s, "401 Unauthorized", cseq, more);
	} else if (!s->camera && !find_camera(l, s, url)) {
		answer(l, s, "404 Not Found", cseq, "");
	} else if (strcmp(method, "DESCRIBE") == 0) {
		describe(l, s, cseq, url);
	} else if (strcmp(method, "SETUP") == 0 && !strstr(head, "RTP/AVP/TCP")) {
		answer(l, s, "461 Unsupported Transport", cseq, "");
	} else if (strcmp(method, "SETUP") == 0) {
		answer(l, s, "200 OK", cseq,
			"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 4711;timeout=60\r\n");
	} else {
		answer(l, s, "200 OK", cseq, "Session: 4711\r\n");
		if (strcmp(method, "PLAY") == 0 && !s->dead)
			play(s);
		else if (strcmp(method, "TEARDOWN") == 0)
			end(l, s);
	}
}

/* Bytes of what is complete at the begin of what was heard; 0: nothing is. */
static size_t take_heard(struct load *l, struct session *s)
{
	if (s->heard >= 4 && s->in[0] == '$') { /* a receiver report */
		size_t size = 4 + ((size_t)(uint8_t)s->in[2] << 8 | (uint8_t)s->in[3]);
		return size <= s->heard ? size : 0;
	}
	s->in[s->heard] = 0;
	char *ends = strstr(s->in, "\r\n\r\n");
	if (!ends)
		return 0;
	size_t size = (size_t)(ends - s->in) + 4;
	ends[2] = 0;
	take_request(l, s, s->in);
	return size;
}

static void hear(struct load *l, struct session *s)
{
	ssize_t size = recv(s->source.fd, s->in + s->heard, sizeof s->in - 1 - s->heard, MSG_DONTWAIT);
	if (size <= 0) {
		if (size == 0 || errno != EAGAIN)
			end(l, s);
		return;
	}
	s->heard += (size_t)size;
	size_t taken;
	while (!s->dead && s->heard && (taken = take_heard(l, s))) {
		s->heard -= taken;
		memmove(s->in, s->in + taken, s->heard);
	}
	if (!s->dead && s->heard == sizeof s->in - 1)
		end(l, s);
}

/* The show. */

static void put(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof value);
}

/* Its clock is right. */
static size_t write_report(const struct camera *c, uint8_t *out)
{
	static const uint8_t head[] = { '$', 1, 0, 28, 0x80, 200, 0, 6, 't', 'r', 'a', 'p' };
	int64_t now = bench_wall_us();
	memcpy(out, head, sizeof head);
	put(out + 12, (uint32_t)(now / 1000000 + 2208988800));
	put(out + 16, (uint32_t)((now % 1000000 << 32) / 1000000));
	put(out + 20, c->time);
	put(out + 24, c->packets);
	put(out + 28, c->octets);
	return 32;
}

static void show(struct load *l, struct camera *c)
{
	size_t size = 0;
	if (c->pictures++ % REPORT_PICTURES == 0)
		size = write_report(c, l->picture);
	size += bench_film_write(c->film, c->picture, &c->sequence, c->time, l->picture + size);
	c->packets += c->film->pictures[c->picture].packets_count;
	c->octets += (uint32_t)size;
	c->time += BENCH_FILM_CLOCK / BENCH_FILM_RATE;
	c->picture = (c->picture + 1) % c->film->pictures_count;
	for (struct session *s = c->first, *next; s; s = next) {
		next = s->next;
		send_bytes(l, s, l->picture, size);
		l->pictures++;
	}
}

static void make_cameras(struct load *l)
{
	size_t largest = 0;
	l->cameras_count = l->films_count * l->phases;
	l->cameras = calloc(l->cameras_count, sizeof *l->cameras);
	for (unsigned i = 0; l->cameras && i < l->cameras_count; i++) {
		struct camera *c = &l->cameras[i];
		c->film = &l->films[i % l->films_count];
		c->picture = (uint32_t)((uint64_t)(i / l->films_count) * c->film->pictures_count / l->phases);
		c->time = i * 7919;
		c->sequence = (uint16_t)(i * 211);
		if (c->film->largest > largest)
			largest = c->film->largest;
	}
	l->picture = malloc(largest + 64);
	if (!l->cameras || !l->picture)
		bench_fail("out of memory");
}

/* Begin and end. */

static void listen_all(struct load *l)
{
	uint16_t port = 0;
	for (unsigned i = 0; i < l->addresses; i++) {
		int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		struct sockaddr_in at = {
			.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + i)
		};
		socklen_t size = sizeof at;
		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
			bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 || listen(fd, BACKLOG) < 0 ||
			getsockname(fd, (struct sockaddr *)&at, &size) < 0)
			bench_fail("cannot listen at 127.0.0.%u: %s", i + 1, strerror(errno));
		port = at.sin_port;
		l->listeners[i] = (struct source){ LISTENER, fd };
		watch(l, &l->listeners[i], EPOLL_CTL_ADD, EPOLLIN);
	}
	printf("%u\n", ntohs(port));
	fflush(stdout);
}

static bool on_asker(const struct load *l)
{
	char text[64];
	if (read(l->asker.fd, text, sizeof text) <= 0)
		return false;
	printf("{\"sessions\":%" PRIu64 ",\"opened\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"pictures\":%" PRIu64
	       ",\"choked\":%" PRIu64 ",\"unauthorised\":%" PRIu64 "}\n",
		l->sessions, l->opened, l->bytes, l->pictures, l->choked, l->unauthorised);
	fflush(stdout);
	return true;
}

static bool on_event(struct load *l, const struct epoll_event *event)
{
	struct source *source = event->data.ptr;
	struct session *s = event->data.ptr;
	if (source->sort == ASKER)
		return on_asker(l);
	if (source->sort == LISTENER) {
		take_one(l, source->fd);
		return true;
	}
	if (!s->dead && event->events & EPOLLOUT)
		send_unsent(l, s);
	if (!s->dead && event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		hear(l, s);
	return true;
}

/* The nth showing of all is due at n times the 40 ms of a picture by the number of cameras. */
static void run(struct load *l)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t begun = bench_mono_us();
	uint64_t shown = 0;
	for (bool goes_on = true; goes_on;) {
		int n = epoll_wait(l->epoll, events, EVENTS_MAX, 1);
		for (int i = 0; i < n && goes_on; i++)
			goes_on = on_event(l, &events[i]);
		uint64_t due = (uint64_t)(bench_mono_us() - begun) * l->cameras_count / PICTURE_US;
		while (shown < due)
			show(l, &l->cameras[shown++ % l->cameras_count]);
		bury(l);
	}
}

static void take_options(struct load *l, int argc, char **argv)
{
	static const struct option options[] = {
		{ "addresses", required_argument, NULL, 'a' },
		{ "phases", required_argument, NULL, 'p' },
		{ "user", required_argument, NULL, 'u' },
		{ "password", required_argument, NULL, 'w' },
		{ 0 },
	};
	l->phases = 50;
	l->addresses = 1;
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'a')
			l->addresses = (unsigned)bench_number("addresses", optarg, ADDRESSES_MAX);
		else if (c == 'p')
			l->phases = (unsigned)bench_number("phases", optarg, 1000);
		else if (c == 'u')
			l->user = optarg;
		else if (c == 'w')
			l->password = optarg;
		else
			exit(2);
	}
	for (; optind < argc && l->films_count < FILMS_MAX; optind++)
		bench_film_load(&l->films[l->films_count++], argv[optind]);
	if (!l->films_count || !l->phases || !l->addresses || !l->user != !l->password)
		bench_fail(
			"usage: camera_load [--addresses N] [--phases N] [--user NAME --password WORD] FILM…");
}

int main(int argc, char **argv)
{
	static struct load l;
	struct rlimit limit;
	take_options(&l, argc, argv);
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	make_cameras(&l);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.asker = (struct source){ ASKER, STDIN_FILENO };
	if (l.epoll < 0)
		bench_fail("no epoll: %s", strerror(errno));
	watch(&l, &l.asker, EPOLL_CTL_ADD, EPOLLIN);
	listen_all(&l);
	run(&l);
	for (unsigned i = 0; i < l.films_count; i++)
		bench_film_finish(&l.films[i]);
	free(l.cameras);
	free(l.picture);
	return 0;
}
