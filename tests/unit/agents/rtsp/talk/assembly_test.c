#include "agents/rtsp/talk/assembly.h"

#include <criterion/criterion.h>
#include <string.h>

static struct rtsp_assembly a;
static struct torap_writer frame;
static uint32_t at;

static void begin(enum rtsp_codec codec)
{
	struct rtsp_video video = { .codec = codec, .payload = 96, .clock_hz = 90000 };
	rtsp_assembly_init(&a, &video);
}

static bool add(uint16_t sequence, uint32_t time, bool marker, const char *bytes, size_t size)
{
	struct rtsp_rtp p = { .payload = 96, .marker = marker, .sequence = sequence, .time = time };
	p.body = torap_bytes(bytes, size);
	torap_writer_finish(&frame);
	return rtsp_assembly_add(&a, &p, &frame, &at);
}
#define ADD(sequence, time, marker, bytes) add(sequence, time, marker, bytes, sizeof(bytes) - 1)

static void check_frame(const char *bytes, size_t size)
{
	cr_assert_eq(frame.size, size, "%zu bytes instead of %zu", frame.size, size);
	cr_expect_eq(memcmp(frame.data, bytes, size), 0);
}
#define CHECK(bytes) check_frame(bytes, sizeof(bytes) - 1)

static void end(void)
{
	torap_writer_finish(&frame);
	rtsp_assembly_finish(&a);
}

#define START "\0\0\0\1"

Test(assembly, puts_an_h264_keyframe_together)
{
	begin(RTSP_CODEC_H264);
	cr_expect_not(ADD(65534, 100, false, "\x67SP"));
	cr_expect_not(ADD(65535, 100, false, "\x68PP"));
	cr_expect_not(ADD(0, 100, false, "\x7c\x85one"));
	cr_expect_not(ADD(1, 100, false, "\x7c\x05two"));
	cr_assert(ADD(2, 100, true, "\x7c\x45three"));
	CHECK(START "\x67SP" START "\x68PP" START "\x65onetwothree");
	cr_expect_eq(at, 100);
	/* The sets of before serve a keyframe that has none; other frames leave nothing. */
	cr_expect_not(ADD(3, 3100, true, "\x41other"));
	cr_assert(ADD(4, 6100, true, "\x18\0\4\x65key\0\2\6x"));
	CHECK(START "\x67SP" START "\x68PP" START "\x65key");
	cr_expect_eq(a.frames, 3);
	end();
}

Test(assembly, puts_an_h265_keyframe_together)
{
	begin(RTSP_CODEC_H265);
	cr_expect_not(ADD(1, 5, false, "\x60\1\0\3\x40\1V\0\3\x42\1S\0\3\x44\1P"));
	cr_expect_not(ADD(2, 5, false, "\x62\1\x93one"));
	cr_assert(ADD(3, 5, true, "\x62\1\x53two"));
	CHECK(START "\x40\1V" START "\x42\1S" START "\x44\1P" START "\x26\1onetwo");
	cr_expect_not(ADD(4, 9, true, "\x02\1other"));
	end();
}

/* A camera that sets no marker: the next frame ends the one before. */
Test(assembly, ends_a_frame_by_the_time_of_the_next)
{
	begin(RTSP_CODEC_H264);
	cr_expect_not(ADD(1, 100, false, "\x65key"));
	cr_assert(ADD(2, 200, false, "\x41other"));
	CHECK(START "\x65key");
	cr_expect_eq(at, 100);
	end();
}

Test(assembly, throws_away_a_keyframe_that_lacks_a_packet)
{
	begin(RTSP_CODEC_H264);
	cr_expect_not(ADD(1, 100, false, "\x7c\x85one"));
	cr_expect_not(ADD(3, 100, true, "\x7c\x45three"), "its middle is missing");
	cr_expect_not(ADD(5, 200, true, "\x7c\x45three"), "its begin is missing");
	cr_expect_not(ADD(6, 300, false, "\x7c\x85one"));
	cr_expect_not(ADD(8, 400, true, "\x41other"), "its end is missing");
	cr_expect_not(ADD(8, 400, true, "\x65key"), "that packet was there");
	cr_assert(ADD(9, 500, true, "\x65key"));
	cr_expect_eq(a.incomplete, 2, "of what lacks its begin nobody knows that it was a keyframe");
	cr_expect_eq(a.lost, 3);
	cr_expect_eq(a.late, 1);
	end();
}

Test(assembly, lets_keyframes_pass_that_nobody_wants)
{
	begin(RTSP_CODEC_H264);
	a.wanted = false;
	cr_expect_not(ADD(1, 100, false, "\x7c\x85one"));
	a.wanted = true;
	cr_expect_not(ADD(2, 100, true, "\x7c\x45two"), "its begin was not kept");
	cr_assert(ADD(3, 200, true, "\x65key"));
	cr_expect_eq(a.frames, 2);
	end();
}

/* In packets of each sort; frames that are no keyframes do not count, and one that is wanted is no longer news. */
Test(assembly, knows_how_large_keyframes_are_that_pass)
{
	begin(RTSP_CODEC_H264);
	a.wanted = false;
	ADD(1, 100, false, "\x67SP");
	ADD(2, 100, false, "\x7c\x85one");
	cr_expect_eq(a.passed, 0, "it is not over");
	ADD(3, 100, true, "\x7c\x45two");
	cr_expect_eq(a.passed, 13);
	ADD(4, 200, true, "\x41other that is longer");
	cr_expect_eq(a.passed, 13);
	ADD(5, 300, true, "\x18\0\2\6x\0\4\x65key");
	cr_expect_eq(a.passed, 11);
	ADD(6, 400, true, "\x18\0\2\6x\0\4\x41key\xff\xff\x65");
	ADD(7, 500, true, "\x7c");
	cr_expect_eq(a.passed, 11);
	ADD(8, 600, true, "\x65key");
	cr_expect_eq(a.passed, 4);
	ADD(9, 700, true, "\x67set");
	ADD(10, 700, true, "\x65one slice");
	ADD(11, 700, true, "\x65two");
	cr_expect_eq(a.passed, 10, "of slices that are marked one by one the first, as when it is wanted");
	end();
	begin(RTSP_CODEC_H265);
	a.wanted = false;
	ADD(1, 100, true, "\x62\1\x93one");
	cr_expect_eq(a.passed, 6);
	ADD(2, 200, true, "\x60\1\0\3\x26\1V");
	cr_expect_eq(a.passed, 7);
	ADD(3, 300, true, "\x02\1other");
	cr_expect_eq(a.passed, 7);
	end();
}

Test(assembly, tells_rate_and_time_of_frames)
{
	begin(RTSP_CODEC_H264);
	uint32_t time = UINT32_MAX - 5000; /* the clock wraps */
	for (uint16_t i = 0; i < 11; i++, time += 3600)
		ADD(i, time, true, "\x41other");
	cr_expect_eq(rtsp_assembly_rate(&a), 25000);
	cr_expect_eq(rtsp_assembly_pts_us(&a, time - 3600), 400000);
	end();
}

static uint16_t sequence;

static uint32_t run(uint32_t time, uint32_t step, unsigned frames)
{
	while (frames--)
		ADD(sequence++, time += step, true, "\x41other");
	return time;
}

Test(assembly, tells_the_rate_of_the_last_seconds)
{
	begin(RTSP_CODEC_H264);
	uint32_t time = run(0, 3600, 25 * 600);
	cr_expect_eq(rtsp_assembly_rate(&a), 25000);
	time = run(time, 30000, 30); /* stutters, after ten minutes: 3 a second */
	cr_expect_lt(rtsp_assembly_rate(&a), 3500, "%u", rtsp_assembly_rate(&a));
	time = run(time, 3600, 25 * 11);
	cr_expect_eq(rtsp_assembly_rate(&a), 25000, "%u", rtsp_assembly_rate(&a));
	int64_t pts_us = rtsp_assembly_pts_us(&a, time);
	cr_expect_eq(pts_us, 600000000 - 40000 + 10000000 + 11000000);
	time = run(time - 90000 * 600, 3600, 6); /* its clock was set back */
	cr_expect_eq(rtsp_assembly_rate(&a), 25000, "%u", rtsp_assembly_rate(&a));
	end();
}

Test(assembly, tells_the_rate_of_a_slow_stream)
{
	begin(RTSP_CODEC_H264);
	a.video.rate_mhz = 25000; /* announced */
	uint32_t time = run(0, 9000, 3);
	cr_expect_not(rtsp_assembly_rated(&a));
	cr_expect_eq(rtsp_assembly_rate(&a), 25000);
	run(time, 72000, 1);
	cr_expect(rtsp_assembly_rated(&a));
	cr_expect_eq(rtsp_assembly_rate(&a), 3000, "four frames in a second, whatever was announced");
	end();
}

/* Each length and cut of a JPEG's head, and a scan in two packets. */
Test(assembly, puts_a_jpeg_together)
{
	begin(RTSP_CODEC_MJPEG);
	cr_expect_not(ADD(1, 100, false, "\0\0\0\0\1\x32\x28\x1eone"));
	cr_assert(ADD(2, 100, true, "\0\0\0\3\1\x32\x28\x1etwo"));
	cr_expect_eq(memcmp(frame.data, "\xff\xd8\xff\xdb", 4), 0);
	cr_expect_eq(memcmp(frame.data + frame.size - 8, "onetwo\xff\xd9", 8), 0);
	cr_expect_not(ADD(3, 200, false, "\0\0\0\0\1\x32\x28\x1eone"));
	cr_expect_not(ADD(4, 200, true, "\0\0\0\4\1\x32\x28\x1etwo"), "an offset that does not fit");
	for (size_t size = 0; size < 8; size++)
		cr_expect_not(add((uint16_t)(5 + size), 300, true, "\0\0\0\0\1\x32\x28\x1e", size));
	cr_expect_not(ADD(13, 400, true, "\0\0\0\0\1\x80\x28\x1e\0\0\0\x80short"), "tables that are cut off");
	end();
}

Test(assembly, bounds_a_keyframe)
{
	begin(RTSP_CODEC_H264);
	char packet[60000] = "\x7c\x05";
	cr_expect_not(ADD(0, 1, false, "\x7c\x85x"));
	for (uint16_t i = 1; i < 80; i++)
		cr_expect_not(add(i, 1, false, packet, sizeof packet));
	cr_expect_leq(a.frame.room, 2 * RTSP_KEYFRAME_MAX);
	cr_expect_not(add(80, 1, true, packet, sizeof packet));
	cr_expect_eq(a.incomplete, 1);
	end();
}

Test(rtp, is_taken_apart)
{
	struct rtsp_rtp p;
	static const uint8_t packet[] = { 0xb1, 0xe0, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4, 9, 9, 9, 9,
		/* extension: */ 0, 0, 0, 1, 5, 5, 5, 5, 'b', 'o', 0, 0, 3 };
	cr_assert(rtsp_rtp_read(&p, torap_bytes(packet, sizeof packet)));
	cr_expect(p.marker);
	cr_expect_eq(p.payload, 96);
	cr_expect_eq(p.sequence, 258);
	cr_expect_eq(p.time, 3);
	cr_expect_eq(p.source, 4);
	cr_expect_eq(p.body.size, 2);
	for (size_t size = 0; size < 24; size++)
		cr_expect_not(rtsp_rtp_read(&p, torap_bytes(packet, size)), "%zu bytes", size);
}

/* 2026-01-01 00:00:00.5 by the camera's clock. */
Test(rtp, tells_the_camera_s_clock)
{
	struct rtsp_sender_report r;
	uint64_t seconds = 1767225600ull + 2208988800ull;
	uint8_t packet[8 + 28] = { 0x80, 201, 0, 1, 0, 0, 0, 1, 0x80, 200, 0, 6, 0, 0, 0, 1,
		(uint8_t)(seconds >> 24), (uint8_t)(seconds >> 16), (uint8_t)(seconds >> 8), (uint8_t)seconds,
		0x80, 0, 0, 0, 0, 0, 0, 77 };
	cr_assert(rtsp_sender_report_read(&r, torap_bytes(packet, sizeof packet)));
	cr_expect_eq(r.clock.us, 1767225600500000);
	cr_expect_eq(r.time, 77);
	cr_expect_not(rtsp_sender_report_read(&r, torap_bytes(packet, 8)));
	cr_expect_not(rtsp_sender_report_read(&r, torap_bytes(packet, 30)));
}
