#include "agents/rtsp/evidence/snapshot.h"

#include <libavcodec/avcodec.h>
#include <libswscale/swscale.h>

#include "agents/rtsp/frame.h"

/* Quantisers of the encoder, the best first; SIDE_MIN: smaller than this shows nothing. */
static const int quantisers[] = { 3, 6, 12, 24 };
enum { QUANTISERS = sizeof quantisers / sizeof *quantisers, SIDE_MIN = 64 };

/* What JPEG knows: full range, 4:2:0. */
static AVFrame *converted(const AVFrame *f, int width, int height)
{
	AVFrame *out = av_frame_alloc();
	struct SwsContext *sws = sws_getContext(f->width, f->height, f->format, width, height,
		AV_PIX_FMT_YUVJ420P, SWS_AREA | SWS_ACCURATE_RND, NULL, NULL, NULL);
	bool good = out && sws;
	if (good) {
		out->format = AV_PIX_FMT_YUVJ420P;
		out->width = width;
		out->height = height;
		out->color_range = AVCOL_RANGE_JPEG;
		good = av_frame_get_buffer(out, 0) >= 0 &&
		       sws_scale(sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, out->data,
			       out->linesize) == height;
	}
	sws_freeContext(sws);
	if (!good)
		av_frame_free(&out);
	return out;
}

static AVCodecContext *open_encoder(const AVFrame *f, int quantiser)
{
	const AVCodec *found = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
	AVCodecContext *c = found ? avcodec_alloc_context3(found) : NULL;
	if (!c)
		return NULL;
	c->width = f->width;
	c->height = f->height;
	c->pix_fmt = AV_PIX_FMT_YUVJ420P;
	c->color_range = AVCOL_RANGE_JPEG;
	c->time_base = (AVRational){ 1, 25 };
	c->thread_count = 1;
	c->flags |= AV_CODEC_FLAG_QSCALE;
	c->global_quality = FF_QP2LAMBDA * quantiser;
	if (avcodec_open2(c, found, NULL) < 0)
		avcodec_free_context(&c);
	return c;
}

/* False: it cannot be encoded, or is larger than `most`. */
static bool encode(struct torap_writer *out, AVFrame *f, int quantiser, size_t most)
{
	AVCodecContext *c = open_encoder(f, quantiser);
	AVPacket *packet = av_packet_alloc();
	f->quality = FF_QP2LAMBDA * quantiser;
	bool good = c && packet && avcodec_send_frame(c, f) >= 0 && avcodec_receive_packet(c, packet) >= 0 &&
		    packet->size > 0 && (size_t)packet->size <= most;
	if (good)
		torap_write_bytes(out, torap_bytes(packet->data, (size_t)packet->size));
	av_packet_free(&packet);
	avcodec_free_context(&c);
	return good && !out->failed;
}

bool rtsp_snapshot(struct torap_writer *out, uint16_t *width, uint16_t *height, enum rtsp_codec codec,
	uint8_t *data, size_t size, size_t most)
{
	AVFrame *whole = rtsp_frame_decode(codec, RTSP_FRAME_TO_SHOW, data, size);
	bool good = false;
	if (!whole)
		return false;
	int w = whole->width, h = whole->height;
	while (!good && w >= SIDE_MIN && h >= SIDE_MIN) {
		AVFrame *f = converted(whole, w, h);
		for (unsigned i = 0; i < QUANTISERS && f && !good; i++)
			good = encode(out, f, quantisers[i], most);
		*width = (uint16_t)w;
		*height = (uint16_t)h;
		av_frame_free(&f);
		w /= 2;
		h /= 2;
	}
	av_frame_free(&whole);
	return good;
}
