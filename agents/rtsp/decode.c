#include "agents/rtsp/decode.h"

#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/frame.h"
#include "base/log.h"
#include "loop/app.h"

enum {
	LOG_PERIOD_S = 60,
	KEPT = 24 << 20, /* of a worker's memory: more than decoding a picture of 1080p needs */
};

static _Atomic uint64_t complaints;
static _Atomic int64_t told_at_s, told;

/* What FFmpeg says of a hostile stream may be long, often, and made of what the camera sent: its format alone is ours. */
static void on_log(void *context, int level, const char *format, va_list args)
{
	(void)args;
	if (level > AV_LOG_ERROR)
		return;
	uint64_t count = atomic_fetch_add(&complaints, 1) + 1;
	const AVClass *class = context ? *(const AVClass **)context : NULL;
	int64_t now_s = torap_app_mono().us / TORAP_US_PER_S, before = atomic_load(&told_at_s);
	if ((before && now_s - before < LOG_PERIOD_S) ||
		!atomic_compare_exchange_strong(&told_at_s, &before, now_s))
		return;
	int64_t since = (int64_t)count - atomic_exchange(&told, (int64_t)count);
	char text[96];
	size_t size = 0;
	for (const char *p = format; *p && size + 1 < sizeof text; p++)
		text[size++] = *p;
	while (size && (text[size - 1] == '\n' || text[size - 1] == '.'))
		size--;
	text[size] = 0;
	torap_info("RTSP-FFMPEG", "FFmpeg complained %lld times since the last such line, now %s: \"%s\"",
		(long long)since, class ? class->class_name : "it", text);
}

/* A decoder needs 8 MiB, for 10 ms.  Given back to the kernel each time, they cost a sixth of what decoding does: 2,000 pages are
 * cleared and mapped anew. */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, KEPT);
	mallopt(M_TRIM_THRESHOLD, KEPT);
}

void rtsp_decode_init(void)
{
	av_log_set_callback(on_log);
	keep_memory();
}

uint64_t rtsp_decode_complaints(void)
{
	return atomic_load(&complaints);
}

/* The luma is the first plane, a byte each, in all formats that cameras use but those of more than 8 bits. */
static bool has_luma_bytes(enum AVPixelFormat format)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
	return d && !(d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL)) &&
	       d->comp[0].plane == 0 && d->comp[0].step == 1 && d->comp[0].depth == 8 &&
	       d->comp[0].shift == 0;
}

/* Or two bytes each, of which the upper bits are the luma as it is; libswscale would make another range of them. */
static unsigned deep_luma_shift(enum AVPixelFormat format)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
	if (!d ||
		d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL |
				   AV_PIX_FMT_FLAG_BE) ||
		d->comp[0].plane != 0 || d->comp[0].step != 2 || d->comp[0].depth <= 8)
		return 0;
	return (unsigned)(d->comp[0].depth + d->comp[0].shift - 8);
}

static bool take_deep(struct rtsp_picture *out, const AVFrame *f, unsigned shift)
{
	uint8_t *luma = malloc((size_t)f->width * (size_t)f->height);
	if (!luma)
		return false;
	for (int y = 0; y < f->height; y++) {
		const uint8_t *row = f->data[0] + (ptrdiff_t)y * f->linesize[0];
		for (int x = 0; x < f->width; x++)
			luma[(size_t)y * (size_t)f->width + (size_t)x] =
				(uint8_t)((row[2 * x] | row[2 * x + 1] << 8) >> shift);
	}
	bool good = rtsp_picture_from_luma(out, luma, f->width, f->width, f->height);
	free(luma);
	return good;
}

/* Anything else: pictures that are made of colours. */
static bool convert(struct rtsp_picture *out, const AVFrame *f)
{
	uint8_t *planes[4];
	int strides[4];
	struct SwsContext *sws = sws_getContext(f->width, f->height, f->format, f->width, f->height,
		AV_PIX_FMT_GRAY8, SWS_POINT, NULL, NULL, NULL);
	bool good = sws && av_image_alloc(planes, strides, f->width, f->height, AV_PIX_FMT_GRAY8, 32) >= 0;
	if (good) {
		sws_scale(sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, planes, strides);
		good = rtsp_picture_from_luma(out, planes[0], strides[0], f->width, f->height);
		av_freep(&planes[0]);
	}
	sws_freeContext(sws);
	return good;
}

static bool take_frame(struct rtsp_picture *out, const AVFrame *f)
{
	if (has_luma_bytes(f->format))
		return rtsp_picture_from_luma(out, f->data[0], f->linesize[0], f->width, f->height);
	unsigned shift = deep_luma_shift(f->format);
	return shift ? take_deep(out, f, shift) : convert(out, f);
}

bool rtsp_decode(struct rtsp_picture *out, const struct rtsp_shot *shot, uint8_t *data, size_t size)
{
	AVFrame *frame = rtsp_frame_decode(shot->codec, RTSP_FRAME_TO_MEASURE, data, size);
	out->shot = *shot;
	bool good = frame && take_frame(out, frame);
	av_frame_free(&frame);
	return good;
}

int rtsp_decode_part(struct rtsp_picture *out, uint8_t *data, size_t part)
{
	int rows, known = 0;
	AVFrame *frame = rtsp_frame_decode_part(data, part, &rows);
	if (frame && has_luma_bytes(frame->format))
		known = rtsp_picture_from_upper_luma(
			out, frame->data[0], frame->linesize[0], frame->width, frame->height, rows);
	av_frame_free(&frame);
	return known;
}
