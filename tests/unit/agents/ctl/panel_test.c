/* `torap panel` as its user meets it: what it refuses, what it counts, how it repeats. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/ctl/command.h"
#include "agents/ctl/panel_event.h"
#include "agents/ctl/panel_frame.h"
#include "tests/kit/temporary.h"

/* Splits at blanks and runs. */
static int run(const char *words)
{
	static char text[512];
	char *argv[32], *save = NULL;
	int argc = 0;
	snprintf(text, sizeof text, "panel %s", words);
	for (char *w = strtok_r(text, " ", &save); w && argc < 31; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return ctl_panel(argc, argv);
}

Test(panel, refuses_what_makes_no_sense, .init = cr_redirect_stderr)
{
	static const char *const cases[] = { "", "--account 4001", "--connect 127.0.0.1:1",
		"--connect 127.0.0.1 --account 4001", "--connect 127.0.0.1:1 --account 40X1",
		"--connect 127.0.0.1:1 --account 4001 --event earthquake",
		"--connect 127.0.0.1:1 --account 4001 --event test --restore",
		"--connect 127.0.0.1:1 --account 4001 --key 0011",
		"--connect 127.0.0.1:1 --account 4001 --undated --key 00112233445566778899AABBCCDDEEFF",
		"--connect 127.0.0.1:1 --account 4001 --zone 1000",
		"--connect 127.0.0.1:1 --account 4001 --for 3",
		"--connect 127.0.0.1:1 --account 4001 --panels 0",
		"--connect 127.0.0.1:1 --account 4001 --nonsense",
		"--connect 127.0.0.1:1 --account 4001 --panels 2 --rate fast",
		"--connect 127.0.0.1:1 --account 4001 --accounts /dev/null",
		"--connect 127.0.0.1:1 --account 4001 --panels 2 --zone 3 --for 1ms",
		"--connect 127.0.0.1:1 --account 4001 --panels 2 --user 3 --for 1ms" };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cr_expect_eq(run(cases[i]), 2, "%s", cases[i]);
}

/* A receiver that answers the n-th datagram only. */
struct receiver {
	int fd, port, answers_after, heard;
	char first[CTL_PANEL_FRAME_MAX];
	bool repeats_equal;
};

static unsigned crc_of(const char *text)
{
	unsigned crc = 0;
	for (; *text; text++) {
		crc ^= (unsigned char)*text;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
	}
	return crc;
}

static void *receive(void *hint)
{
	struct receiver *r = hint;
	r->repeats_equal = true;
	while (r->heard <= r->answers_after) {
		char frame[CTL_PANEL_FRAME_MAX] = "", body[128], reply[160];
		struct sockaddr_in from;
		socklen_t size = sizeof from;
		ssize_t n = recvfrom(r->fd, frame, sizeof frame - 1, 0, (struct sockaddr *)&from, &size);
		if (n <= 0)
			break;
		if (!r->heard)
			memcpy(r->first, frame, sizeof frame);
		r->repeats_equal &= !strcmp(r->first, frame);
		if (r->heard++ < r->answers_after)
			continue;
		const char *echo = strchr(frame + 10, '"'), *end = strchr(frame, '[');
		snprintf(body, sizeof body, "\"ACK\"%.*s[]", (int)(end - echo - 1), echo + 1);
		int length = snprintf(
			reply, sizeof reply, "\n%04X%04X%s\r", crc_of(body), (unsigned)strlen(body), body);
		sendto(r->fd, reply, (size_t)length, 0, (struct sockaddr *)&from, size);
	}
	return NULL;
}

static int run_against(struct receiver *r, const char *options)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof a;
	r->fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert(!bind(r->fd, (struct sockaddr *)&a, sizeof a) &&
		  !getsockname(r->fd, (struct sockaddr *)&a, &size));
	struct timeval patience = { 5, 0 };
	setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	pthread_t thread;
	cr_assert_eq(pthread_create(&thread, NULL, receive, r), 0);
	char words[256];
	snprintf(words, sizeof words, "--udp --connect 127.0.0.1:%d --account 4001 %s", ntohs(a.sin_port),
		options);
	int status = run(words);
	pthread_join(thread, NULL);
	close(r->fd);
	return status;
}

Test(panel, repeats_with_the_same_content_and_number, .init = cr_redirect_stdout)
{
	struct receiver r = { .answers_after = 2 };
	cr_expect_eq(run_against(&r, "--event panic --zone 3 --timeout 200ms"), 0);
	cr_expect_eq(r.heard, 3);
	cr_expect(r.repeats_equal);
	cr_expect(strstr(r.first, "#4001|Nri1/PA3]_"), "%s", r.first);
}

/* Whoever compares the log with what arrived elsewhere needs all that was ever acknowledged. */
Test(panel, goes_on_in_the_log_of_an_earlier_run, .init = cr_redirect_stdout)
{
	char path[64], words[128], text[2048];
	int fd = mkstemp(temporary_pattern(path, sizeof path, "panel-log"));
	cr_assert_geq(fd, 0);
	snprintf(words, sizeof words, "--event panic --zone 3 --log %s", path);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(run_against(&(struct receiver){ 0 }, words), 0);
	ssize_t n = read(fd, text, sizeof text - 1);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	int lines = 0;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	cr_expect_eq(lines, 2, "%s", text);
	close(fd);
	unlink(path);
}

Test(panel, gives_up_after_its_tries, .init = cr_redirect_stderr)
{
	struct receiver r = { .answers_after = 2 };
	cr_expect_eq(run_against(&r, "--event panic --timeout 100ms --tries 2"), 1);
	cr_expect_eq(r.heard, 2);
}

Test(panel, has_a_code_in_both_vocabularies_for_every_event)
{
	const struct ctl_panel_event *e;
	size_t count = 0;
	for (; (e = ctl_panel_event_at(count)); count++) {
		cr_expect_eq(strlen(e->sia), 2, "%s", e->name);
		cr_expect_eq(strlen(e->cid), 3, "%s", e->name);
		cr_expect_eq(ctl_panel_event_find(e->name), e);
	}
	cr_expect(count >= 12);
	cr_expect_eq(ctl_panel_event_find("null"), &ctl_panel_null);
	cr_expect_null(ctl_panel_event_find("earthquake"));
}
