#include "agents/rtsp/frame.h"

#include <libavcodec/avcodec.h>
#include <string.h>

_Static_assert(
	(int)RTSP_FRAME_PADDING >= (int)AV_INPUT_BUFFER_PADDING_SIZE, "libavcodec reads beyond the end");

int rtsp_frame_codec(enum rtsp_codec codec)
{
	switch (codec) {
	case RTSP_CODEC_H264:
		return AV_CODEC_ID_H264;
	case RTSP_CODEC_H265:
		return AV_CODEC_ID_HEVC;
	case RTSP_CODEC_MJPEG:
		return AV_CODEC_ID_MJPEG;
	default:
		return AV_CODEC_ID_NONE;
	}
}

static AVCodecContext *open_decoder(enum rtsp_codec codec, enum rtsp_frame_use use)
{
	const AVCodec *found = avcodec_find_decoder((enum AVCodecID)rtsp_frame_codec(codec));
	AVCodecContext *c = found ? avcodec_alloc_context3(found) : NULL;
	if (!c)
		return NULL;
	c->thread_count = 1; /* ours are the threads */
	c->max_pixels = RTSP_FRAME_PIXELS_MAX;
	c->flags |= AV_CODEC_FLAG_LOW_DELAY;
	if (use == RTSP_FRAME_TO_MEASURE) {
		c->skip_frame = codec == RTSP_CODEC_MJPEG ? AVDISCARD_DEFAULT : AVDISCARD_NONKEY;
		c->flags2 |= AV_CODEC_FLAG2_FAST;
		c->skip_loop_filter = AVDISCARD_ALL;
	}
	if (avcodec_open2(c, found, NULL) < 0)
		avcodec_free_context(&c);
	return c;
}

static bool is_good(const AVFrame *f)
{
	return !f->decode_error_flags && !(f->flags & AV_FRAME_FLAG_CORRUPT) && f->width > 0 &&
	       f->height > 0 && f->width <= RTSP_PICTURE_SIDE_MAX && f->height <= RTSP_PICTURE_SIDE_MAX;
}

AVFrame *rtsp_frame_decode(enum rtsp_codec codec, enum rtsp_frame_use use, uint8_t *data, size_t size)
{
	AVCodecContext *c = open_decoder(codec, use);
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	bool good = c && packet && frame;
	if (good) {
		memset(data + size, 0, RTSP_FRAME_PADDING);
		packet->data = data;
		packet->size = (int)size;
		packet->flags = AV_PKT_FLAG_KEY;
		good = avcodec_send_packet(c, packet) >= 0 && avcodec_send_packet(c, NULL) >= 0 &&
		       avcodec_receive_frame(c, frame) >= 0 && is_good(frame);
	}
	if (!good)
		av_frame_free(&frame);
	av_packet_free(&packet);
	avcodec_free_context(&c);
	return frame;
}
