/* camera.h: a camera that encodes pictures, cuts them into RTP packets, loses or exchanges some, and gives them to its track. */
#pragma once

#include <criterion/criterion.h>
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/evidence/track.h"

enum { W = 320, H = 176, FPS = 10, GOP = 10, MTU = 600 };
#define S ((int64_t)TORAP_US_PER_S)

/* A camera: encodes grey that grows, cuts it into packets, and sends them. */
struct camera {
	AVCodecContext *codec;
	AVFrame *frame;
	AVPacket *packet;
	enum rtsp_codec kind;
	struct rtsp_video video;
	struct rtsp_budget budget;
	struct rtsp_track *track;
	size_t most;
	int64_t before_us, now_us;
	uint32_t session;
	uint16_t sequence;
	int frames, sent, lose_every; /* packets */
	bool swap;                    /* every second packet comes before the one before it */
	struct rtsp_rtp kept;
	uint8_t kept_bytes[2048], bytes[2048];
	bool has_kept;
};

/* Its Huffman tables, as libavcodec's encoder wrote them. */
static uint8_t huffman[1024];
static size_t huffman_size;

static bool at_once; /* each picture is sent when it was taken */

static void open_camera(struct camera *c, const char *encoder, enum rtsp_codec kind, int b_frames)
{
	*c = (struct camera){
		.kind = kind, .budget.most = 16 << 20, .most = 8 << 20, .before_us = 3 * S, .session = 1
	};
	av_log_set_level(AV_LOG_QUIET);
	const AVCodec *found = avcodec_find_encoder_by_name(encoder);
	cr_assert(found, "no encoder %s", encoder);
	c->codec = avcodec_alloc_context3(found);
	c->codec->width = W;
	c->codec->height = H;
	c->codec->pix_fmt = kind == RTSP_CODEC_MJPEG ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
	c->codec->time_base = (AVRational){ 1, FPS };
	c->codec->gop_size = GOP;
	c->codec->max_b_frames = b_frames;
	c->codec->thread_count = 1;
	if (kind == RTSP_CODEC_H264)
		av_opt_set(c->codec->priv_data, "x264-params",
			at_once ? "scenecut=0:repeat-headers=1:slices=2:rc-lookahead=0:sync-lookahead=0"
				: "scenecut=0:repeat-headers=1:slices=2",
			0);
	else if (kind == RTSP_CODEC_MJPEG)
		av_opt_set(c->codec->priv_data, "huffman", "default", 0);
	else
		av_opt_set(c->codec->priv_data, "x265-params",
			"scenecut=0:repeat-headers=1:log-level=none:pools=1:bframes=0", 0);
	cr_assert_eq(avcodec_open2(c->codec, found, NULL), 0);
	c->frame = av_frame_alloc();
	c->frame->width = W;
	c->frame->height = H;
	c->frame->format = c->codec->pix_fmt;
	cr_assert_eq(av_frame_get_buffer(c->frame, 0), 0);
	c->packet = av_packet_alloc();
	c->video.codec = kind;
	c->video.clock_hz = 90000;
	c->track = rtsp_track_create(&c->budget);
	c->now_us = 1800000000 * S;
}

static void close_camera(struct camera *c)
{
	c->track = rtsp_track_destroy(c->track);
	cr_expect_eq(c->budget.used, 0, "no chunk is forgotten");
	av_frame_free(&c->frame);
	av_packet_free(&c->packet);
	avcodec_free_context(&c->codec);
}

static void deliver(struct camera *c, const struct rtsp_rtp *p)
{
	rtsp_track_packet(c->track, c->session, &c->video, p, c->most, c->before_us,
		(struct torap_mono){ c->now_us }, (struct torap_wall){ c->now_us });
}

static void send_packet(struct camera *c, const uint8_t *data, size_t size, uint32_t time, bool marker)
{
	struct rtsp_rtp p = {
		.marker = marker, .sequence = c->sequence++, .time = time, .body = torap_bytes(data, size)
	};
	c->sent++;
	if (c->lose_every && c->sent % c->lose_every == 0)
		return;
	if (c->swap && !c->has_kept) {
		memcpy(c->kept_bytes, data, size);
		c->kept = p;
		c->kept.body.data = c->kept_bytes;
		c->has_kept = true;
		return;
	}
	deliver(c, &p);
	if (c->has_kept)
		deliver(c, &c->kept);
	c->has_kept = false;
}

static void send_nal(struct camera *c, const uint8_t *nal, size_t size, uint32_t time, bool last)
{
	bool h265 = c->kind == RTSP_CODEC_H265;
	size_t head = h265 ? 2 : 1;
	if (size <= MTU) {
		send_packet(c, nal, size, time, last);
		return;
	}
	unsigned type = h265 ? nal[0] >> 1 & 63 : nal[0] & 31;
	for (size_t at = head; at < size; at += MTU) {
		size_t part = size - at < MTU ? size - at : MTU;
		bool begin = at == head, end = at + part == size;
		c->bytes[0] = (uint8_t)(h265 ? (nal[0] & 0x81) | 49 << 1 : (nal[0] & 0xe0) | 28);
		c->bytes[1] = nal[1];
		c->bytes[head] = (uint8_t)(type | (begin ? 0x80 : 0) | (end ? 0x40 : 0));
		memcpy(c->bytes + head + 1, nal + at, part);
		send_packet(c, c->bytes, head + 1 + part, time, last && end);
	}
}

/* The next start code, or the end. */
static const uint8_t *next_start(const uint8_t *at, const uint8_t *end)
{
	for (; at + 3 <= end; at++)
		if (!at[0] && !at[1] && at[2] == 1)
			return at;
	return end;
}

/* What RTP carries of a JPEG (RFC 2435): its quantisers in the first packet, and its scan. */
static void send_jpeg(struct camera *c, const AVPacket *p)
{
	uint32_t time = (uint32_t)(p->pts * 90000 / FPS);
	uint8_t tables[64];
	const uint8_t *at = p->data + 2, *end = p->data + p->size;
	for (; at[1] != 0xda; at += 2 + (at[2] << 8 | at[3])) {
		if (at[1] == 0xdb)
			memcpy(tables, at + 5, sizeof tables);
		if (at[1] == 0xc4) {
			huffman_size = 2 + (size_t)(at[2] << 8 | at[3]);
			memcpy(huffman, at, huffman_size);
		}
	}
	at += 2 + (at[2] << 8 | at[3]);
	for (const uint8_t *begin = at; at < end;) {
		size_t offset = (size_t)(at - begin), part = end - at < MTU ? (size_t)(end - at) : MTU;
		const uint8_t head[] = { 0, (uint8_t)(offset >> 16), (uint8_t)(offset >> 8), (uint8_t)offset,
			1, 255, W / 8, H / 8 };
		size_t size = sizeof head;
		memcpy(c->bytes, head, size);
		if (!offset) {
			memcpy(c->bytes + size, (const uint8_t[]){ 0, 0, 0, 128 }, 4);
			memcpy(c->bytes + size + 4, tables, 64);
			memcpy(c->bytes + size + 68, tables, 64);
			size += 132;
		}
		memcpy(c->bytes + size, at, part);
		at += part;
		send_packet(c, c->bytes, size + part, time, at == end);
	}
}

static void send_frame(struct camera *c, const AVPacket *p)
{
	if (c->kind == RTSP_CODEC_MJPEG) {
		send_jpeg(c, p);
		return;
	}
	const uint8_t *end = p->data + p->size, *at = next_start(p->data, end);
	while (at < end) {
		const uint8_t *nal = at + 3, *next = next_start(nal, end), *stop = next;
		while (stop > nal && stop < end && !stop[-1])
			stop--;
		send_nal(c, nal, (size_t)(stop - nal), (uint32_t)(p->pts * 90000 / FPS), next == end);
		at = next;
	}
}

/* So many pictures, 100 ms apart. */
static void play(struct camera *c, int frames)
{
	for (int i = 0; i < frames; i++) {
		c->now_us += S / FPS;
		cr_assert_eq(av_frame_make_writable(c->frame), 0);
		for (int y = 0; y < H; y++)
			for (int x = 0; x < W; x++)
				c->frame->data[0][y * c->frame->linesize[0] + x] =
					(uint8_t)(x * 3 + y * c->frames + rand() % 16);
		for (int plane = 1; plane < 3; plane++)
			for (int y = 0; y < H / 2; y++)
				memset(c->frame->data[plane] + y * c->frame->linesize[plane], 128, W / 2);
		c->frame->pts = c->frames++;
		cr_assert_eq(avcodec_send_frame(c->codec, c->frame), 0);
		while (avcodec_receive_packet(c->codec, c->packet) == 0) {
			send_frame(c, c->packet);
			av_packet_unref(c->packet);
		}
	}
}
