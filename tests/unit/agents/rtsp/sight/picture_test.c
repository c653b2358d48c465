#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/sight/picture.h"

static uint8_t *frame(int width, int height)
{
	uint8_t *data = malloc((size_t)width * (size_t)height);
	cr_assert(data);
	for (int i = 0; i < width * height; i++)
		data[i] = (uint8_t)(i % width * 255 / (width - 1));
	return data;
}

/* Sides that 160 and 90 do not divide, that are smaller than these, upright ones, the least: each value is the mean of its area. */
Test(picture, averages_any_size)
{
	static const int sizes[][2] = { { 1920, 1080 }, { 704, 576 }, { 33, 32 }, { 1080, 1920 }, { 161, 91 },
		{ 16384, 32 } };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int width = sizes[i][0], height = sizes[i][1];
		uint8_t *data = frame(width, height);
		struct rtsp_picture p;
		cr_assert(rtsp_picture_from_luma(&p, data, width, width, height));
		cr_expect_eq(p.shot.width, width);
		cr_expect_eq(p.shot.height, height);
		for (int x = 0; x < RTSP_PICTURE_WIDTH; x++) {
			int from = x * width / RTSP_PICTURE_WIDTH, to = (x + 1) * width / RTSP_PICTURE_WIDTH;
			int sum = 0, count = to > from ? to - from : 1;
			for (int c = from; c < from + count; c++)
				sum += data[c];
			cr_expect_eq(
				p.luma[0][x], (sum + count / 2) / count, "%dx%d at %d", width, height, x);
			cr_expect_eq(p.luma[89][x], p.luma[0][x]);
		}
		free(data);
	}
}

Test(picture, refuses_sides_that_are_no_camera_s)
{
	static const int sizes[][2] = { { 31, 90 }, { 160, 31 }, { 0, 0 }, { -5, 100 }, { 16385, 100 },
		{ 100, 1 << 30 } };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct rtsp_picture p;
		uint8_t none = 0;
		cr_expect_not(rtsp_picture_from_luma(&p, &none, 0, sizes[i][0], sizes[i][1]));
	}
}

/* One value of a million, by one: the average does not move, the mark of its block does, and no other. */
Test(picture, marks_see_what_averages_round_away)
{
	uint8_t *data = frame(1920, 1080);
	struct rtsp_picture before, after;
	cr_assert(rtsp_picture_from_luma(&before, data, 1920, 1920, 1080));
	data[500 * 1920 + 1000] ^= 1;
	cr_assert(rtsp_picture_from_luma(&after, data, 1920, 1920, 1080));
	cr_expect_eq(memcmp(before.luma, after.luma, sizeof before.luma), 0);
	for (int i = 0; i < RTSP_BLOCKS; i++)
		cr_expect_eq(before.marks.blocks[i] != after.marks.blocks[i],
			i == 500 / 120 * 16 + 1000 / 120, "%d", i);
	free(data);
}

/* A decoder's rows may be padded, or lie bottom up. */
Test(picture, follows_the_stride)
{
	uint8_t *data = frame(640, 360), *padded = malloc(700 * 360);
	cr_assert(padded);
	memset(padded, 7, 700 * 360);
	for (int y = 0; y < 360; y++)
		memcpy(padded + (ptrdiff_t)(359 - y) * 700, data + (ptrdiff_t)y * 640, 640);
	struct rtsp_picture a, b;
	cr_assert(rtsp_picture_from_luma(&a, data, 640, 640, 360));
	cr_assert(rtsp_picture_from_luma(&b, padded + 359 * 700, -700, 640, 360));
	cr_expect_eq(memcmp(a.luma, b.luma, sizeof a.luma), 0);
	cr_expect_eq(memcmp(&a.marks, &b.marks, sizeof a.marks), 0);
	free(data);
	free(padded);
}
