/* From packets in a ring to a file that libavformat reads again. */
#include "agents/rtsp/evidence/clip.h"

#include <criterion/criterion.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/rtsp/decode.h"
#include "agents/rtsp/evidence/access.h"
#include "agents/rtsp/evidence/snapshot.h"
#include "agents/rtsp/evidence/track.h"
#include "tests/unit/agents/rtsp/evidence/camera.h"

/* The file, read again. */
struct seen {
	int packets, keys, decoded, jpegs, width, height;
	double seconds, first_key;
	enum AVCodecID codec;
	bool fragmented, rising;
};

/* All that a decoder needs which knows nothing by heart. */
static bool is_whole_jpeg(const AVPacket *p)
{
	unsigned quantisers = 0;
	const uint8_t *at = p->data + 2, *end = p->data + p->size;
	if (p->size < 4 || memcmp(p->data, "\xff\xd8", 2) != 0 || memcmp(end - 2, "\xff\xd9", 2) != 0)
		return false;
	bool found = false, frame = false;
	for (; at + 4 < end && *at == 0xff && at[1] != 0xda; at += 2 + (at[2] << 8 | at[3])) {
		quantisers += at[1] == 0xdb;
		frame = frame || at[1] == 0xc0;
		found = found || (at[1] == 0xc4 && memcmp(at, huffman, huffman_size) == 0);
	}
	return quantisers == 2 && found && frame && at[1] == 0xda;
}

static struct seen look_at(const struct torap_writer *mp4)
{
	struct seen seen = { .rising = true };
	char path[] = "/tmp/torap-clip-XXXXXX";
	int fd = mkstemp(path);
	cr_assert_eq(write(fd, mp4->data, mp4->size), (ssize_t)mp4->size);
	close(fd);
	AVFormatContext *in = NULL;
	cr_assert_eq(avformat_open_input(&in, path, NULL, NULL), 0);
	cr_assert_geq(avformat_find_stream_info(in, NULL), 0);
	cr_assert_eq(in->nb_streams, 1);
	AVStream *stream = in->streams[0];
	const AVCodec *found = avcodec_find_decoder(stream->codecpar->codec_id);
	AVCodecContext *decoder = avcodec_alloc_context3(found);
	avcodec_parameters_to_context(decoder, stream->codecpar);
	cr_assert_eq(avcodec_open2(decoder, found, NULL), 0);
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	int64_t last = INT64_MIN, first = INT64_MAX, latest = 0;
	while (av_read_frame(in, packet) == 0) {
		seen.packets++;
		seen.keys += (packet->flags & AV_PKT_FLAG_KEY) != 0;
		seen.jpegs += is_whole_jpeg(packet);
		seen.rising = seen.rising && packet->dts > last && packet->pts >= packet->dts;
		last = packet->dts;
		first = packet->pts < first ? packet->pts : first;
		latest = packet->pts + packet->duration > latest ? packet->pts + packet->duration : latest;
		avcodec_send_packet(decoder, packet);
		while (avcodec_receive_frame(decoder, frame) == 0)
			seen.decoded += !frame->decode_error_flags;
		av_packet_unref(packet);
	}
	avcodec_send_packet(decoder, NULL);
	while (avcodec_receive_frame(decoder, frame) == 0)
		seen.decoded++;
	seen.seconds = (double)(latest - first) * av_q2d(stream->time_base);
	seen.codec = stream->codecpar->codec_id;
	seen.width = stream->codecpar->width;
	seen.height = stream->codecpar->height;
	seen.fragmented = memmem(mp4->data, mp4->size, "moof", 4) && memmem(mp4->data, mp4->size, "mvex", 4);
	av_frame_free(&frame);
	av_packet_free(&packet);
	avcodec_free_context(&decoder);
	avformat_close_input(&in);
	unlink(path);
	return seen;
}

static struct rtsp_item item_between(int64_t from_us, int64_t until_us)
{
	return (struct rtsp_item){ .media = RTSP_CLIP, .from.us = from_us, .until.us = until_us };
}

/* Plays 8 s, then an alarm, then 4 s: the clip is to have 2 s before it and 3 s after. */
static struct seen record(struct camera *c, struct rtsp_item *item, int *answer)
{
	struct torap_writer mp4 = { 0 };
	struct seen seen = { 0 };
	play(c, 80);
	int64_t alarm = c->now_us;
	cr_assert(rtsp_track_record(c->track, (struct torap_wall){ alarm - 2 * S },
		(struct torap_wall){ alarm + 3 * S }, (struct torap_mono){ alarm + 3 * S }));
	cr_expect_not(rtsp_track_due(c->track, (struct torap_mono){ c->now_us }));
	play(c, 40);
	cr_expect(rtsp_track_due(c->track, (struct torap_mono){ c->now_us }));
	struct rtsp_reel *reel = rtsp_track_cut(c->track);
	*item = item_between(alarm - 2 * S, alarm + 3 * S);
	*answer = rtsp_clip(&mp4, item, &reel->footage);
	if (*answer == 0) {
		seen = look_at(&mp4);
		cr_expect_leq(item->from.us, alarm - 2 * S);
		cr_expect_geq(
			item->from.us, alarm - 2 * S - 2 * S, "no more than a keyframe's interval before");
		cr_expect(item->until.us <= alarm + 3 * S && item->until.us > alarm + 3 * S - S / 2);
	}
	rtsp_reel_destroy(reel);
	torap_writer_finish(&mp4);
	return seen;
}

static void check_clip(const char *encoder, enum rtsp_codec kind, enum AVCodecID id, int b_frames, bool swap)
{
	struct camera c;
	struct rtsp_item item;
	int answer;
	open_camera(&c, encoder, kind, b_frames);
	c.swap = swap;
	struct seen seen = record(&c, &item, &answer);
	cr_assert_eq(answer, 0, "%s: %d", encoder, answer);
	cr_expect(seen.codec == id && seen.width == W && seen.height == H);
	cr_expect(seen.fragmented && seen.rising);
	cr_expect_eq(item.gaps_count, 0, "%u gaps", item.gaps_count);
	cr_expect_eq(seen.packets, (int)item.frames);
	cr_expect(seen.packets >= 48 && seen.packets <= 72, "%d", seen.packets);
	cr_expect_eq(seen.decoded, seen.packets);
	cr_expect(seen.keys >= 5, "%d", seen.keys);
	cr_expect(seen.seconds > 4.8 && seen.seconds < 7.2, "%f", seen.seconds);
	close_camera(&c);
}

Test(clip, begins_before_the_alarm_and_plays_h264)
{
	check_clip("libx264", RTSP_CODEC_H264, AV_CODEC_ID_H264, 0, false);
}

Test(clip, puts_packets_in_order_that_came_out_of_order)
{
	check_clip("libx264", RTSP_CODEC_H264, AV_CODEC_ID_H264, 0, true);
}

/* Shown in another order than sent. */
Test(clip, plays_b_frames)
{
	check_clip("libx264", RTSP_CODEC_H264, AV_CODEC_ID_H264, 2, false);
}

Test(clip, plays_h265)
{
	check_clip("libx265", RTSP_CODEC_H265, AV_CODEC_ID_HEVC, 0, false);
}

/* Each frame is a JPEG by itself, with its Huffman tables, which RTP does not carry. */
Test(clip, plays_mjpeg_whose_frames_are_whole_jpegs)
{
	struct camera c;
	struct rtsp_item item;
	int answer;
	open_camera(&c, "mjpeg", RTSP_CODEC_MJPEG, 0);
	struct seen seen = record(&c, &item, &answer);
	cr_assert_eq(answer, 0, "%d", answer);
	cr_expect(seen.codec == AV_CODEC_ID_MJPEG && seen.width == W && seen.height == H);
	cr_expect(seen.fragmented && seen.rising && item.gaps_count == 0);
	cr_expect(seen.packets >= 48 && seen.packets == (int)item.frames, "%d", seen.packets);
	cr_expect_eq(seen.decoded, seen.packets);
	cr_expect_eq(seen.jpegs, seen.packets);
	close_camera(&c);
}

/* Records for 3 s of 8; then something ends the clip. */
static void check_end(enum rtsp_gap_cause why, void (*end)(struct camera *c), const char *word)
{
	struct camera c;
	struct torap_writer mp4 = { 0 };
	char gaps[256];
	at_once = true;
	open_camera(&c, "libx264", RTSP_CODEC_H264, 0);
	play(&c, 40);
	int64_t alarm = c.now_us;
	cr_assert(rtsp_track_record(c.track, (struct torap_wall){ alarm - 2 * S },
		(struct torap_wall){ alarm + 8 * S }, (struct torap_mono){ alarm + 8 * S }));
	play(&c, 30);
	end(&c);
	cr_expect(rtsp_track_due(c.track, (struct torap_mono){ c.now_us }));
	struct rtsp_reel *reel = rtsp_track_cut(c.track);
	struct rtsp_item item = item_between(alarm - 2 * S, alarm + 8 * S);
	cr_assert_eq(rtsp_clip(&mp4, &item, &reel->footage), 0);
	cr_assert_eq(item.gaps_count, 1);
	cr_expect_eq(item.gaps[0].cause, why);
	cr_expect_eq(item.gaps[0].from.us, item.until.us);
	cr_expect_eq(item.gaps[0].until.us, alarm + 8 * S);
	cr_expect(item.until.us > alarm + 2 * S && item.until.us <= alarm + 3 * S);
	rtsp_gaps_format(&item, gaps, sizeof gaps);
	cr_expect(strstr(gaps, word), "%s", gaps);
	/* The next one has nothing to do with it. */
	cr_assert(rtsp_track_record(c.track, (struct torap_wall){ c.now_us },
		(struct torap_wall){ c.now_us + S }, (struct torap_mono){ c.now_us + S }));
	cr_expect_not(rtsp_track_due(c.track, (struct torap_mono){ c.now_us }));
	rtsp_reel_destroy(reel);
	torap_writer_finish(&mp4);
	close_camera(&c);
}

static void is_not_held(struct camera *c)
{
	rtsp_track_end(c->track, RTSP_GAP_NOT_HELD);
}

static void sends_another_codec(struct camera *c)
{
	c->session++;
	c->video.codec = RTSP_CODEC_H265;
	send_packet(c, (const uint8_t *)"\x26\1other", 7, 0, true);
}

Test(clip, says_that_its_camera_is_not_held_any_more)
{
	check_end(RTSP_GAP_NOT_HELD, is_not_held, "(not held any more)");
}

Test(clip, says_that_its_camera_sends_something_else)
{
	check_end(RTSP_GAP_CODEC, sends_another_codec, "(another codec)");
}

/* Frames that lack a packet are left out, and each gap is named with its packets. */
Test(clip, names_what_is_missing)
{
	struct camera c;
	struct rtsp_item item;
	int answer;
	open_camera(&c, "libx264", RTSP_CODEC_H264, 0);
	c.lose_every = 101;
	struct seen seen = record(&c, &item, &answer);
	cr_assert_eq(answer, 0);
	cr_expect_gt(item.gaps_count, 0);
	cr_expect_eq(item.gaps[0].packets, 1);
	cr_expect_gt(item.gaps[0].until.us, item.gaps[0].from.us);
	cr_expect_eq(seen.packets, (int)item.frames);
	cr_expect_geq(seen.packets, 30);
	close_camera(&c);
}

/* The connection broke and came again: one file, the gap named, going on at the new session's keyframe. */
Test(clip, goes_on_after_a_session_that_broke)
{
	struct camera c;
	struct torap_writer mp4 = { 0 };
	open_camera(&c, "libx264", RTSP_CODEC_H264, 0);
	play(&c, 40);
	int64_t alarm = c.now_us;
	cr_assert(rtsp_track_record(c.track, (struct torap_wall){ alarm - 2 * S },
		(struct torap_wall){ alarm + 8 * S }, (struct torap_mono){ alarm + 8 * S }));
	play(&c, 13);
	c.session++;
	c.sequence = 7;
	c.now_us += 2 * S;
	play(&c, 40);
	struct rtsp_reel *reel = rtsp_track_cut(c.track);
	struct rtsp_item item = item_between(alarm - 2 * S, alarm + 8 * S);
	cr_assert_eq(rtsp_clip(&mp4, &item, &reel->footage), 0);
	struct seen seen = look_at(&mp4);
	cr_expect(seen.rising && seen.keys >= 6);
	cr_assert_eq(item.gaps_count, 1);
	cr_expect_eq(item.gaps[0].cause, RTSP_GAP_SESSION);
	int64_t gap = item.gaps[0].until.us - item.gaps[0].from.us;
	cr_expect(gap > 2 * S && gap < 4 * S, "%lld", (long long)gap);
	cr_expect(seen.seconds > 7.5 && seen.seconds < 10.5, "the gap is there as time: %f", seen.seconds);
	rtsp_reel_destroy(reel);
	torap_writer_finish(&mp4);
	close_camera(&c);
}

/* A ring keeps what it must, and never more than it may; a clip of what is there is shorter then, and says so. */
Test(ring, keeps_to_its_bounds)
{
	struct camera c;
	struct rtsp_item item;
	int answer;
	open_camera(&c, "libx264", RTSP_CODEC_H264, 0);
	play(&c, 300);
	size_t usual = c.track->ring.bytes;
	cr_expect_lt(usual, c.most / 2, "30 s came, some 5 are kept: %zu", usual);
	c.most = 2 * RTSP_CHUNK_SIZE;
	play(&c, 100);
	cr_expect_leq(c.track->ring.bytes, c.most);
	cr_expect_leq(c.budget.used, c.most);
	struct rtsp_reel *reel = rtsp_track_look(c.track);
	struct torap_writer key = { 0 };
	item = item_between(0, 0);
	answer = rtsp_clip_newest(&key, &item, &reel->footage);
	cr_expect(answer == 0 || answer == RTSP_CLIP_EMPTY);
	rtsp_reel_destroy(reel);
	torap_writer_finish(&key);
	/* All memory is taken by what is recorded: packets are refused, and that is no harm. */
	c.budget.most = c.budget.used;
	cr_assert(rtsp_track_record(c.track, (struct torap_wall){ c.now_us - S },
		(struct torap_wall){ c.now_us + 9 * S }, (struct torap_mono){ c.now_us + 9 * S }));
	play(&c, 100);
	cr_expect_gt(c.budget.refused, 0);
	cr_expect_leq(c.budget.used, c.budget.most);
	rtsp_reel_destroy(rtsp_track_cut(c.track));
	close_camera(&c);
}

Test(ring, gives_the_newest_keyframe_for_a_snapshot)
{
	struct camera c;
	struct torap_writer key = { 0 }, jpeg = { 0 };
	uint16_t width, height;
	open_camera(&c, "libx265", RTSP_CODEC_H265, 0);
	play(&c, 57);
	struct rtsp_reel *reel = rtsp_track_look(c.track);
	struct rtsp_item item = item_between(0, 0);
	cr_assert_eq(rtsp_clip_newest(&key, &item, &reel->footage), 0);
	int64_t age = c.now_us - item.from.us;
	cr_expect(age >= 0 && age < 3 * S, "%lld", (long long)age);
	cr_assert(rtsp_snapshot(&jpeg, &width, &height, RTSP_CODEC_H265, key.data, key.size, 1 << 20));
	cr_expect(width == W && height == H);
	cr_expect(jpeg.data[0] == 0xff && jpeg.data[1] == 0xd8);
	/* Less room: less quality, then less size, then nothing. */
	size_t whole = jpeg.size;
	torap_writer_finish(&jpeg);
	cr_assert(rtsp_snapshot(&jpeg, &width, &height, RTSP_CODEC_H265, key.data, key.size, whole / 2));
	cr_expect_leq(jpeg.size, whole / 2);
	torap_writer_finish(&jpeg);
	cr_assert(rtsp_snapshot(&jpeg, &width, &height, RTSP_CODEC_H265, key.data, key.size, 3000));
	cr_expect(jpeg.size <= 3000 && width < W);
	torap_writer_finish(&jpeg);
	cr_expect_not(rtsp_snapshot(&jpeg, &width, &height, RTSP_CODEC_H265, key.data, key.size, 100));
	torap_writer_finish(&jpeg);
	rtsp_reel_destroy(reel);
	torap_writer_finish(&key);
	close_camera(&c);
}

Test(clip, says_when_there_is_nothing)
{
	struct camera c;
	struct torap_writer mp4 = { 0 };
	open_camera(&c, "libx264", RTSP_CODEC_H264, 0);
	play(&c, 30);
	struct rtsp_reel *reel = rtsp_track_look(c.track);
	struct rtsp_item item = item_between(c.now_us - 90 * S, c.now_us - 80 * S);
	cr_expect_eq(rtsp_clip(&mp4, &item, &reel->footage), RTSP_CLIP_EMPTY);
	reel->footage.codec = RTSP_CODEC_H265; /* what it is not */
	item = item_between(c.now_us - S, c.now_us);
	cr_expect_neq(rtsp_clip(&mp4, &item, &reel->footage), 0);
	rtsp_reel_destroy(reel);
	torap_writer_finish(&mp4);
	close_camera(&c);
}

/* The alarm comes before the camera's first packet does: as after a restart of this agent. */
Test(clip, is_made_of_a_camera_that_sends_nothing_yet)
{
	struct camera c;
	struct torap_writer mp4 = { 0 };
	at_once = true;
	open_camera(&c, "libx264", RTSP_CODEC_H264, 0);
	int64_t alarm = c.now_us;
	cr_assert(rtsp_track_record(c.track, (struct torap_wall){ alarm - 2 * S },
		(struct torap_wall){ alarm + 3 * S }, (struct torap_mono){ alarm + 3 * S }));
	c.now_us += S;
	play(&c, 5);
	cr_expect_not(rtsp_track_due(c.track, (struct torap_mono){ c.now_us }));
	play(&c, 35);
	struct rtsp_reel *reel = rtsp_track_cut(c.track);
	struct rtsp_item item = item_between(alarm - 2 * S, alarm + 3 * S);
	cr_assert_eq(rtsp_clip(&mp4, &item, &reel->footage), 0);
	cr_expect(item.frames >= 15 && item.from.us > alarm && item.until.us <= alarm + 3 * S);
	rtsp_reel_destroy(reel);
	torap_writer_finish(&mp4);
	close_camera(&c);
}
