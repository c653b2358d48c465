#include "agents/rtsp/talk/message.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct rtsp_unit take(const char *text)
{
	struct rtsp_unit u;
	rtsp_unit_take(&u, torap_bytes(text, strlen(text)));
	return u;
}

static bool is(struct torap_bytes b, const char *text)
{
	return torap_bytes_equal(b, torap_bytes(text, strlen(text)));
}

Test(message, takes_an_answer_apart)
{
	static const char text[] = "\r\nRTSP/1.0 200 OK\r\nCSeq: 7\r\ncontent-length:  5 \r\n\r\nhelloRTSP";
	struct rtsp_unit u = take(text);
	struct torap_bytes value;
	cr_assert_eq(u.sort, RTSP_UNIT_ANSWER);
	cr_expect_eq(u.status, 200);
	cr_expect_eq(u.size, strlen(text) - 4);
	cr_expect(is(u.body, "hello"));
	cr_expect(rtsp_header(u.head, "cseq", 0, &value) && is(value, "7"));
	cr_expect(rtsp_header(u.head, "Content-Length", 0, &value) && is(value, "5"));
	cr_expect_not(rtsp_header(u.head, "CSeq", 1, &value));
	cr_expect_not(rtsp_header(u.head, "CSe", 0, &value));
}

Test(message, takes_lines_without_a_carriage_return)
{
	struct rtsp_unit u = take("RTSP/1.0 404 Not Found\nCSeq: 1\n\n");
	cr_assert_eq(u.sort, RTSP_UNIT_ANSWER);
	cr_expect_eq(u.status, 404);
}

Test(message, takes_a_request_of_the_camera)
{
	struct rtsp_unit u = take("OPTIONS rtsp://c/1 RTSP/1.0\r\nCSeq: 3\r\n\r\n");
	cr_assert_eq(u.sort, RTSP_UNIT_REQUEST);
	cr_expect(is(u.method, "OPTIONS"));
}

/* Whatever is cut off, nothing is taken before it is whole. */
Test(message, waits_for_the_rest)
{
	static const char *const texts[] = { "RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "$\1\0\3abc",
		"TEARDOWN * RTSP/1.0\r\n\r\n" };
	static const size_t sizes[] = { 41, 7, 23 };
	for (size_t i = 0; i < 3; i++) {
		struct rtsp_unit u;
		for (size_t size = 0; size < sizes[i]; size++) {
			rtsp_unit_take(&u, torap_bytes(texts[i], size));
			cr_assert_eq(u.sort, RTSP_UNIT_MORE, "%zu of text %zu", size, i);
			cr_assert_eq(u.size, 0);
		}
		rtsp_unit_take(&u, torap_bytes(texts[i], sizes[i]));
		cr_expect_neq(u.sort, RTSP_UNIT_MORE);
		cr_expect_eq(u.size, sizes[i]);
	}
}

Test(message, takes_a_packet_with_its_channel)
{
	static const uint8_t bytes[] = { '$', 3, 1, 0, 9 };
	uint8_t packet[4 + 256] = { 0 };
	struct rtsp_unit u;
	memcpy(packet, bytes, sizeof bytes);
	rtsp_unit_take(&u, torap_bytes(packet, sizeof packet));
	cr_assert_eq(u.sort, RTSP_UNIT_PACKET);
	cr_expect_eq(u.channel, 3);
	cr_expect_eq(u.packet.size, 256);
	cr_expect_eq(u.packet.data[0], 9);
}

Test(message, names_what_is_no_rtsp_and_what_has_no_end)
{
	cr_expect_eq(take("HTTP/1.1 200 OK\r\n\r\n").sort, RTSP_UNIT_GARBAGE);
	cr_expect_eq(take("\x16\x03\x01").sort, RTSP_UNIT_GARBAGE);
	cr_expect_eq(take("RTSP/1.0 2x0 OK\r\n\r\n").sort, RTSP_UNIT_GARBAGE);
	cr_expect_eq(take("RTSP/1.0 200 OK\r\nContent-Length: x\r\n\r\n").sort, RTSP_UNIT_GARBAGE);
	cr_expect_eq(take("HELLO world\r\n\r\n").sort, RTSP_UNIT_GARBAGE);
	cr_expect_eq(take("RTSP/1.0 200 OK\r\nContent-Length: 40000\r\n\r\n").sort, RTSP_UNIT_ENDLESS);
	char *head = malloc(RTSP_HEAD_MAX + 1);
	memset(head, 'a', RTSP_HEAD_MAX);
	memcpy(head, "RTSP/1.0 200 OK\r\nX: ", 20);
	head[RTSP_HEAD_MAX] = 0;
	cr_expect_eq(take(head).sort, RTSP_UNIT_ENDLESS);
	head[RTSP_HEAD_MAX - 1] = 0;
	cr_expect_eq(take(head).sort, RTSP_UNIT_MORE);
	free(head);
}

Test(message, finds_parameters)
{
	struct torap_bytes value, text = torap_bytes("RTP/AVP;unicast; server_port=5-6;ssrc=A", 39);
	cr_expect(rtsp_parameter(text, "server_port", &value) && is(value, "5-6"));
	cr_expect(rtsp_parameter(text, "SSRC", &value) && is(value, "A"));
	cr_expect_not(rtsp_parameter(text, "port", &value));
	cr_expect_not(rtsp_parameter(text, "unicast", &value));
}
