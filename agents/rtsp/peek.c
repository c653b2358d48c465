#include "agents/rtsp/peek.h"

#include <libavutil/frame.h>

#include "agents/rtsp/decode.h"

enum { EIGHTHS = 2, EIGHTHS_DEEP = 3 };

/* Of those that were good; 0: none was. */
static size_t usual_size(const struct rtsp_impressions *of)
{
	size_t sum = 0, count = 0;
	for (unsigned i = 0; i < RTSP_SEEN; i++) {
		sum += of->sizes[i];
		count += of->sizes[i] > 0;
	}
	return count ? sum / count : 0;
}

size_t rtsp_peek_part(enum rtsp_codec codec, const struct rtsp_familiar *of,
	const struct rtsp_impressions *usual, const struct rtsp_impression *keyframe)
{
	size_t size = usual_size(usual), head = keyframe->head;
	if (codec != RTSP_CODEC_H264 || size <= head)
		return 0;
	size_t part = head + (size - head) * (of->deep ? EIGHTHS_DEEP : EIGHTHS) / 8;
	return part < keyframe->size ? part : 0;
}

enum rtsp_likeness rtsp_peek(
	struct rtsp_upper *seen, const struct rtsp_familiar *of, uint8_t *data, size_t part)
{
	struct rtsp_picture picture;
	rtsp_upper_of(seen, &picture, rtsp_decode_part(&picture, data, part));
	return rtsp_familiar_compare(of, seen);
}
