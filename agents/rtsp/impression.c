#include "agents/rtsp/impression.h"

#include <string.h>

#include "agents/rtsp/talk/nal.h"

enum {
	TOLERANCE = 8, /* an eighth of the size: tests/judging/sizes */
	SLICES_WITHIN = 4096,
	JPEG_HEAD = 159, /* of what talk/jpeg.h writes: its tables and its size stand before that */
};

/* Not against whoever wants to deceive: who can choose bytes can as well repeat a picture in others. */
static uint32_t digest_of(uint64_t sum, struct torap_bytes b)
{
	const uint64_t odd = 0x9e3779b97f4a7c15;
	uint64_t word;
	for (; b.size >= sizeof word; b = torap_bytes(b.data + sizeof word, b.size - sizeof word)) {
		memcpy(&word, b.data, sizeof word);
		sum = (sum ^ word) * odd;
		sum ^= sum >> 32;
	}
	word = b.size;
	if (b.size)
		memcpy((uint8_t *)&word + 1, b.data, b.size);
	sum = (sum ^ word) * odd;
	return (uint32_t)(sum >> 32);
}

static bool is_slice(enum rtsp_codec codec, uint8_t first)
{
	unsigned type = codec == RTSP_CODEC_H265 ? first >> 1 & 63 : first & 31;
	return codec == RTSP_CODEC_H265 ? type <= H265_IRAP_LAST : type <= H264_IDR;
}

/* The parameter sets before the first slice. */
static size_t sets_before(enum rtsp_codec codec, struct torap_bytes b)
{
	size_t most = b.size < SLICES_WITHIN ? b.size : SLICES_WITHIN;
	if (codec == RTSP_CODEC_MJPEG)
		return b.size < JPEG_HEAD ? b.size : JPEG_HEAD;
	for (size_t i = 0; i + sizeof start_code < most; i++)
		if (!memcmp(b.data + i, start_code, sizeof start_code) &&
			is_slice(codec, b.data[i + sizeof start_code]))
			return i;
	return most;
}

struct rtsp_impression rtsp_impression_of(enum rtsp_codec codec, struct torap_bytes keyframe)
{
	size_t head = sets_before(codec, keyframe);
	return (struct rtsp_impression){
		.size = (uint32_t)keyframe.size,
		.sets = digest_of(codec, torap_bytes(keyframe.data, head)),
		.digest = digest_of(codec, keyframe),
		.head = (uint32_t)head,
	};
}

/* There are encoders that hold their rate by a large keyframe now and a small one then: each is like one of several. */
bool rtsp_impressions_differ(const struct rtsp_impressions *of, uint32_t size)
{
	for (unsigned i = 0; i < RTSP_SEEN; i++) {
		uint32_t good = of->sizes[i], off = size > good ? size - good : good - size;
		if (off <= good / TOLERANCE)
			return false;
	}
	return true;
}

static void forget_sizes(struct rtsp_impressions *of)
{
	memset(of->sizes, 0, sizeof of->sizes);
}

/* An encoder that is shown the same picture again and again may write it in turns of two: so several are remembered, as the judge does. */
static bool is_repeated(const struct rtsp_impressions *of, uint32_t digest)
{
	for (unsigned i = 0; i < RTSP_SEEN; i++)
		if (of->digests[i] == digest)
			return true;
	return false;
}

bool rtsp_impressions_suffice(struct rtsp_impressions *of, const struct rtsp_impression *keyframe,
	struct torap_mono at, int64_t trust_us)
{
	bool repeated = is_repeated(of, keyframe->digest);
	of->digests[of->next] = keyframe->digest;
	of->next = (of->next + 1) % RTSP_SEEN;
	return of->good_at.us && at.us - of->good_at.us < trust_us && !repeated &&
	       of->sets == keyframe->sets && !rtsp_impressions_differ(of, keyframe->size);
}

void rtsp_impressions_decode(struct rtsp_impressions *of, const struct rtsp_impression *keyframe)
{
	of->good_at.us = 0;
	if (of->sets != keyframe->sets)
		forget_sizes(of);
	of->size = keyframe->size;
	of->sets = keyframe->sets;
}

/* Good, and nothing that could make a fault of it later: whatever was looked for is known, and it is new. */
void rtsp_impressions_judged(struct rtsp_impressions *of, const struct rtsp_verdict *verdict,
	const struct rtsp_profile *profile, struct torap_mono at)
{
	bool rate_unknown =
		profile->rate_min_mhz && !verdict->sub && verdict->unknown & rtsp_fault_bit(RTSP_WRONG_RATE);
	bool beyond_doubt = verdict->sight == RTSP_GOOD && !verdict->faults && !rate_unknown &&
			    !verdict->learning && !verdict->first && !verdict->unchanged_us;
	of->good_at.us = beyond_doubt ? at.us : 0;
	if (!beyond_doubt) {
		forget_sizes(of);
		return;
	}
	of->sizes[of->next_size] = of->size;
	of->next_size = (of->next_size + 1) % RTSP_SEEN;
}
