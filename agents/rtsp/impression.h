/* impression.h: what a keyframe is like by its bytes alone: as the last one of its camera that was judged, so that it may be spared?  Pure.
 *
 * What happens to a camera (it goes black, is covered, loses its focus) happens to the size of its keyframes as well, nearly always
 * (README.md, Decisions).  So one that was judged good not long ago may be believed for a while by it, while there is too much to decode. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/sight/judge.h"
#include "base/bytes.h"

struct rtsp_impression { /* of a keyframe */
	uint32_t size;
	uint32_t sets; /* a digest of the codec, of its parameter sets or tables, and so of its resolution */
	uint32_t digest; /* of all of it */
	uint32_t head;   /* bytes before the first slice, or the scan */
};

struct rtsp_impressions {          /* of a camera; zeros: nothing is known of it */
	struct torap_mono good_at; /* the last picture that was judged, if it was good beyond doubt; else 0 */
	uint32_t size, sets;       /* of that, or of what is being decoded */
	uint32_t sizes[RTSP_SEEN]; /* of the last that were good beyond doubt; 0: none */
	uint32_t digests[RTSP_SEEN]; /* of the last keyframes, decoded or not */
	uint8_t next_size, next;     /* of `sizes` and `digests` to be replaced */
};

struct rtsp_impression rtsp_impression_of(enum rtsp_codec codec, struct torap_bytes keyframe);
/* Is it of another size than those that were good?  Good pictures seldom are. */
bool rtsp_impressions_differ(const struct rtsp_impressions *of, uint32_t size);
/* One more has come, `at` this time.  True: the camera may be believed without decoding it, for a good picture of it was judged since
 * `trust_us`, it is like one of the last of these, and no repetition of what was seen. */
bool rtsp_impressions_suffice(struct rtsp_impressions *of, const struct rtsp_impression *keyframe,
	struct torap_mono at, int64_t trust_us);
/* It is decoded: none suffices until that was judged. */
void rtsp_impressions_decode(struct rtsp_impressions *of, const struct rtsp_impression *keyframe);
/* What was being decoded came `at` this time, and this was seen. */
void rtsp_impressions_judged(struct rtsp_impressions *of, const struct rtsp_verdict *verdict,
	const struct rtsp_profile *profile, struct torap_mono at);
