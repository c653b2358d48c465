/* Keyframes as cameras send them, made by FFmpeg's own encoders. */
#include "agents/rtsp/decode.h"

#include <criterion/criterion.h>
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <stdlib.h>
#include <string.h>

enum { W = 320, H = 180 };

/* Left half dark, right half bright.  Returns the keyframe, with room behind it. */
static uint8_t *encode(const char *encoder, enum AVPixelFormat format, size_t *size)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(encoder);
	cr_assert(codec, "no encoder %s", encoder);
	AVCodecContext *c = avcodec_alloc_context3(codec);
	c->width = W;
	c->height = H;
	c->pix_fmt = format;
	c->time_base = (AVRational){ 1, 25 };
	c->thread_count = 1;
	if (!strcmp(encoder, "libx265"))
		av_opt_set(c->priv_data, "x265-params", "log-level=none:pools=1", 0);
	cr_assert_eq(avcodec_open2(c, codec, NULL), 0);
	AVFrame *f = av_frame_alloc();
	f->width = W;
	f->height = H;
	f->format = format;
	cr_assert_eq(av_frame_get_buffer(f, 0), 0);
	bool wide = format == AV_PIX_FMT_YUV420P10LE;
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			int value = x < W / 2 ? 30 : 200;
			if (wide)
				((uint16_t *)(f->data[0] + y * f->linesize[0]))[x] = (uint16_t)(value * 4);
			else
				f->data[0][y * f->linesize[0] + x] = (uint8_t)value;
		}
	for (int plane = 1; plane < 3; plane++)
		for (int y = 0; y < H / 2; y++)
			for (int x = 0; x < W / 2; x++) {
				if (wide)
					((uint16_t *)(f->data[plane] + y * f->linesize[plane]))[x] = 512;
				else
					f->data[plane][y * f->linesize[plane] + x] = 128;
			}
	AVPacket *p = av_packet_alloc();
	cr_assert_eq(avcodec_send_frame(c, f), 0);
	cr_assert_eq(avcodec_send_frame(c, NULL), 0);
	cr_assert_eq(avcodec_receive_packet(c, p), 0);
	uint8_t *out = malloc((size_t)p->size + RTSP_FRAME_PADDING);
	memcpy(out, p->data, (size_t)p->size);
	*size = (size_t)p->size;
	av_packet_free(&p);
	av_frame_free(&f);
	avcodec_free_context(&c);
	return out;
}

static void check(const char *encoder, enum AVPixelFormat format, enum rtsp_codec codec)
{
	static struct rtsp_picture picture;
	size_t size;
	uint8_t *data = encode(encoder, format, &size);
	struct rtsp_shot shot = { .codec = codec, .rtp_time = 7 };
	cr_assert(rtsp_decode(&picture, &shot, data, size), "%s", encoder);
	cr_expect_eq(picture.shot.width, W);
	cr_expect_eq(picture.shot.height, H);
	cr_expect_eq(picture.shot.rtp_time, 7);
	cr_expect(abs(picture.luma[45][20] - 30) < 8, "%s: %d", encoder, picture.luma[45][20]);
	cr_expect(abs(picture.luma[45][140] - 200) < 8, "%s: %d", encoder, picture.luma[45][140]);
	/* Cut anywhere it is either refused or a picture; it never harms.  Of nothing there is none. */
	for (size_t cut = 0; cut < size; cut += 1 + size / 40) {
		uint8_t *part = malloc(cut + RTSP_FRAME_PADDING);
		memcpy(part, data, cut);
		bool taken = rtsp_decode(&picture, &shot, part, cut);
		cr_expect(!taken || cut > 64);
		free(part);
	}
	free(data);
}

Test(decode, takes_each_codec, .timeout = 60)
{
	rtsp_decode_init();
	check("libx264", AV_PIX_FMT_YUV420P, RTSP_CODEC_H264);
	check("libx264", AV_PIX_FMT_YUV420P10LE, RTSP_CODEC_H264);
	check("libx265", AV_PIX_FMT_YUV420P, RTSP_CODEC_H265);
	check("mjpeg", AV_PIX_FMT_YUVJ420P, RTSP_CODEC_MJPEG);
	cr_expect_gt(rtsp_decode_complaints(), 0);
}

Test(decode, refuses_noise)
{
	static struct rtsp_picture picture;
	uint8_t data[4096 + RTSP_FRAME_PADDING] = { 0, 0, 0, 1, 0x65 };
	for (size_t i = 5; i < 4096; i++)
		data[i] = (uint8_t)(i * 7919 >> 3);
	rtsp_decode_init();
	for (int codec = RTSP_CODEC_UNKNOWN; codec <= RTSP_CODEC_MJPEG; codec++) {
		struct rtsp_shot shot = { .codec = (enum rtsp_codec)codec };
		cr_expect_not(rtsp_decode(&picture, &shot, data, 4096));
	}
}
