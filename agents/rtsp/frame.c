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

static AVCodecContext *make_decoder(enum rtsp_codec codec, enum rtsp_frame_use use)
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
	return c;
}

/* NULL: no frame, for any reason. */
static AVFrame *decode(AVCodecContext *c, uint8_t *data, size_t size)
{
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	bool good = packet && frame && avcodec_open2(c, c->codec, NULL) >= 0;
	if (good) {
		memset(data + size, 0, RTSP_FRAME_PADDING);
		packet->data = data;
		packet->size = (int)size;
		packet->flags = AV_PKT_FLAG_KEY;
		good = avcodec_send_packet(c, packet) >= 0 && avcodec_send_packet(c, NULL) >= 0 &&
		       avcodec_receive_frame(c, frame) >= 0;
	}
	if (!good)
		av_frame_free(&frame);
	av_packet_free(&packet);
	return frame;
}

static bool has_good_size(const AVFrame *f)
{
	return f->width > 0 && f->height > 0 && f->width <= RTSP_PICTURE_SIDE_MAX &&
	       f->height <= RTSP_PICTURE_SIDE_MAX;
}

AVFrame *rtsp_frame_decode(enum rtsp_codec codec, enum rtsp_frame_use use, uint8_t *data, size_t size)
{
	AVCodecContext *c = make_decoder(codec, use);
	AVFrame *frame = c ? decode(c, data, size) : NULL;
	if (frame &&
		(frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT || !has_good_size(frame)))
		av_frame_free(&frame);
	avcodec_free_context(&c);
	return frame;
}

/* Rows that are finished, in one piece from above. */
struct finished {
	int rows, last; /* all, and of these the ones that came last */
	int cut;        /* that are not shown */
};

static void on_band(struct AVCodecContext *c, const AVFrame *f, int offset[AV_NUM_DATA_POINTERS], int y,
	int position, int height)
{
	struct finished *done = c->opaque;
	(void)offset;
	(void)position;
	if (y > done->rows || y + height <= done->rows)
		return;
	done->cut = (int)f->crop_top;
	done->last = y + height - done->rows;
	done->rows = y + height;
}

/* What is broken off is not mended, for what is made up shows nothing; nor is it complained of. */
AVFrame *rtsp_frame_decode_part(uint8_t *data, size_t part, int *rows)
{
	uint8_t behind[RTSP_FRAME_PADDING];
	struct finished done = { 0 };
	AVCodecContext *c = make_decoder(RTSP_CODEC_H264, RTSP_FRAME_TO_MEASURE);
	if (!c)
		return NULL;
	c->opaque = &done;
	c->draw_horiz_band = on_band;
	c->error_concealment = 0;
	c->log_level_offset = AV_LOG_DEBUG;
	memcpy(behind, data + part, sizeof behind);
	AVFrame *frame = decode(c, data, part);
	memcpy(data + part, behind, sizeof behind);
	if (frame && !has_good_size(frame))
		av_frame_free(&frame);
	*rows = frame ? done.rows - done.last - done.cut : 0;
	avcodec_free_context(&c);
	return frame;
}
