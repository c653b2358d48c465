#include "agents/rtsp/impression.h"

#include <criterion/criterion.h>
#include <string.h>

#define TRUST_US (180 * TORAP_US_PER_S)
static const struct torap_mono noon = { 1000 * TORAP_US_PER_S };
static const struct rtsp_verdict good = { .unknown = 1u << RTSP_WRONG_CLOCK };
static struct rtsp_impressions of;

static struct torap_mono later(int64_t s)
{
	return (struct torap_mono){ noon.us + s * TORAP_US_PER_S };
}

/* H.264: an SPS that ends with `set`, and a slice of `size` bytes that is like no other. */
static struct rtsp_impression keyframe(uint8_t set, size_t size)
{
	static uint8_t bytes[4096], count;
	const uint8_t head[] = { 0, 0, 0, 1, 0x67, 1, set, 0, 0, 0, 1, 0x65, ++count };
	memset(bytes, 7, sizeof bytes);
	memcpy(bytes, head, sizeof head);
	return rtsp_impression_of(RTSP_CODEC_H264, torap_bytes(bytes, size));
}

/* A camera of which one was judged at noon, after another one. */
static void judged(const struct rtsp_verdict *verdict)
{
	of = (struct rtsp_impressions){ 0 };
	struct rtsp_impression k = keyframe(1, 1000);
	cr_assert_not(rtsp_impressions_suffice(&of, &k, noon, TRUST_US), "nothing is known yet");
	rtsp_impressions_decode(&of, &k);
	rtsp_impressions_judged(&of, verdict, &rtsp_profile_default, noon);
}

static bool suffices(uint8_t set, size_t size, int64_t s)
{
	struct rtsp_impression k = keyframe(set, size);
	return rtsp_impressions_suffice(&of, &k, later(s), TRUST_US);
}

Test(impression, suffices_while_it_is_as_the_last_good_one)
{
	judged(&good);
	cr_expect(suffices(1, 1000, 1));
	cr_expect(suffices(1, 1125, 60), "an eighth more");
	cr_expect(suffices(1, 875, 179), "an eighth less");
	cr_expect_not(suffices(1, 1000, 180), "what was seen is too old");
}

/* Black, covered, out of focus: another size.  Half the resolution: other sets, whatever the size. */
Test(impression, does_not_suffice_when_size_or_sets_are_others)
{
	judged(&good);
	cr_expect_not(suffices(1, 874, 1));
	cr_expect_not(suffices(1, 1126, 1));
	cr_expect_not(suffices(1, 30, 1));
	cr_expect_not(suffices(2, 1000, 1));
	cr_expect(suffices(1, 1000, 1), "one that is unlike changes nothing by itself");
}

/* A picture that stands still, of an encoder that writes it in two ways by turns. */
Test(impression, does_not_suffice_when_it_came_before)
{
	judged(&good);
	struct rtsp_impression one = keyframe(1, 1000), other = keyframe(1, 1001);
	cr_expect(rtsp_impressions_suffice(&of, &one, later(1), TRUST_US));
	cr_expect(rtsp_impressions_suffice(&of, &other, later(2), TRUST_US));
	cr_expect_not(rtsp_impressions_suffice(&of, &one, later(3), TRUST_US));
	cr_expect_not(rtsp_impressions_suffice(&of, &other, later(4), TRUST_US));
}

Test(impression, does_not_suffice_while_another_is_being_decoded)
{
	judged(&good);
	struct rtsp_impression k = keyframe(1, 1000);
	rtsp_impressions_decode(&of, &k);
	cr_expect_not(suffices(1, 1000, 1));
	rtsp_impressions_judged(&of, &good, &rtsp_profile_default, later(2));
	cr_expect(suffices(1, 1000, 181), "trust counts from the last that was judged");
}

static void judge_another(uint8_t set, size_t size, const struct rtsp_verdict *verdict, int64_t s)
{
	struct rtsp_impression k = keyframe(set, size);
	rtsp_impressions_decode(&of, &k);
	rtsp_impressions_judged(&of, verdict, &rtsp_profile_default, later(s));
}

/* An encoder that holds its rate by keyframes of two sizes; after a doubt, and with other sets, it is learned anew. */
Test(impression, suffices_when_it_is_like_one_of_the_last_good_ones)
{
	const struct rtsp_verdict black = { .sight = RTSP_BLACK, .faults = 1u << RTSP_BLACK };
	judged(&good);
	judge_another(1, 1500, &good, 1);
	cr_expect(suffices(1, 1000, 5) && suffices(1, 1600, 5));
	cr_expect_not(suffices(1, 1250, 5) || suffices(1, 1800, 5) || suffices(1, 800, 5));
	for (int i = 0; i < RTSP_SEEN; i++)
		judge_another(1, 2000, &good, 6);
	cr_expect_not(suffices(1, 1000, 7), "that was long ago");
	cr_expect(suffices(1, 2000, 7));
	judge_another(1, 2000, &black, 8);
	judge_another(1, 1000, &good, 9);
	cr_expect(suffices(1, 1000, 10));
	cr_expect_not(suffices(1, 2000, 10), "that was before it was black");
	judge_another(2, 3000, &good, 11);
	cr_expect_not(suffices(2, 1000, 12), "that was of another resolution");
}

/* Whatever may become a fault, or is not known well enough to see one. */
Test(impression, does_not_suffice_after_anything_but_a_good_picture)
{
	const struct rtsp_verdict doubtful[] = {
		{ .sight = RTSP_BLACK, .faults = 1u << RTSP_BLACK },
		{ .sight = RTSP_UNIFORM }, /* ignored by its profile */
		{ .faults = 1u << RTSP_WRONG_CLOCK },
		{ .learning = true },
		{ .first = true },
		{ .unchanged_us = 1 },
	};
	for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
		judged(&doubtful[i]);
		cr_expect_not(suffices(1, 1000, 1), "verdict %zu", i);
	}
}

Test(impression, wants_to_know_the_rate_only_where_one_is_required)
{
	const struct rtsp_verdict unknown = { .unknown = 1u << RTSP_WRONG_RATE };
	struct rtsp_profile requires = rtsp_profile_default;
	requires.rate_min_mhz = 8000;
	judged(&unknown);
	cr_expect(suffices(1, 1000, 1));
	rtsp_impressions_judged(&of, &unknown, &requires, noon);
	cr_expect_not(suffices(1, 1000, 2));
	struct rtsp_verdict of_sub = unknown;
	of_sub.sub = true;
	rtsp_impressions_judged(&of, &of_sub, &requires, noon);
	cr_expect(suffices(1, 1000, 3), "of the smaller stream none is");
}

/* Whatever a camera sends: short, without slices, of each codec. */
Test(impression, is_made_of_anything)
{
	static const uint8_t zeros[300];
	for (int codec = RTSP_CODEC_UNKNOWN; codec <= RTSP_CODEC_MJPEG; codec++)
		for (size_t size = 0; size < sizeof zeros; size++)
			cr_assert_eq(
				rtsp_impression_of((enum rtsp_codec)codec, torap_bytes(zeros, size)).size,
				size);
	static const uint8_t h265[2][12] = { { 0, 0, 0, 1, 0x42, 1, 7, 0, 0, 0, 1, 0x26 },
		{ 0, 0, 0, 1, 0x42, 1, 8, 0, 0, 0, 1, 0x26 } };
	struct rtsp_impression a = rtsp_impression_of(RTSP_CODEC_H265, torap_bytes(h265[0], 12));
	struct rtsp_impression b = rtsp_impression_of(RTSP_CODEC_H265, torap_bytes(h265[1], 12));
	cr_expect_neq(a.sets, b.sets);
	uint8_t jpeg[2][400] = { { 0 } };
	jpeg[1][146] = 1; /* its height */
	a = rtsp_impression_of(RTSP_CODEC_MJPEG, torap_bytes(jpeg[0], sizeof *jpeg));
	b = rtsp_impression_of(RTSP_CODEC_MJPEG, torap_bytes(jpeg[1], sizeof *jpeg));
	cr_expect_neq(a.sets, b.sets);
	jpeg[1][146] = 0;
	jpeg[1][200] = 1; /* the picture */
	b = rtsp_impression_of(RTSP_CODEC_MJPEG, torap_bytes(jpeg[1], sizeof *jpeg));
	cr_expect_eq(a.sets, b.sets);
	cr_expect_neq(a.digest, b.digest);
}
