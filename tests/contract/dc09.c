/* torap-dc09 and its panels, for the battery. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "tests/contract/stage.h"

static void write_config(const char *path, const char *endpoint, int port)
{
	FILE *f = fopen(path, "w");
	if (!f)
		abort();
	char keys[200];
	snprintf(keys, sizeof keys, "%s.keys", path);
	int fd = open(keys, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || close(fd))
		abort();
	fprintf(f,
		"listen_tcp: 127.0.0.1:%d\nlisten_udp: 127.0.0.1:%d\nnode: %s\nkeys: agent.yaml.keys\nlimits: { answer: 20s, first: 5s, cut: 3s }\n",
		port, port, endpoint);
	fclose(f);
}

static size_t frame(uint8_t *out, const char *body)
{
	unsigned crc = 0;
	for (const char *c = body; *c; c++) {
		crc ^= (unsigned char)*c;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
	}
	return (size_t)snprintf(
		(char *)out, STAGE_MESSAGE_MAX, "\n%04X%04X%s\r", crc, (unsigned)strlen(body), body);
}

static size_t message(uint8_t out[static STAGE_MESSAGE_MAX], unsigned number)
{
	char body[200];
	snprintf(body, sizeof body, "\"SIA-DCS\"%04uR0L0#4001[#4001|Nri1/PA%u]_10:00:%02u,11-22-2026",
		number % 10000, number, number % 60);
	return frame(out, body);
}

static size_t acknowledgement(uint8_t out[static STAGE_MESSAGE_MAX], unsigned number)
{
	char body[100];
	snprintf(body, sizeof body, "\"ACK\"%04uR0L0#4001[]", number % 10000);
	return frame(out, body);
}

static size_t garbage(uint8_t out[static STAGE_MESSAGE_MAX], unsigned number)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
	static const uint8_t hello[] = { 0x16, 3, 1, 0, 0x31, 1, 0, 0, 0x2d, 3, 3, '"', '\n', '\r', 0xff, 0 };
	static const char cut[] = "\n12340034\"SIA-DCS\"0001L0#4001[#40";
	static const char wrong[] = "\nFFFF0012\"NULL\"0001L0#4001[]\r";
	static const char answer[] = "\nCBA80012\"ACK\"0001L0#4001[]\r";
	static const struct {
		const void *bytes;
		size_t size;
	} kinds[] = { { http, sizeof http - 1 }, { hello, sizeof hello }, { cut, sizeof cut - 1 },
		{ wrong, sizeof wrong - 1 }, { answer, sizeof answer - 1 } };
	if (number >= sizeof kinds / sizeof *kinds)
		return 0;
	memcpy(out, kinds[number].bytes, kinds[number].size);
	return kinds[number].size;
}

const struct contract_agent contract_agent = { "torap-dc09", write_config, message, acknowledgement,
	garbage };

/* What only panels do. */

static int datagram_socket(struct stage *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)s->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert(fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof a));
	return fd;
}

Test(dc09, answers_datagrams_to_the_port_they_came_from)
{
	struct stage *s = stage_open();
	int a = datagram_socket(s), b = datagram_socket(s);
	s->node.mood = FAKE_THINKS;
	stage_tell(a, 1);
	stage_tell(b, 2);
	stage_wait_seen(s, 2);
	stage_expect_silence(s, a);
	fake_node_judge(&s->node);
	stage_expect(s, b, 2);
	stage_expect(s, a, 1);
	close(a);
	close(b);
	stage_close(s);
}

/* The same panel on its other path: one event. */
Test(dc09, knows_a_repeat_that_comes_by_the_other_path)
{
	struct stage *s = stage_open();
	int tcp = stage_call(s), udp = datagram_socket(s);
	stage_tell(tcp, 1);
	stage_expect(s, tcp, 1);
	stage_tell(udp, 1);
	stage_expect(s, udp, 1);
	cr_expect_eq(s->node.durable, 1);
	cr_expect_eq(s->node.duplicate, 1);
	close(tcp);
	close(udp);
	stage_close(s);
}

Test(dc09, shows_scanners_out_and_keeps_panels)
{
	struct stage *s = stage_open();
	int panel = stage_call(s), scanner = stage_call(s), mute = stage_call(s), half = stage_call(s);
	stage_tell(panel, 1);
	stage_expect(s, panel, 1);
	static const char http[] = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
			  cut[] = "\n12340034\"SIA-DCS\"0001L0#40";
	cr_assert_eq(write(scanner, http, sizeof http - 1), (ssize_t)sizeof http - 1);
	cr_assert_eq(write(half, cut, sizeof cut - 1), (ssize_t)sizeof cut - 1);
	stage_expect_end(s, scanner);
	stage_expect_end(s, mute);
	stage_expect_end(s, half);
	stage_tell(panel, 2);
	stage_expect(s, panel, 2);
	close(panel);
	close(scanner);
	close(mute);
	close(half);
	stage_close(s);
}

static const char encrypted[] =
	"\n4B760078\"*SIA-DCS\"0003R0L0#4001[9247AB724E766F6CF7ECEF61FF81810D63483AA996791B25C221E46B9CD74B6561F6912F984A54CD66A6F123112A5FEA\r";
static const char key_line[] = "panel: 0F1E2D3C4B5A69788796A5B4C3D2E1F0\n";

/* The message is old, so that the right key shows in a NAK: it was deciphered.  Without the key there is silence. */
Test(dc09, learns_a_key_without_a_restart)
{
	struct stage *s = stage_open();
	s->node.row_address = "4001";
	s->node.row_key_name = "panel";
	fake_node_send_rows(&s->node);
	int fd = stage_call(s);
	cr_assert_eq(write(fd, encrypted, sizeof encrypted - 1), (ssize_t)sizeof encrypted - 1);
	stage_expect_silence(s, fd);

	char path[200];
	snprintf(path, sizeof path, "%s.keys", s->config);
	int file = open(path, O_WRONLY | O_TRUNC);
	cr_assert_eq(write(file, key_line, sizeof key_line - 1), (ssize_t)sizeof key_line - 1);
	close(file);
	kill(s->agent, SIGHUP);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	for (int i = 0; poll(&p, 1, 100) == 0; i++) { /* as a panel repeats */
		cr_assert(i < 200, "the key is not in force");
		fake_node_turn(&s->node, 1);
		cr_assert_eq(write(fd, encrypted, sizeof encrypted - 1), (ssize_t)sizeof encrypted - 1);
	}
	char answer[100] = "";
	cr_assert(read(fd, answer, sizeof answer - 1) > 0);
	cr_expect(strstr(answer, "\"NAK\"0000R0L0A0[]_"), "%s", answer);
	cr_expect_eq(s->node.seen_count, 0);
	close(fd);
	stage_close(s);
}
